"""The spare thread: taken once, replaced later, ended with its tree."""

import threading

import pytest
from toys import eventually

from supervision import _spare
from supervision._latch import Latch
from supervision._spare import Spare, Spares


@pytest.fixture
def later():
    return []


@pytest.fixture
def spares(later):
    spares = Spares(later.append)
    yield spares
    spares.close()


def waiting():
    return [t for t in threading.enumerate() if t.name == _spare.NAME]


def test_it_runs_its_task_once_under_the_new_name_and_ends(spares):
    spares.refill()
    spare, seen, done = spares.take(), [], Latch()
    spare.hand("a#2", lambda: (seen.append(threading.current_thread().name), done.set()))
    assert done.wait(5.0)
    spare.join(5.0)
    assert (seen, spare.is_alive(), spare.daemon) == (["a#2"], False, True)


def test_taking_it_asks_for_another_one_for_later(spares, later):
    spares.refill()
    first = spares.take()
    assert later == [spares.refill]
    assert spares.take() is None  # until later has come
    later[0]()
    second = spares.take()
    assert second is not None
    assert second is not first
    for spare in (first, second):
        spare.hand("unused", None)


def test_there_is_at_most_one(spares):
    before = len(waiting())
    spares.refill()
    spares.refill()
    assert len(waiting()) == before + 1


def test_closing_ends_it_and_makes_no_other(spares, later):
    before = len(waiting())
    spares.refill()
    spares.close()
    spares.refill()
    assert (spares.take(), later) == (None, [])
    assert eventually(lambda: len(waiting()) == before)


def test_a_machine_that_gives_no_more_threads_has_none_to_spare(spares, monkeypatch):
    def no_more(_self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Spare, "start", no_more)
    spares.refill()
    assert spares.take() is None
