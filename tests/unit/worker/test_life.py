"""What every process that works for core does alike: it is told to stop, is orphaned, beats, leaves."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from foldward.contracts.errors import WireError
from foldward.worker._limits import Parent
from foldward.worker.life import LastWords, Life, live


class Wire:
    def __init__(self) -> None:
        self.said: list[Any] = []
        self.connected = True
        self.refused: str | None = None
        self.gives_back = True

    def poll(self, timeout_ms: int) -> list[tuple[str, bytes]]:
        return [("a", b"1")]

    def started(self, request_id: str) -> None:
        self.said.append(("started", request_id))

    def results(self, messages: list[bytes]) -> None:
        self.said.append(("results", *messages))

    def bye(self, reason: str) -> None:
        self.said.append(("bye", reason))

    def close(self, linger: float = 5.0) -> None:
        self.said.append(("close", linger))


class Turns(Life):
    """Lives three turns, then does what it is made with."""

    def __init__(
        self, wire: Wire, then: Callable[[Life], None], *, parent: Parent | None = None, local: bool = True
    ) -> None:
        super().__init__(wire, id="w", version="1", parent=parent, local=local)
        self.then = then
        self.turns = 0

    def turn(self) -> None:
        self.poll(0)
        self.turns += 1
        if self.turns == 3:
            self.then(self)

    def finish(self) -> None:
        self.wire.results([b"the last"])

    def held(self) -> int:
        return self.turns % 3

    def check(self, last_words: LastWords) -> None:
        self.leave_now(last_words)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds = [100.0]
    fake = SimpleNamespace(now=lambda: seconds[0], utc_us=lambda: 7_000_000)
    monkeypatch.setattr("foldward.worker.life.clock", fake)
    return seconds


@pytest.fixture
def signals() -> Iterator[None]:
    kept = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]
    yield
    for number, handler in kept:
        signal.signal(number, handler)


@pytest.mark.parametrize(("local", "linger"), [(True, 0.5), (False, 5.0)])
def test_it_works_until_it_is_stopped_finishes_says_goodbye_and_closes(local: bool, linger: float) -> None:
    wire = Wire()
    life = Turns(wire, lambda life: life.stop("enough", 1), local=local)
    assert life.run() == 1
    assert (life.turns, life.received) == (3, 3)
    assert wire.said == [("results", b"the last"), ("bye", "enough"), ("close", linger)]


def test_only_the_first_reason_to_stop_counts(now: list[float]) -> None:
    life = Turns(Wire(), lambda life: None)
    assert life.stopping_for() == 0.0
    life.stop("SIGTERM", 0)
    now[0] += 2.5
    life.stop("a node differs", 1)
    assert (life.stopping, life.stopping_for()) == ("SIGTERM", 2.5)
    assert life.beat().status == "stopping"


def test_core_may_refuse_it() -> None:
    wire = Wire()
    wire.refused = "w computes with foldward-1, core with foldward-2"
    with pytest.raises(WireError, match="w computes with foldward-1") as caught:
        Turns(wire, lambda life: None).run()
    assert caught.value.code == "wire.unsupported"


def test_without_core_an_ipc_worker_waits_ten_seconds_and_a_remote_one_for_ever(now: list[float]) -> None:
    wire = Wire()
    life = Turns(wire, lambda life: None)
    wire.connected = False
    assert life.orphaned() is False
    now[0] += 9.9
    assert life.orphaned() is False
    now[0] += 0.2
    assert life.orphaned() is True
    wire.connected = True
    assert life.orphaned() is False
    wire.connected = False
    assert life.orphaned() is False  # the ten seconds begin anew
    remote = Turns(wire, lambda life: None, local=False)
    assert remote.orphaned() is False
    now[0] += 1000
    assert remote.orphaned() is False


def test_a_parents_end_makes_an_orphan_at_once() -> None:
    assert Turns(Wire(), lambda life: None, parent=Parent(pid=-1), local=False).orphaned() is True


def test_the_heart_may_end_it_with_a_goodbye_and_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    said: list[list[bytes]] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    life = Turns(Wire(), lambda life: None)
    life.stop("a node differs", 1)
    life.check(said.append)
    assert (said, ended) == ([[b"BYE", b"a node differs"]], [1])


def test_every_heart_tells_the_same_figures(now: list[float]) -> None:
    life = Turns(Wire(), lambda life: None)
    life.turns = 2
    now[0] += 5.0
    beat = life.beat()
    assert (beat.id, beat.version, beat.status, beat.timestamp) == ("w", "1", "busy", 7.0)
    assert (beat.data["in_flight"], beat.data["uptime_s"]) == (2.0, 5.0)
    assert set(beat.data) == {
        "in_flight", "received", "done", "rss_bytes", "address_space_bytes", "uptime_s",
    }  # fmt: skip


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_a_second_sigterm_while_it_leaves_changes_nothing(number: int) -> None:
    steps: list[str] = []

    def stop() -> None:
        signal.raise_signal(signal.SIGTERM)  # would end this process
        steps.append("stop")

    heart: Any = SimpleNamespace(start=lambda: steps.append("start"), stop=stop)
    wire = Wire()
    life = Turns(wire, lambda life: signal.raise_signal(number))
    assert live(life, lambda: heart) == 0
    assert steps == ["start", "stop"]
    assert ("bye", signal.Signals(number).name) in wire.said


@pytest.mark.usefixtures("signals")
def test_the_heart_stops_also_when_the_work_breaks() -> None:
    steps: list[str] = []
    heart: Any = SimpleNamespace(start=lambda: None, stop=lambda: steps.append("stop"))

    def breaks(_: Life) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        live(Turns(Wire(), breaks), lambda: heart)
    assert steps == ["stop"]
