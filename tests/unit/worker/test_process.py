"""The worker's loop, with a wire and a desk that are lists."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from foldward.contracts.jobs import Backtest, Strategy
from foldward.wire import dumps, loads
from foldward.worker import _limits
from foldward.worker._limits import Parent, TimeIsUp, address_space, resident, time_limit
from foldward.worker.desk import Desk
from foldward.worker.life import uptime
from foldward.worker.process import WorkerProcess

JOB = Backtest(request_id="r", strategy=Strategy(name="s", kind="sma"), deadline_s=1.0)


class Wire:
    def __init__(self, *batches: list[tuple[str, bytes]]) -> None:
        self.batches = list(batches)
        self.said: list[Any] = []
        self.connected = True
        self.refused = None
        self.gives_back = True
        self.process: WorkerProcess | None = None

    def poll(self, timeout_ms: int) -> list[tuple[str, bytes]]:
        if self.batches:
            return self.batches.pop(0)
        if timeout_ms and self.process is not None:
            self.process.stop("done")
        return []

    def started(self, request_id: str) -> None:
        self.said.append(("started", request_id))

    def results(self, messages: list[bytes]) -> None:
        self.said.append(("results", *messages))

    def bye(self, reason: str) -> None:
        self.said.append(("bye", reason))

    def close(self, linger: float = 5.0) -> None:
        self.said.append("closed")


class EchoDesk:
    timeout_s = None

    def __init__(self) -> None:
        self.process: WorkerProcess | None = None
        self.stop_at: bytes | None = None

    def answer(self, raw: bytes, request_id: str, begin: Any) -> bytes:
        begin(JOB)
        if raw == self.stop_at and self.process is not None:
            self.process.stop("SIGTERM")
        return b"answer to " + raw


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock says."""
    seconds = [100.0]
    for module in ("life", "process"):
        monkeypatch.setattr(f"foldward.worker.{module}.clock", SimpleNamespace(now=lambda: seconds[0]))
    return seconds


def run(wire: Wire, desk: Any = None, **options: Any) -> tuple[int, WorkerProcess]:
    desk = desk or EchoDesk()
    process = WorkerProcess(wire, desk, id="worker-1", **options)
    wire.process = desk.process = process
    return process.run(), process


def test_each_request_is_started_and_answered_in_order():
    wire = Wire([("a", b"1")], [("b", b"2")])
    code, process = run(wire)
    assert code == 0
    assert [entry for entry in wire.said if entry[0] == "started"] == [("started", "a"), ("started", "b")]
    answers = [message for entry in wire.said if entry[0] == "results" for message in entry[1:]]
    assert answers == [b"answer to 1", b"answer to 2"]
    assert wire.said[-2:] == [("bye", "done"), "closed"]
    assert (process.received, process.done, process.sent) == (2, 2, 2)


def test_a_request_without_an_envelope_id_is_not_reported_as_started():
    wire = Wire([("", b"1")])
    run(wire)
    assert wire.said[0] == ("results", b"answer to 1")


def test_a_stop_finishes_what_runs_and_gives_back_the_rest():
    wire = Wire([("a", b"1"), ("b", b"2"), ("c", b"3")])
    desk = EchoDesk()
    desk.stop_at = b"2"
    _, process = run(wire, desk)
    answers = [message for entry in wire.said if entry[0] == "results" for message in entry[1:]]
    assert answers == [b"answer to 1", b"answer to 2"]
    assert wire.said[-2:] == [("bye", "SIGTERM"), "closed"]
    assert process.beat().status == "stopping"
    assert process.beat().data["in_flight"] == 1.0


def test_a_worker_whose_parent_is_gone_stops():
    wire = Wire()
    assert WorkerProcess(wire, EchoDesk(), id="w", parent=Parent(pid=-1)).run() == 0
    assert wire.said[0] == ("bye", "core is gone")


def test_a_hung_job_is_answered_by_the_heart_before_it_ends_the_process(monkeypatch, now):
    ended: list[int] = []
    sent: list[list[bytes]] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    process = WorkerProcess(Wire(), EchoDesk(), id="w")
    process.check(sent.append)
    process._begin(JOB)
    now[0] += 5.9
    process.check(sent.append)
    assert sent == []
    now[0] += 0.2
    process.check(sent.append)
    assert ended == [70]
    assert sent[0][0] == b"RESULT"
    answer = loads(sent[0][1])
    assert (answer.request_id, answer.code) == ("r", "engine.timeout")


def test_a_stop_that_takes_too_long_gives_the_job_back(monkeypatch, now):
    ended: list[int] = []
    said: list[list[bytes]] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    process = WorkerProcess(Wire(), EchoDesk(), id="w")
    process._begin(msgspec.structs.replace(JOB, deadline_s=None))
    now[0] += 100
    process.stop("SIGTERM")
    now[0] += 1.1
    process.stop("SIGINT")
    process.check(said.append)
    assert (said, ended) == ([], [])
    now[0] += 0.2
    process.check(said.append)
    assert (said, ended) == ([[b"BYE", b"SIGTERM"]], [0])


def test_where_nobody_takes_a_job_back_a_stopping_worker_finishes_it(monkeypatch, now):
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    wire = Wire()
    wire.gives_back = False
    process = WorkerProcess(wire, EchoDesk(), id="w")
    process._begin(msgspec.structs.replace(JOB, deadline_s=None))
    process.stop("SIGTERM")
    now[0] += 1000
    process.check(lambda frames: pytest.fail(f"said {frames}"))
    assert ended == []


def test_a_dead_parent_ends_the_process_even_while_it_computes(monkeypatch):
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    WorkerProcess(Wire(), EchoDesk(), id="w", parent=Parent(pid=-1)).check(lambda data: None)
    assert ended == [0]


def test_the_parent_is_not_gone_while_it_lives():
    assert Parent().gone() is False


def test_time_that_is_up_interrupts_the_main_thread():
    began = time.monotonic()

    def work() -> None:
        with time_limit(0.02):
            while time.monotonic() - began < 5:
                pass

    with pytest.raises(TimeIsUp, match=r"0\.02 s are over"):
        work()
    assert time.monotonic() - began < 1


def test_time_that_is_not_up_leaves_no_alarm_behind():
    import signal

    with time_limit(10):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 5
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    with time_limit(None):
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_memory_limit_never_lies_below_what_is_in_use(monkeypatch):
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(_limits.resource, "getrlimit", lambda kind: (-1, -1))
    monkeypatch.setattr(_limits.resource, "setrlimit", lambda kind, value: limits.append(value))
    monkeypatch.setattr(_limits, "address_space", lambda: 1000 << 20)
    assert _limits.limit_memory(4096) == 4096 << 20
    assert _limits.limit_memory(256) == 1256 << 20
    assert limits == [(4096 << 20, -1), (1256 << 20, -1)]


def test_memory_and_uptime_are_read_from_the_kernel():
    assert address_space() > resident() > 1_000_000
    assert 0 < uptime() < 86_400


@pytest.mark.parametrize(
    ("raw", "envelope", "request_id", "error", "code"),
    [
        (b"\xff", "", "MISSING", "missing request_id", "wire.missing_request_id"),
        (b'{"action":"BACKTEST"}', "", "MISSING", "missing request_id", "wire.missing_request_id"),
        (b"{", "r-7", "r-7", None, "wire.unparseable"),
        (b'{"action":"BACKTEST","request_id":"r-8"}', "", "r-8", "strategy is missing", "wire.missing_field"),
        (dumps(JOB)[:-1], "", "r", None, "wire.unparseable"),
        (
            b'{"type":"HEARTBEAT","id":"a","timestamp":1}',
            "r-9",
            "r-9",
            "a worker takes BACKTEST, not Heartbeat",
            "wire.unknown_type",
        ),
    ],
)
def test_what_cannot_be_read_is_answered(raw, envelope, request_id, error, code):
    answer = loads(Desk(cache=None, worker="w").answer(raw, envelope))
    assert (answer.request_id, answer.code, answer.worker) == (request_id, code, "w")
    assert error is None or answer.error == error


def test_an_unreadable_s_expression_is_answered_in_kind():
    raw = Desk(cache=None).answer(b'((action . "BACKTEST")(request_id . "r-1"')
    assert raw.startswith(b"((type ")
    assert loads(raw).request_id == "r-1"
