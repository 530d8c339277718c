"""What a worker process does: take a request, load candles, run the engine, answer on every path."""

from foldward.worker.runner import run_job

__all__ = ["run_job"]
