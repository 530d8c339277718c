"""One writer at a time: a command waits for another command, and asks a core that runs."""

import threading
from pathlib import Path

import pytest

from foldward.app.admin import import_strategies, retire_strategies
from foldward.contracts.jobs import Strategy
from foldward.settings import Home, load

ONE = Strategy(name="a", kind="sma", params={"sma_short": 5.0, "sma_long": 20.0}, symbol="X", timeframe=60)


def test_a_second_import_of_the_same_changes_nothing(tmp_path: Path) -> None:
    home, snapshot = Home(tmp_path), load(None, {})
    assert import_strategies(home, snapshot, [ONE])["imported"] == 1
    assert import_strategies(home, snapshot, [ONE])["unchanged"] == 1


def test_a_retired_strategy_stays_retired(tmp_path: Path) -> None:
    home, snapshot = Home(tmp_path), load(None, {})
    import_strategies(home, snapshot, [ONE])
    assert retire_strategies(home, snapshot, ["a", "b"]) == ["a"]
    (refused,) = import_strategies(home, snapshot, [ONE])["refused"]
    assert (refused["name"], refused["code"]) == ("a", "request.retired")


def test_another_command_that_writes_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path).make()
    lock = home.lock()
    done: list[int] = []
    refused = threading.Event()
    asked = Home.holder
    monkeypatch.setattr(Home, "holder", lambda home: refused.set() or asked(home))
    monkeypatch.setattr("foldward.settings._home.LOCK_PAUSE_S", 0.0005)
    other = threading.Thread(
        target=lambda: done.append(import_strategies(home, load(None, {}), [ONE])["imported"])
    )
    other.start()
    assert refused.wait(10)
    assert done == []
    lock.release()
    other.join(10)
    assert done == [1]
