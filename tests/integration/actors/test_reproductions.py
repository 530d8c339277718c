"""The three accidents that a durable queue is for, with real threads, sockets and processes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foldward.contracts.errors import StorageError, WireError
from foldward.contracts.messages import Emit, Look, Pause, ReplayDead, Resume, Submit
from foldward.settings import LinkTable, QueueTable, Settings
from foldward.testing.actor_world import Candles, answer_to
from foldward.testing.fake_link import FakeLink
from foldward.testing.queue_tree import Obedient, add_strategies, queue_tree, submit
from foldward.wire import dumps, loads
from foldward.wire.links import NativeLink
from storage.reads import Reader
from supervision import Inbox, Root, boot

pytestmark = pytest.mark.slow
WORKER = """
import sys, threading
from foldward.testing.actor_world import Candles, answer_to
from foldward.wire import dumps, loads
from foldward.wire.links import WorkerPort
endpoint, name, manner = sys.argv[1:]
port = WorkerPort(endpoint, name)
while True:
    for request_id, data in port.poll(1000):
        port.started(request_id)
        if manner == "hang":
            port.poll(100)
            print(request_id, flush=True)
            threading.Event().wait()
        port.results([dumps(answer_to(loads(data), Candles()))])
"""


def until(condition: Callable[[], Any], seconds: float = 20.0) -> float:
    """Wait for it in real time; how long it took."""
    begun = time.monotonic()
    pause = threading.Event()
    while not condition():
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        pause.wait(0.005)
    return time.monotonic() - begun


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with Reader(tmp_path / "foldward.db") as made:
        yield made


def test_a_killed_workers_lease_returns_within_a_second_and_no_failure_is_counted(
    tmp_path: Path, reader: Reader
) -> None:
    links: list[NativeLink] = []

    def make(sink: Any) -> NativeLink:
        links.append(NativeLink(sink, LinkTable(), tmp_path))
        return links[-1]

    root = boot(queue_tree(tmp_path / "foldward.db", make))
    workers: list[subprocess.Popen[str]] = []

    def start(name: str, manner: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", WORKER, links[-1].endpoint, name, manner]
        workers.append(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
        return workers[-1]

    try:
        add_strategies(root, ["s0", "s1"])
        doomed = start("worker-1", "hang")
        items = submit(root, ["s0", "s1"])
        assert doomed.stdout is not None
        begun = doomed.stdout.readline().strip()
        assert begun in {item.request_id for item in items}
        until(lambda: reader.queue_counts()["sent"] == 2)
        start("worker-2", "answer")
        until(lambda: len(_view(root)["workers"]) == 2)
        os.kill(doomed.pid, signal.SIGKILL)
        took = until(lambda: reader.queue_counts()["open"] == 0)
        assert took <= 1.0
        for item in items:
            row = reader.result(item.request_id)
            assert row is not None
            assert (row.sends, row.failures, row.worker) == (2, 0, "worker-2")
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
        root.stop(5.0)


def _view(root: Root) -> dict[str, Any]:
    view: dict[str, Any] = root.names.handle("dispatcher").ask(Look())
    return view


def test_a_malformed_result_is_kept_exactly_and_replayed_when_its_cause_is_gone(
    tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    links: list[FakeLink] = []
    heard: list[Any] = []

    def make(sink: Any) -> FakeLink:
        links.append(FakeLink(sink))
        return links[-1]

    root = boot(queue_tree(tmp_path / "foldward.db", make, heard=heard.append))
    try:
        add_strategies(root, ["s0"])
        peer = links[0].connect("w1")
        (item,) = submit(root, ["s0"])
        _, data = peer.take()
        raw = dumps(answer_to(loads(data), Candles()))

        def refuse(bytes_: bytes, **_: Any) -> Any:
            raise WireError("wire.invalid_field", bytes_, None, "result.sharpe is misread by this decoder")

        monkeypatch.setattr("actors.dispatcher.loads", refuse)
        peer.answer(raw)
        until(lambda: reader.dead_letters())
        (letter,) = reader.dead_letters()
        whole = reader.dead_letter(letter.id)
        assert whole is not None
        assert (whole.payload, whole.reason, whole.state) == (raw, "schema", "held")
        row = reader.request(item.request_id)
        assert row is not None
        assert (row.status, row.failures) == ("sent", 0)

        monkeypatch.setattr("actors._replay.loads", refuse)
        assert _replay(root).failed == 1
        monkeypatch.undo()
        assert _replay(root).replayed == 1
        assert reader.result(item.request_id) is not None
        letter = reader.dead_letters()[0]
        assert (letter.state, letter.count) == ("replayed", 2)
        assert "dead_letter.replayed" in {m.event_type for m in heard if isinstance(m, Emit)}
    finally:
        root.stop(5.0)


def _replay(root: Root) -> Any:
    inbox = Inbox()
    root.names.handle("dead_letter").tell(ReplayDead(ids=(1,), reply_to=inbox))
    return inbox.get(20.0)


def test_a_core_that_is_killed_again_and_again_gives_each_request_exactly_one_result(
    tmp_path: Path, reader: Reader
) -> None:
    database = tmp_path / "foldward.db"
    argv = [sys.executable, "-m", "foldward.testing.queue_tree", str(database), "400"]
    for least in (1, 60, 150):
        core = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            until(lambda: database.exists() and _answers(reader) >= least, 60.0)  # noqa: B023
        finally:
            core.kill()
            core.communicate()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    counters = json.loads(done.stdout)
    assert counters["requested"] == 400
    assert counters["success"] == 400
    assert counters["failure"] == 0
    assert _answers(reader) == 400
    assert reader.queue_counts()["open"] == 0
    assert counters["recovered"] >= 1


def _answers(reader: Reader) -> int:
    try:
        return int(reader.counters()["success"])
    except StorageError:  # the file is being made
        return 0


# --- the same tree, other accidents ------------------------------------------------------------------------


def test_a_crash_of_the_dispatcher_loses_nothing(tmp_path: Path, reader: Reader) -> None:
    links: list[FakeLink] = []

    def make(sink: Any) -> FakeLink:
        links.append(FakeLink(sink))
        return links[-1]

    settings = Settings(queue=QueueTable(grace_s=0.2))
    root = boot(queue_tree(tmp_path / "foldward.db", make, settings=settings))
    try:
        names = [f"s{n}" for n in range(50)]
        add_strategies(root, names)
        links[0].connect("w1", capacity=10)
        submit(root, names)
        until(lambda: reader.queue_counts()["sent"] == 10)
        root.names.handle("dispatcher").tell(Pause(reply_to="not an address", tag=1))  # poison, twice
        until(lambda: len(links) == 3)
        assert not links[0].alive
        assert not links[1].alive
        root.names.handle("dispatcher").tell(Resume())
        Obedient(links[2])
        until(lambda: reader.queue_counts()["open"] == 0)
        assert reader.counters()["success"] == 50
    finally:
        root.stop(5.0)


def test_a_crash_of_the_queue_loses_nothing(tmp_path: Path, reader: Reader) -> None:
    links: list[FakeLink] = []

    def make(sink: Any) -> FakeLink:
        links.append(FakeLink(sink))
        return links[-1]

    root = boot(queue_tree(tmp_path / "foldward.db", make))
    try:
        names = [f"s{n}" for n in range(50)]
        add_strategies(root, names)
        submit(root, names)
        root.names.handle("oos_queue").tell(Submit(names=None))  # type: ignore[arg-type]
        until(lambda: len(links) == 3)
        Obedient(links[2])
        until(lambda: reader.queue_counts()["open"] == 0)
        assert reader.counters()["success"] == 50
        assert submit(root, ["s0"])[0].status == "cached"
    finally:
        root.stop(5.0)


def test_a_stop_while_work_is_out_leaves_rows_that_go_on(tmp_path: Path, reader: Reader) -> None:
    def make(sink: Any) -> FakeLink:
        link = FakeLink(sink)
        links.append(link)
        return link

    links: list[FakeLink] = []
    root = boot(queue_tree(tmp_path / "foldward.db", make))
    names = [f"s{n}" for n in range(30)]
    add_strategies(root, names)
    links[0].connect("w1", capacity=10)
    submit(root, names)
    until(lambda: reader.queue_counts()["sent"] == 10)
    begun = time.monotonic()
    root.stop(4.0)
    assert time.monotonic() - begun < 4.0
    counts = reader.queue_counts()
    assert (counts["sent"], counts["retry"], counts["pending"]) == (0, 10, 20)


def test_with_ten_thousand_open_requests_the_first_leaves_within_two_seconds_of_a_start(
    tmp_path: Path, reader: Reader
) -> None:
    links: list[FakeLink] = []

    def make(sink: Any) -> FakeLink:
        links.append(FakeLink(sink))
        return links[-1]

    root = boot(queue_tree(tmp_path / "foldward.db", make))
    names = [f"s{n}" for n in range(10_000)]
    add_strategies(root, names)
    assert sum(item.status == "queued" for item in submit(root, names)) == 10_000
    root.stop(5.0)
    begun = time.monotonic()
    root = boot(queue_tree(tmp_path / "foldward.db", make))
    try:
        links[-1].connect("w1", capacity=600)
        until(lambda: links[-1].sent)
        assert time.monotonic() - begun <= 2.0
        until(lambda: len(links[-1].sent) == 500)
        assert reader.queue_counts()["sent"] <= 500
    finally:
        root.stop(5.0)
