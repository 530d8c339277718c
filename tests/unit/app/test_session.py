"""What a run hears of its own tree while it waits for it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from foldward.app import boot, session
from foldward.contracts.errors import SupervisionError
from foldward.contracts.facts import SetMeta
from foldward.contracts.messages import Look, Written

FACT = SetMeta(key="k", value="v")


class Core:
    """Its tree gives up at the `lives`-th look; the writer answers at once when `answers`."""

    def __init__(self, lives: int, answers: bool = False) -> None:
        self.lives = lives
        self.answers = answers

    def tell(self, name: str, message: Any) -> None:
        assert name == "db_writer"
        if self.answers:
            message.reply_to.tell(Written(tag=message.tag, fact=message.fact, ok=True, value=7))

    def check(self) -> None:
        self.lives -= 1
        if self.lives <= 0:
            raise SupervisionError("supervision.start_failed", "the supervision tree gave up")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LOOK_S", 0.001)


def test_a_write_is_answered_by_the_writer() -> None:
    assert session._write(Core(9, answers=True), FACT) == 7  # type: ignore[arg-type]


def test_a_tree_that_gave_up_is_told_instead_of_waited_for() -> None:
    with pytest.raises(SupervisionError, match="the supervision tree gave up") as caught:
        session._write(Core(2), FACT)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.exit_code) == ("supervision.start_failed", 1)


def test_a_writer_that_never_answers_is_no_fault_of_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "ANSWER_S", 0.01)
    with pytest.raises(SupervisionError, match=r"did not answer within 0\.01 s") as caught:
        session._write(Core(10**9), FACT)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.exit_code) == ("supervision.no_answer", 5)


def test_a_run_that_stays_ends_with_its_tree() -> None:
    ended: list[str] = []

    def stay() -> None:
        try:
            session._until_interrupted(Core(3))  # type: ignore[arg-type]
        except SupervisionError as error:
            ended.append(error.code)

    thread = threading.Thread(target=stay, daemon=True)
    thread.start()
    thread.join(10.0)
    assert ended == ["supervision.start_failed"]


class Root:
    """A tree with one worker, whose dispatcher answers with what it knows, or not at all."""

    def __init__(self, busy: int | None) -> None:
        self.busy = busy

    def snapshot(self) -> dict[str, Any]:
        worker = {"id": "worker-1", "kind": "process", "state": "running", "pid": 7}
        return {"id": "root", "kind": "supervisor", "state": "running", "children": [worker]}

    def handle(self, name: str) -> Any:
        assert name == "dispatcher"
        return self

    def ask(self, message: Any, timeout: float) -> dict[str, Any]:
        assert isinstance(message, Look)
        if self.busy is None:
            raise TimeoutError
        return {"workers": [{"id": "worker-1", "pid": 7, "busy": self.busy}]}


@pytest.mark.parametrize(("busy", "shown"), [(2, 2), (0, 0), (None, 0)])
def test_how_busy_workers_are_is_asked_at_that_moment(busy: int | None, shown: int) -> None:
    core = boot.Core.__new__(boot.Core)
    core.root = Root(busy)  # type: ignore[assignment]
    assert [(row["id"], row["pid"], row["busy"]) for row in core.workers()] == [("worker-1", 7, shown)]
