"""Facts a second: admit + lease + answer, durable, in batches, against the same rows by bare statements.

    python benchmarks/storage/bench_facts.py [--jobs 5000] [--batch 500] [--strategies 1000] [--home DIR]

Prints microseconds of the writer's thread per job for each of the three facts, with and without the commit,
and what plain apsw needs for the same tables and indexes without checks, timeline or counters. A bare fsync
of the same disk is shown beside it, because FULL pays one for each commit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

from foldward.contracts import clock, ids
from foldward.contracts.facts import AdmitRequest, ApplyResult, ImportStrategies, LeaseRequest
from foldward.contracts.jobs import Backtest, Result, Strategy, Window
from foldward.settings import StorageTable
from foldward.wire import dumps
from storage import open_writer
from storage.maintenance import fsck


def jobs(count: int, strategies: list[Strategy]) -> list[tuple[AdmitRequest, LeaseRequest, ApplyResult]]:
    """Everything that a job needs, made before the clock starts."""
    made = []
    for number in range(count):
        strategy = strategies[number % len(strategies)]
        request_id = ids.new_id()
        job = Backtest(
            request_id=request_id,
            strategy=strategy,
            phase="backtest",
            symbol=strategy.symbol,
            data_id="sha256:" + "0" * 64,
            start_time=1_700_000_000,
            end_time=1_710_000_000,
        )
        digest = "sha256:" + hashlib.sha256(request_id.encode()).hexdigest()
        now = clock.utc_us()
        result = Result(
            request_id=request_id,
            strategy_name=strategy.name,
            trades=42,
            wins=20,
            losses=22,
            pnl=12.5,
            sharpe=0.61,
            sortino=0.9,
            max_drawdown=0.12,
            win_rate=47.6,
            profit_factor=1.3,
            metrics={"sharpe": 0.61, "sortino": 0.9, "expectancy": 0.3, "cagr": 0.1, "calmar": 0.8},
            window=Window(1_700_000_000, 1_710_000_000, 2778),
            result_digest=digest,
            engine="1",
        )
        made.append(
            (
                AdmitRequest(
                    request_id=request_id,
                    name=strategy.name,
                    kind="backtest",
                    digest=digest,
                    payload=dumps(job),
                    requested_us=now,
                    due_us=now,
                ),
                LeaseRequest(
                    request_id=request_id, worker="worker-1", sent_us=now + 500, deadline_us=now + 10**8
                ),
                ApplyResult(result=result, received_us=now + 2_000, at_us=now + 2_100, peer="worker-1"),
            )
        )
    return made


def ours(path: Path, work: list, batch: int, strategies: list[Strategy]) -> dict[str, float]:
    """Microseconds per job of each fact, and of the commits among them."""
    writer = open_writer(path, StorageTable(synchronous="FULL"))
    writer.apply([ImportStrategies(strategies=tuple(strategies), at_us=clock.utc_us())])
    commits = 0.0
    execute = writer._execute

    def timed(sql: str) -> object:
        nonlocal commits
        if sql != "COMMIT":
            return execute(sql)
        began = time.perf_counter()
        done = execute(sql)
        commits += time.perf_counter() - began
        return done

    writer._execute = timed
    spent = [0.0, 0.0, 0.0]
    # As the queue runs: each transaction holds admissions, leases and answers of neighbouring jobs.
    for start in range(0, len(work), batch):
        for step in range(3):
            facts = [job[step] for job in work[start : start + batch]]
            began = time.perf_counter()
            outcomes = writer.apply(facts)
            spent[step] += time.perf_counter() - began
            assert all(outcome.ok for outcome in outcomes)
    writer.close()
    report = fsck(path)
    assert report["ok"], report["violations"][:3]
    per_job = 1e6 / len(work)
    return {
        "admit_us": spent[0] * per_job,
        "lease_us": spent[1] * per_job,
        "apply_us": spent[2] * per_job,
        "commit_us": commits * per_job,
        "all_us": sum(spent) * per_job,
        "facts_per_s": 3 * len(work) / sum(spent),
        "jobs_per_s": len(work) / sum(spent),
    }


def bare(path: Path, work: list, batch: int) -> dict[str, float]:
    """The same life of a row as bare statements: insert, update, insert a result, delete."""
    writer = open_writer(path, StorageTable(synchronous="FULL"))
    execute = writer._connection.cursor().execute
    spent = 0.0
    for start in range(0, len(work), batch):
        for step in range(3):
            began = time.perf_counter()
            execute("BEGIN IMMEDIATE")
            for job in work[start : start + batch]:
                admit, lease, answer = job
                if step == 0:
                    execute(
                        "INSERT INTO oos_queue (request_id, name, requested_at, status, kind, digest,"
                        " next_attempt_at, requested_us, opened_at, payload_crc, payload)"
                        " VALUES (?, ?, ?, 'pending', ?, ?, ?, ?, ?, 0, ?)",
                        (
                            admit.request_id,
                            admit.name,
                            admit.requested_us // 1_000_000,
                            admit.kind,
                            admit.digest,
                            admit.due_us,
                            admit.requested_us,
                            admit.requested_us,
                            admit.payload,
                        ),
                    )
                elif step == 1:
                    execute(
                        "UPDATE oos_queue SET status = 'sent', sends = sends + 1, sent_at = ?,"
                        " deadline_at = ?, next_attempt_at = NULL, worker = ? WHERE request_id = ?",
                        (lease.sent_us, lease.deadline_us, lease.worker, lease.request_id),
                    )
                else:
                    execute(
                        "INSERT INTO results (request_id, name, kind, digest, work, verdict, requested_us,"
                        " received_at, applied_at, latency_us, sends, failures, attempt, run_id, trace_id,"
                        " origin, trades, pnl, sharpe, row_crc, detail) VALUES (?, ?, 'backtest', ?, '',"
                        " 'OK', ?, ?, ?, 0, 1, 0, 1, '-', '-', 'run', 42, 12.5, 0.61, 0, '{}')",
                        (
                            admit.request_id,
                            admit.name,
                            admit.digest,
                            admit.requested_us,
                            answer.received_us,
                            answer.at_us,
                        ),
                    )
                    execute("DELETE FROM oos_queue WHERE request_id = ?", (admit.request_id,))
            execute("COMMIT")
            spent += time.perf_counter() - began
    writer.close()
    return {"all_us": spent * 1e6 / len(work), "jobs_per_s": len(work) / spent}


def fsync_us(folder: Path, times: int = 50) -> float:
    """What one flush of this disk costs."""
    descriptor = os.open(folder / "probe", os.O_RDWR | os.O_CREAT)
    began = time.perf_counter()
    for _ in range(times):
        os.write(descriptor, b"x" * 4096)
        os.fsync(descriptor)
    spent = time.perf_counter() - began
    os.close(descriptor)
    return spent * 1e6 / times


def main() -> None:
    """Run and print one JSON object."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--jobs", type=int, default=5000)
    options.add_argument("--batch", type=int, default=500)
    options.add_argument("--strategies", type=int, default=1000)
    options.add_argument("--home", type=Path, default=None)
    given = options.parse_args()
    strategies = [
        Strategy(name=f"s{n}", kind="sma", params={"sma_short": 5.0, "sma_long": 20.0 + n}, symbol="EURUSD")
        for n in range(given.strategies)
    ]
    with tempfile.TemporaryDirectory(dir=given.home) as folder:
        home = Path(folder)
        figures = {
            "jobs": given.jobs,
            "batch": given.batch,
            "fsync_us": fsync_us(home),
            "foldward": ours(home / "a.db", jobs(given.jobs, strategies), given.batch, strategies),
            "bare": bare(home / "b.db", jobs(given.jobs, strategies), given.batch),
        }
    figures["ratio"] = figures["foldward"]["all_us"] / figures["bare"]["all_us"]
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
