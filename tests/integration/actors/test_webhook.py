"""Notifications arrive at a real HTTP server on loopback: split, paced, once, later when it asks for that."""

from __future__ import annotations

import http.server
import itertools
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.db_writer import DBWriter
from actors.notifier import Notifier
from foldward.contracts.messages import Figures, Notify
from foldward.settings import NotifyTable, StorageTable
from storage import open_writer
from storage.reads import Reader
from supervision import KEEP, Child, Root, boot, supervisor

# apprise loads every plugin it has, and one of them a module that Python 3.13 removes.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]
SECRET = "hush4711hush"


class Hook:
    """A webhook: keeps what it got with the time, answers with `answers` first and then with 200."""

    def __init__(self) -> None:
        self.got: list[tuple[float, str, dict[str, Any]]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.refused: set[str] = set()  # titles that are never taken
        self.gate = threading.Event()
        self.gate.set()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.gate.wait(20)
                status, headers = hook.answers.pop(0) if hook.answers else (200, {})
                status = 500 if body["title"] in hook.refused else status
                hook.got.append((time.monotonic(), self.path, {**body, "answered": status}))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_address[1]}/{SECRET}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def titles(self) -> list[str]:
        return [body["title"] for _, _, body in self.got if body["answered"] == 200]

    def close(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def start(hook: Hook, tmp_path: Path) -> Iterator[Any]:
    roots: list[Root] = []
    open_writer(tmp_path / "foldward.db", StorageTable()).close()

    def start(**settings: Any) -> Any:
        table = NotifyTable(urls=(hook.url,), **{"min_interval_s": 0.0, **settings})
        writer = {"database": tmp_path / "foldward.db", "settings": StorageTable()}
        roots.append(
            boot(
                supervisor(
                    "root",
                    Child("db_writer", DBWriter, kwargs=writer, inbox=KEEP),
                    Child("notifier", Notifier, kwargs={"settings": table}, inbox=KEEP),
                )
            )
        )
        return roots[-1].handle("notifier")

    yield start
    hook.gate.set()
    for root in roots:
        root.stop(5.0)


def until(holds: Any, seconds: float = 30.0) -> Any:
    limit, pause = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < limit:
        if value := holds():
            return value
        pause.wait(0.02)
    raise AssertionError("it did not come to pass")


def news(number: int, body: str = "b", key: str = "") -> Notify:
    return Notify(key=key or str(number), title=f"t{number}", body=body, severity="error")


def test_a_long_notice_comes_in_parts_and_its_secrets_do_not_come(hook: Hook, start: Any) -> None:
    body = "\n".join(f"line {number:04d} token={SECRET}" for number in range(200))
    start().tell(news(1, body))
    until(lambda: len(hook.got) == 3)
    assert hook.titles() == ["t1 (1/3)", "t1 (2/3)", "t1 (3/3)"]
    bodies = [body["message"] for _, _, body in hook.got]
    assert all(len(body) <= 1_800 for body in bodies)
    assert "\n".join(bodies).replace("token=***", "").split() == [
        word for number in range(200) for word in ("line", f"{number:04d}")
    ]
    assert hook.got[0][2]["type"] == "failure"


def test_equal_news_come_once_and_others_at_their_pace(hook: Hook, start: Any) -> None:
    notifier = start(min_interval_s=0.3)
    for number in range(20):
        notifier.tell(news(number, key="same"))
    notifier.tell(news(20))
    notifier.tell(news(21))
    until(lambda: len(hook.got) == 3)
    assert hook.titles() == ["t0", "t20", "t21"]
    times = [at for at, _, _ in hook.got]
    assert all(after - before >= 0.25 for before, after in itertools.pairwise(times))
    until(lambda: notifier.ask(Figures())["sent"] == 3)
    figures = notifier.ask(Figures())
    assert (figures["suppressed"], figures["failed"]) == (19, 0)


def test_a_pause_that_the_service_asks_for_is_kept(hook: Hook, start: Any) -> None:
    hook.answers = [(429, {"Retry-After": "3"})]
    notifier = start()
    notifier.tell(news(1))
    until(lambda: len(hook.got) == 1)
    notifier.tell(news(2))
    until(lambda: len(hook.titles()) == 2)
    assert sorted(hook.titles()) == ["t1", "t2"]
    first, *others = [at for at, _, _ in hook.got]
    assert min(others) - first >= 2.9
    assert notifier.ask(Figures())["retries"] == 1


def test_what_never_arrives_is_counted_and_nobody_waited(
    hook: Hook, start: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("actors._notices.BACKOFF_S", (0.01, 0.01, 0.01))
    hook.refused = {"t0"}
    hook.gate.clear()
    notifier = start()
    began = time.monotonic()
    for number in range(10):
        assert notifier.tell(news(number))
    assert notifier.ask(Figures(), timeout=5.0)["waiting"] == 10
    assert time.monotonic() - began < 5.0
    hook.gate.set()
    with Reader(tmp_path / "foldward.db") as reader:
        until(lambda: reader.counters().get("notify_failure") == 1)
    figures = notifier.ask(Figures())
    assert figures["failed"] == 1
    assert SECRET not in str(figures["last_error"])


def test_a_service_that_is_not_there_is_tried_again_and_its_url_is_not_told(
    hook: Hook, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors._notices.BACKOFF_S", (0.01, 0.01, 0.01))
    hook.close()
    notifier = start()
    notifier.tell(news(1))
    until(lambda: notifier.ask(Figures())["failed"] == 1)
    assert "1 of 1 services did not take it" in notifier.ask(Figures())["last_error"]
    assert SECRET not in str(notifier.ask(Figures()))
