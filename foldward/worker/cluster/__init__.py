"""A Ray cluster as one worker: a bridge takes credit from core and hands the work on (extra `cluster`).

Core sees an ordinary worker with many hands: leases, heartbeats and exactly-once stay where they are. Nothing
here is imported unless `--cluster` is given.
"""
