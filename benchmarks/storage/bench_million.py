"""A million finished requests and 100,000 open ones: what each question and the next dispatch take.

    python benchmarks/storage/bench_million.py [--finished 1000000] [--open 100000] [--home DIR]

Prints milliseconds (the slowest of three). Goals: every operator's question under 1 s, dispatch of a new
request (admit, find it due, lease it) under 20 ms.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foldward.contracts.facts import AdmitRequest, ApplyResult, ImportStrategies, LeaseRequest
from foldward.contracts.jobs import Result, Strategy
from foldward.settings import StorageTable
from storage import Writer, open_writer
from storage.reads import Reader

T0 = 1_770_000_000_000_000
COUNT = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)"
ID = "printf('01980000-0000-7000-8000-%012d', i)"
DIGEST = "'sha256:' || hex(randomblob(32))"


def fill(path: Path, finished: int, waiting: int) -> None:
    """Make the rows with SQL: as the facts would have, and quicker."""
    writer = open_writer(path, StorageTable(synchronous="NORMAL"))
    strategies = tuple(Strategy(name=f"s{n}", kind="sma", symbol="EURUSD") for n in range(10_000))
    writer.apply([ImportStrategies(strategies=strategies, at_us=T0)])
    execute = writer._connection.execute
    execute("BEGIN IMMEDIATE")
    execute(
        f"{COUNT} INSERT INTO results (request_id, name, kind, digest, work, verdict, requested_us, sent_at,"
        " received_at, applied_at, latency_us, queue_us, run_us, sends, failures, attempt, run_id, trace_id,"
        f" origin, trades, pnl, sharpe, row_crc, detail) SELECT {ID}, 's' || (i % 10000),"
        " CASE i % 3 WHEN 0 THEN 'backtest' WHEN 1 THEN 'oos' ELSE 'wfv' END,"
        f" {DIGEST}, '', 'OK', ?2 + i, ?2 + i + 100, ?2 + i + 5000, ?2 + i + 5100,"
        " 5000 + abs(random() % 90000), 100, 4900, 1, 0, 1, '-', '-', 'run', 42, 1.5, 0.6, 0,"
        " json_object('metrics', json_object('sharpe', 0.6, 'text', hex(randomblob(150)))) FROM n",
        (finished, T0),
    )
    execute(
        f"{COUNT} INSERT INTO events (request_id, at, event, code, data) SELECT {ID}, ?2 + i,"
        " CASE WHEN i % 50 THEN 'oos.result' ELSE 'oos.retry' END,"
        " CASE WHEN i % 50 THEN NULL ELSE 'engine.failed' END,"
        " json_object('attempt', 1, 'strategy', 's1', 'error', 'division by zero') FROM n",
        (finished, T0),
    )
    execute(
        f"{COUNT} INSERT INTO oos_queue (request_id, name, requested_at, status, kind, digest,"
        " next_attempt_at, requested_us, opened_at, priority, payload_crc, payload)"
        f" SELECT replace({ID}, '01980000', '01990000'), 's' || (i % 10000), (?2 + i) / 1000000,"
        " CASE WHEN i % 2 THEN 'retry' ELSE 'pending' END,"
        f" 'wfv', {DIGEST}, ?2 + 1000000000 + i, ?2 + i, ?2 + i, i % 3, 0, randomblob(900) FROM n",
        (waiting, T0),
    )
    execute(
        "INSERT INTO latencies SELECT kind, 'latency', latency_us / 1000, count(*), sum(latency_us),"
        " min(latency_us), max(latency_us) FROM results GROUP BY 1, 3"
    )
    execute("INSERT OR REPLACE INTO counters VALUES ('success', ?)", (finished,))
    execute("COMMIT")
    writer.checkpoint(force=True)
    writer.close()


def slowest_ms(question: Callable[[], Any], times: int = 3) -> float:
    """The slowest of some tries."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        question()
        spent.append((time.perf_counter() - began) * 1e3)
    return round(max(spent), 2)


def dispatch(writer: Writer, reader: Reader, number: int) -> None:
    """Admit, find it due, lease it, apply its answer."""
    request_id = f"01980000-0000-7000-9000-{number:012d}"
    now = T0 + number
    writer.apply(
        [
            AdmitRequest(
                request_id=request_id,
                name=f"s{number}",
                kind="backtest",
                digest=f"sha256:{number:064x}",
                payload=b"{}",
                requested_us=now,
                due_us=now,
            )
        ]
    )
    (row,) = reader.due(now, 10)
    writer.apply([LeaseRequest(request_id=row.request_id, worker="w", sent_us=now, deadline_us=now + 10**9)])
    result = Result(request_id=request_id, trades=1, sharpe=0.5, result_digest="sha256:0")
    writer.apply([ApplyResult(result=result, received_us=now + 5, at_us=now + 6)])


def main() -> None:
    """Run and print one JSON object."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--finished", type=int, default=1_000_000)
    options.add_argument("--open", type=int, default=100_000)
    options.add_argument("--home", type=Path, default=None)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.home) as folder:
        path = Path(folder) / "foldward.db"
        fill(path, given.finished, given.open)
        size = path.stat().st_size
        began = time.perf_counter()
        writer = open_writer(path, StorageTable())
        opened = (time.perf_counter() - began) * 1e3
        reader = Reader(path)
        middle = f"01980000-0000-7000-8000-{given.finished // 2:012d}"
        now = T0 + 10**12
        questions: dict[str, Callable[[], Any]] = {
            "status: counts": lambda: reader.queue_counts(now),
            "status: counters": reader.counters,
            "status: dead letters": reader.dead_counts,
            "stuck": lambda: reader.stuck(now),
            "why": lambda: reader.timeline(middle),
            "failures by reason": lambda: reader.failures(T0),
            "failures by strategy": lambda: reader.failures(T0, "strategy"),
            "verdicts of 10,000": lambda: reader.verdicts(),
            "latency": lambda: reader.latency(),
            "oos list": lambda: reader.requests(100),
            "oos list of a strategy": lambda: reader.requests(100, name="s77"),
            "oos list of closed": lambda: reader.requests(100, status="error"),
            "dead list": lambda: reader.dead_letters("held"),
            "latest of a strategy": lambda: reader.latest("s77", "oos"),
            "last sent": lambda: reader.last_sent_us("s77", "oos"),
            "run times": lambda: reader.run_time_samples("oos", 1000),
            "changed strategies": lambda: reader.strategies(revision_gt=9_990),
            "due 500 of 100,000": lambda: reader.due(now, 500),
            "none due": lambda: reader.due(T0, 500),
        }
        figures: dict[str, Any] = {
            "finished": given.finished,
            "open": given.open,
            "file_mb": round(size / 1e6),
            "open_writer_ms": round(opened, 2),
            "questions_ms": {name: slowest_ms(question) for name, question in questions.items()},
        }
        spent = []
        for number in range(50):
            began = time.perf_counter()
            dispatch(writer, reader, number)
            spent.append((time.perf_counter() - began) * 1e3)
        figures["dispatch_ms"] = {"median": round(sorted(spent)[25], 2), "slowest": round(max(spent), 2)}
        reader.close()
        writer.close()
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
