"""Which worker processes core believes to be connected, and whom it may end."""

import os
from types import SimpleNamespace
from typing import Any

import pytest

from actors._frozen import Seen
from foldward.app.wiring import Wiring


def wiring(linked: list[dict[str, Any]] | None) -> Wiring:
    """A core with two worker processes, one of them in backoff; `linked`: what the dispatcher shows."""
    nodes = [
        {"id": "worker-1", "kind": "process", "state": "running", "pid": 101},
        {"id": "worker-2", "kind": "process", "state": "backoff", "pid": None},
    ]
    tree = {"id": "root", "kind": "supervisor", "state": "running", "children": nodes}
    lives = (
        []
        if linked is None
        else [SimpleNamespace(id="dispatcher", actor=SimpleNamespace(view={"workers": linked}))]
    )
    made = Wiring("run")
    made.root = SimpleNamespace(snapshot=lambda: tree, lives=lambda: lives)  # type: ignore[assignment]
    return made


def test_a_worker_is_connected_when_its_name_and_its_pid_are() -> None:
    assert wiring([{"id": "worker-1", "pid": 101}]).workers() == [Seen("worker-1", 101, True)]
    assert wiring([{"id": "worker-1", "pid": 99}]).workers() == [Seen("worker-1", 101, False)]
    assert wiring([{"id": "remote", "pid": 101}]).workers() == [Seen("worker-1", 101, False)]


def test_without_a_dispatcher_or_a_tree_nobody_knows() -> None:
    assert wiring(None).workers() is None
    assert Wiring("run").workers() is None


def test_only_a_process_of_this_tree_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _: killed.append(pid))
    core = wiring([])
    core.end_worker("worker-1", 99)
    core.end_worker("worker-2", 101)
    Wiring("run").end_worker("worker-1", 101)
    assert killed == []
    core.end_worker("worker-1", 101)
    assert killed == [101]
