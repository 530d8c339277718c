"""What SQLite, the link and Python leave room for: the same bytes with nothing around them; a line of JSON.

    python _floor.py [--jobs 5000] [--home DIR] [--single]

One thread of bare apsw beside the product's link, codec and worker process: insert the request, mark it as
sent, send it, read the answer, and in one transaction delete the row and insert the answer. Two tables with
one key each; no admission, identity, check, strategy, timeline, counter, index, event or actor. Group commit
as the writer does it (what is there, up to 500); with --single a commit for each step of each job, as the
queues beside us have it. Whatever a queue in Python does for its users comes on top of this.
"""

from __future__ import annotations

import argparse
import itertools
import json
import queue
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import apsw
from _worker import request

from foldward.contracts.jobs import Result
from foldward.contracts.messages import FrameReceived, PeerJoined
from foldward.settings import Settings
from foldward.wire import loads
from foldward.wire.links import make_link, native_endpoint

BATCH = 500
IN_FLIGHT = 500
_SCHEMA = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
CREATE TABLE queue (id TEXT PRIMARY KEY, status TEXT NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE results (id TEXT PRIMARY KEY, answer BLOB NOT NULL) STRICT;
"""


class Floor:
    """The loop and what it holds."""

    def __init__(self, home: Path, single: bool) -> None:
        self._connection = apsw.Connection(str(home / "floor.db"))
        self._connection.execute(_SCHEMA).fetchall()
        self._step = 1 if single else BATCH
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        table = Settings().link
        self._link = make_link(table, home, self._heard.put)
        self._link.start()
        argv = [sys.executable, str(Path(__file__).with_name("_worker.py")), "--connect"]
        argv += [native_endpoint(table, home), "--capacity", str(IN_FLIGHT)]
        self._worker = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not isinstance(self._heard.get(timeout=30.0), PeerJoined):
            pass

    def close(self) -> None:
        """End the worker and the link."""
        self._worker.kill()
        self._worker.wait()
        self._link.close()
        self._connection.close()

    def run(self, requests: list[tuple[str, bytes]]) -> float:
        """Seconds from the first insert to the last commit."""
        began = time.perf_counter()
        for start in range(0, len(requests), self._step):
            rows = requests[start : start + self._step]
            self._write("INSERT INTO queue VALUES (?, 'pending', ?)", rows)
        waiting = iter(requests)
        out = done = 0
        while done < len(requests):
            while out < IN_FLIGHT:
                batch = list(itertools.islice(waiting, min(self._step, IN_FLIGHT - out)))
                if not batch:
                    break
                self._write("UPDATE queue SET status = 'sent' WHERE id = ?", [(id,) for id, _ in batch])
                for id, payload in batch:
                    self._link.send("worker-1", id, payload)
                out += len(batch)
            answers = self._answers()
            for start in range(0, len(answers), self._step):
                part = answers[start : start + self._step]
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany("DELETE FROM queue WHERE id = ?", [(id,) for id, _ in part])
                self._connection.executemany("INSERT INTO results VALUES (?, ?)", part)
                self._connection.execute("COMMIT")
            out -= len(answers)
            done += len(answers)
        return time.perf_counter() - began

    def _write(self, sql: str, rows: list[Any]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(sql, rows)
        self._connection.execute("COMMIT")

    def _answers(self) -> list[tuple[str, bytes]]:
        """All that have come, at least one."""
        found = []
        message = self._heard.get(timeout=30.0)
        while True:
            if isinstance(message, FrameReceived):
                result = loads(message.frames[0])
                assert isinstance(result, Result)
                found.append((result.request_id, message.frames[0]))
            try:
                message = self._heard.get_nowait()
            except queue.Empty:
                if found:
                    return found
                message = self._heard.get(timeout=30.0)


def main() -> None:
    """One measurement."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--jobs", type=int, default=5000)
    options.add_argument("--home", type=Path)
    options.add_argument("--single", action="store_true")
    given = options.parse_args()
    made = [request(number) for number in range(given.jobs)]
    requests = [(json.loads(raw)["request_id"], raw) for raw in made]
    with tempfile.TemporaryDirectory(prefix="fw-floor-", dir=given.home) as folder:
        floor = Floor(Path(folder), given.single)
        try:
            seconds = floor.run(requests)
        finally:
            floor.close()
    pragmas = {"journal_mode": "wal", "synchronous": "FULL", "sqlite": apsw.sqlite_lib_version()}
    found = {"jobs_per_s": given.jobs / seconds, "seconds": seconds, "version": "bare", "pragmas": pragmas}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
