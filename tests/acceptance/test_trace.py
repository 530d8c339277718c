"""One trace: what the command line answers is found in core's log, the events, the worker's log, the result
row and the dashboard; a hundred requests at once never mix.
"""

import json
import re
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import Shell, until
from starlette.testclient import TestClient

from foldward.app.status import status
from foldward.data import bundled_dir
from foldward.settings import Home
from foldward.web.app import make_app

pytestmark = pytest.mark.slow
SET = """
[[strategy]]
name = "sma-AAPL"
kind = "sma"
symbol = "AAPL"
timeframe = "D1"
units = 150
grid = { sma_short = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11], sma_long = [20, 30, 40, 50, 60, 70, 80, 90, 95, 99] }
"""
WORKER_LINE = re.compile(r"trace_id=(\S+) request_id=(\S+) ")


@pytest.fixture(scope="module")
def served() -> Iterator[Shell]:
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        shell, file = Shell(Path(folder) / "home"), Path(folder) / "set.toml"
        file.write_text(SET)
        try:
            shell.json("strategies", "import", str(file))
            shell.core("--data", str(bundled_dir()), "--workers", "2")
            yield shell
        finally:
            shell.close()


def events(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "telemetry.jsonl").read_text().splitlines()]


def traces(home: Path) -> dict[str, str]:
    """Result rows: request id → trace id."""
    with sqlite3.connect(f"file:{home}/foldward.db?mode=ro", uri=True) as db:
        return dict(db.execute("SELECT request_id, trace_id FROM results WHERE kind = 'oos'"))


def worker_lines(home: Path) -> list[tuple[str, str]]:
    """(trace id, request id) of every line in the workers' logs that is about a request."""
    text = "\n".join(file.read_text() for file in sorted((home / "logs").glob("worker-*.log")))
    return [(trace, request) for trace, request in WORKER_LINE.findall(text) if trace != "-"]


def test_one_trace_is_found_at_every_station(served: Shell) -> None:
    home = served.home
    (item,) = served.json("oos", "submit", "sma-AAPL-5-50", "--now")
    request_id, trace_id = item["request_id"], item["trace_id"]
    assert len(trace_id) == 36
    until(lambda: request_id in traces(home), 60, "the result")
    assert traces(home)[request_id] == trace_id

    def told() -> list[str]:
        return [event["event_type"] for event in events(home) if event["trace_id"] == trace_id]

    until(lambda: "oos.result" in told(), 10, "the event")
    assert told()[0] == "oos.requested"
    mine = [event for event in events(home) if event["data"].get("request_id") == request_id]
    assert {event["trace_id"] for event in mine} == {trace_id}
    assert {event["correlation_id"] for event in mine} == {request_id}

    log = [line for line in (home / "logs" / "core.log").read_text().splitlines() if trace_id in line]
    assert any(request_id in line and "sma-AAPL-5-50" in line for line in log)
    assert all(line.split()[3] == trace_id for line in log)  # in its column, not somewhere in a text
    until(lambda: (trace_id, request_id) in worker_lines(home), 10, "the line in the worker's log")

    pages = TestClient(
        make_app(Home(home), lambda: status(Home(home), timeout=5.0)), base_url="http://127.0.0.1"
    )
    story = pages.get("/api/why", params={"id": request_id}).json()
    assert next(step["event"] for step in story) == "oos.requested"
    assert trace_id in pages.get("/request", params={"id": request_id}).text

    (again,) = served.json("oos", "submit", "sma-AAPL-5-50", "--now")
    assert (again["status"], again["request_id"], again["trace_id"]) == ("cached", request_id, trace_id)


def test_a_hundred_requests_at_once_never_mix(served: Shell) -> None:
    home = served.home
    names = [row["name"] for row in served.json("strategies", "list")]
    assert len(names) == 100  # one of them may be answered already: then with the trace that it had
    items = served.json("oos", "submit", *names, "--now")
    asked = {item["request_id"]: item["trace_id"] for item in items}
    assert len(set(asked.values())) == 100
    until(lambda: len(traces(home)) == 100, 60, "all results")
    assert traces(home) == asked

    def finished() -> bool:
        return sum(event["event_type"] == "oos.result" for event in events(home)) >= 100

    until(finished, 10, "all events")
    said: dict[str, set[str]] = defaultdict(set)
    for event in events(home):
        if event["event_type"].startswith("oos.") and event["data"]["request_id"] in asked:
            said[event["trace_id"]].add(event["data"]["request_id"])
    assert dict(said) == {trace: {request} for request, trace in asked.items()}
    seen = set(worker_lines(home))
    assert {(trace, request) for trace, request in seen if request in asked} == {
        (trace, request) for request, trace in asked.items()
    }
