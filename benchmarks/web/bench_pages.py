"""The dashboard's pages over a million finished requests, 100,000 open ones and 99,000 dead letters.

    python benchmarks/web/bench_pages.py [--database FILE]

Without --database the rows are made first (some minutes, 1.1 GB in the temporary folder). Prints, for each
page, the median of five loads in milliseconds of the whole request and answer inside one process, wall and
CPU, and the size. Goal: every page under 1 s.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import apsw
from starlette.testclient import TestClient

from foldward.app.status import status
from foldward.settings import Home
from foldward.web.app import make_app

sys.path.append(str(Path(__file__).resolve().parents[1] / "storage"))

MIDDLE = "01980000-0000-7000-8000-000000500000"
PAGES = (
    "/",
    "/queue",
    f"/queue?after={MIDDLE}",
    "/queue?status=open",
    "/queue?status=retry",
    "/queue?status=success",
    "/queue?status=stuck",
    "/queue?kind=wfv",
    "/queue?kind=cpcv",
    "/queue?name=s77",
    f"/request?id={MIDDLE}",
    "/dead",
    "/dead?reason=schema",
    "/dead/50000",
    "/strategies",
    "/strategies?from=9000",
    "/strategy?name=s77",
    "/tree",
    "/latency",
    "/daily",
    "/api/status",
    "/api/verdicts",
    "/metrics",
)
LETTERS = (
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < 99000)"
    " INSERT INTO dead_letters (reason, code, error, state, direction, first_seen, last_seen, identity, size,"
    " payload_crc, payload, name)"
    " SELECT iif(i % 1000, 'unparseable', 'schema'), 'wire.unparseable', 'byte 3',"
    " 'held', 'result', 1770000000000000 + i, 1770000000000000 + i, randomblob(16), 100, 0, randomblob(100),"
    " 's1' FROM n"
)


def made(database: Path) -> None:
    """The rows."""
    from bench_million import fill

    fill(database, 1_000_000, 100_000)
    connection = apsw.Connection(str(database))
    connection.execute(LETTERS)
    connection.close()


def main() -> None:
    """Run and print one JSON object."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--database", type=Path, default=None)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home").make()
        if given.database is None:
            made(home.database)
        else:
            shutil.copy(given.database, home.database)
        client = TestClient(make_app(home, lambda: status(home)), base_url="http://127.0.0.1")
        figures = {}
        for page in PAGES:
            walls, cpus, size = [], [], 0
            for _ in range(5):
                wall, cpu = time.perf_counter(), time.process_time()
                answer = client.get(page)
                walls.append((time.perf_counter() - wall) * 1e3)
                cpus.append((time.process_time() - cpu) * 1e3)
                assert answer.status_code == 200, (page, answer.text)
                size = len(answer.content)
            figures[page] = {
                "wall_ms": round(statistics.median(walls), 1),
                "cpu_ms": round(statistics.median(cpus), 1),
                "first_ms": round(walls[0], 1),
                "bytes": size,
            }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
