"""SIGKILL in the middle of writing: what was acknowledged is stored, and the file is whole."""

import json
import os
import random
import signal
import subprocess
import sys

import pytest

from foldward.settings import StorageTable
from storage import open_writer
from storage.maintenance import fsck
from storage.reads import Reader

# Prints a line for every acknowledged fact, and writes until it is killed.
WRITING = """
import json, sys
from foldward.contracts.facts import *
from foldward.contracts.jobs import Result, Strategy
from foldward.settings import StorageTable
from storage import open_writer

seed, path = int(sys.argv[1]), sys.argv[2]
writer = open_writer(path, StorageTable(synchronous="FULL"))
base = seed * 1_000_000
T0 = 1_770_000_000_000_000
print("ready", flush=True)
names = [f"s{n}" for n in range(50)]
writer.apply([ImportStrategies(strategies=tuple(Strategy(name=n, kind="sma") for n in names), at_us=T0)])
for number in range(base, base + 1_000_000, 20):
    ids = [f"01980000-0000-7000-8000-{n:012d}" for n in range(number, number + 20)]
    steps = [
        [AdmitRequest(request_id=i, name=names[k], kind="backtest", digest="sha256:" + i, payload=b"{}" * 200,
                      requested_us=T0, due_us=T0) for k, i in enumerate(ids)],
        [LeaseRequest(request_id=i, worker="w", sent_us=T0, deadline_us=T0 + 1) for i in ids],
        [FailAttempt(request_id=ids[0], code="engine.failed", error="x", due_us=T0, at_us=T0, cause="result"),
         GiveUp(request_id=ids[1], reason="exhausted", code="engine.failed", error="x", at_us=T0)]
        + [ApplyResult(result=Result(request_id=i, trades=1, sharpe=0.5, result_digest="sha256:1"),
                       received_us=T0 + 5, at_us=T0 + 6) for i in ids[2:]],
    ]
    for facts in steps:
        outcomes = writer.apply(facts)
        for fact, outcome in zip(facts, outcomes):
            assert outcome.ok, outcome
            i = fact.result.request_id if isinstance(fact, ApplyResult) else fact.request_id
            sys.stdout.write(json.dumps([type(fact).__name__, i]) + "\\n")
        sys.stdout.flush()
"""
AFTER = {
    "AdmitRequest": {"pending", "sent", "retry", "error", "success"},
    "LeaseRequest": {"sent", "retry", "error", "success"},
    "FailAttempt": {"retry"},
    "GiveUp": {"error"},
    "ApplyResult": {"success"},
}
RANK = list(AFTER)


@pytest.mark.slow
@pytest.mark.chaos
def test_what_was_acknowledged_is_stored_after_kill_minus_nine(tmp_path):
    path = tmp_path / "foldward.db"
    rng = random.Random(7)
    acknowledged = {}
    for seed in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITING, str(seed), str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "ready\n"
        for _ in range(rng.randrange(1, 1500)):
            kind, request_id = json.loads(process.stdout.readline())
            acknowledged[request_id] = max(acknowledged.get(request_id, "AdmitRequest"), kind, key=RANK.index)
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate()
        for line in rest.splitlines(keepends=True):
            if line.endswith("\n"):
                kind, request_id = json.loads(line)
                before = acknowledged.get(request_id, "AdmitRequest")
                acknowledged[request_id] = max(before, kind, key=RANK.index)

        report = fsck(path)
        assert report["ok"], report["violations"]
        with Reader(path) as reader:
            for request_id, last in acknowledged.items():
                row = reader.request(request_id)
                found = row.status if row else ("success" if reader.result(request_id) else "lost")
                assert found in AFTER[last], (request_id, last, found)
    assert len(acknowledged) > 100
    open_writer(path, StorageTable()).close()


@pytest.mark.slow
def test_a_second_writer_in_another_process_is_refused(tmp_path):
    path = tmp_path / "foldward.db"
    writer = open_writer(path, StorageTable())
    code = (
        "import sys; from foldward.settings import StorageTable; from storage import open_writer\n"
        "from foldward.contracts.errors import StorageError\n"
        "try: open_writer(sys.argv[1], StorageTable())\n"
        "except StorageError as error: print(error.code)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    writer.close()
    assert done.stdout == "storage.busy\n"


@pytest.mark.slow
def test_readers_in_other_processes_never_see_half_a_step(tmp_path):
    path = tmp_path / "foldward.db"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITING, "1", str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    try:
        with Reader(path) as reader:
            seen = 0
            while seen < 2000:
                with reader.snapshot():
                    counters, counts = reader.counters(), reader.queue_counts()
                    assert counters["requested"] == counters["success"] + counts["open"] + counts["error"]
                seen += 20
                for _ in range(20):
                    process.stdout.readline()
    finally:
        process.kill()
        process.communicate()
