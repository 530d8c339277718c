"""Workers that live and do not answer."""

from actors._frozen import Frozen, Seen


def seen(connected: bool, pid: int = 7) -> list[Seen]:
    return [Seen("worker-1", pid, connected)]


def test_one_that_is_away_for_thirty_seconds_is_named_once() -> None:
    frozen = Frozen(30.0)
    assert frozen.look(seen(True), 100.0) == []
    assert frozen.look(seen(False), 101.0) == []
    assert frozen.look(seen(False), 129.9) == []
    assert frozen.look(seen(False), 130.0) == seen(False)
    assert frozen.look(seen(False), 200.0) == []


def test_one_that_comes_back_in_time_is_left_alone() -> None:
    frozen = Frozen(30.0)
    frozen.look(seen(True), 0.0)
    frozen.look(seen(False), 29.0)
    frozen.look(seen(True), 29.5)
    assert frozen.look(seen(False), 59.0) == []


def test_one_that_has_never_been_connected_is_still_starting() -> None:
    frozen = Frozen(30.0)
    assert [frozen.look(seen(False), float(at)) for at in range(0, 1000, 100)] == [[]] * 10


def test_the_next_process_of_the_same_name_begins_anew() -> None:
    frozen = Frozen(30.0)
    frozen.look(seen(True), 0.0)
    assert frozen.look(seen(False, pid=8), 100.0) == []


def test_while_nobody_knows_who_is_connected_nobody_is_away() -> None:
    frozen = Frozen(30.0)
    frozen.look(seen(True), 0.0)
    assert frozen.look(None, 100.0) == []
    assert frozen.look(seen(False), 129.0) == []
    assert frozen.look(seen(False), 130.0) == seen(False)
