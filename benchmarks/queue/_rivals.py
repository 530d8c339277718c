"""The same work through another durable queue on SQLite; prints a line of JSON.

    python _rivals.py huey|litequeue [--jobs 5000] [--home DIR]

The same jobs: the bytes of Foldward's requests, read and answered by the same codec in one consumer process,
each answer stored durably. Enqueue durably (journal_mode WAL, synchronous FULL: one commit a step, which is
all that their interfaces offer); the requests are made before the clock starts. Both do less than Foldward:
no admission, no identity, no lease with a deadline, no checked answer, no timeline; huey forgets a job when
its consumer takes it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _worker import answered, request

LIMIT_S = 300.0


def make_huey(folder: Path) -> tuple[Any, Any]:
    """The queue and its task; `fsync=True` is huey's word for synchronous FULL."""
    from huey import SqliteHuey

    queue = SqliteHuey("bench", filename=str(folder / "huey.db"), fsync=True, timeout=60)

    @queue.task()
    def job(payload: str) -> str:
        return answered(payload.encode()).decode()

    return queue, job


def consume_huey(folder: Path) -> None:
    """huey's own consumer with one worker thread, polling as fast as it can when there is nothing."""
    queue, _ = make_huey(folder)
    queue.create_consumer(workers=1, periodic=False, initial_delay=0.001, backoff=1.0, max_delay=0.001).run()


def run_huey(folder: Path, jobs: int) -> dict[str, Any]:
    queue, job = make_huey(folder)
    consumer = start("huey", folder)
    try:
        requests = [request(number).decode() for number in range(jobs)]
        job(requests[0]).get(blocking=True, timeout=30)  # the consumer is up
        began = time.perf_counter()
        for payload in requests:
            job(payload)
        enqueued = time.perf_counter() - began
        wait(lambda: queue.storage.result_store_size() >= jobs)
        seconds = time.perf_counter() - began
    finally:
        consumer.kill()
        consumer.wait()
    found = {name: queue.storage.conn.execute(f"pragma {name}").fetchone()[0] for name in PRAGMAS}
    return answer("huey", jobs, seconds, enqueued, found)


def make_litequeue(folder: Path, name: str = "lite") -> Any:
    """A queue, with the FULL that its own constructor does not offer."""
    from litequeue import LiteQueue

    queue = LiteQueue(folder / f"{name}.db", timeout=30)
    queue.conn.execute("PRAGMA synchronous = FULL")
    return queue


def consume_litequeue(folder: Path) -> None:
    """The loop of litequeue's manual: pop, answer, done. Answers go into a queue of their own, in a file of
    its own, as the manual advises."""
    queue, answers = make_litequeue(folder), make_litequeue(folder, "answers")
    while True:
        message = queue.pop()
        if message is None:
            time.sleep(0.001)
            continue
        answers.put(answered(message.data.encode()).decode())
        queue.done(message.message_id)


def run_litequeue(folder: Path, jobs: int) -> dict[str, Any]:
    from litequeue import MessageStatus

    queue = make_litequeue(folder)
    consumer = start("litequeue", folder)
    done = f"SELECT count(*) FROM {queue.table} WHERE status = {int(MessageStatus.DONE)}"
    try:
        requests = [request(number).decode() for number in range(jobs)]
        queue.put(requests[0])
        wait(lambda: queue.conn.execute(done).fetchone()[0] >= 1)
        began = time.perf_counter()
        for payload in requests:
            queue.put(payload)
        enqueued = time.perf_counter() - began
        wait(lambda: queue.conn.execute(done).fetchone()[0] >= jobs + 1)
        seconds = time.perf_counter() - began
    finally:
        consumer.kill()
        consumer.wait()
    found = {name: queue.conn.execute(f"pragma {name}").fetchone()[0] for name in PRAGMAS}
    return answer("litequeue", jobs, seconds, enqueued, found)


PRAGMAS = ("journal_mode", "synchronous")
RUN = {"huey": run_huey, "litequeue": run_litequeue}
CONSUME = {"huey": consume_huey, "litequeue": consume_litequeue}


def start(which: str, folder: Path) -> subprocess.Popen[bytes]:
    """The consumer as a process of its own."""
    argv = [sys.executable, __file__, which, "--consume", "--home", str(folder)]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def wait(holds: Any) -> None:
    """Until it holds."""
    end = time.perf_counter() + LIMIT_S
    while not holds():
        if time.perf_counter() > end:
            raise TimeoutError(f"not within {LIMIT_S} s")
        time.sleep(0.01)


def answer(which: str, jobs: int, seconds: float, enqueued: float, found: dict[str, Any]) -> dict[str, Any]:
    """What is printed. synchronous 2 is FULL."""
    return {
        "jobs_per_s": jobs / seconds,
        "seconds": seconds,
        "enqueued_s": enqueued,
        "version": importlib.metadata.version(which),
        "pragmas": {**found, "sqlite": sqlite3.sqlite_version},
    }


def main() -> None:
    """One measurement, or one consumer."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("which", choices=sorted(RUN))
    options.add_argument("--jobs", type=int, default=5000)
    options.add_argument("--home", type=Path)
    options.add_argument("--consume", action="store_true")
    given = options.parse_args()
    if given.consume:
        CONSUME[given.which](given.home)
        return
    with tempfile.TemporaryDirectory(prefix="fw-rival-", dir=given.home) as folder:
        sys.stdout.write(json.dumps(RUN[given.which](Path(folder), given.jobs)) + "\n")


if __name__ == "__main__":
    main()
