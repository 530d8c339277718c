"""Names: binding, stale goodbyes, parking, waiting."""

import threading

import pytest
from pykka import ActorDeadError

from supervision import Names
from supervision._mailbox import Mailbox


@pytest.fixture
def dead():
    return []


@pytest.fixture
def names(dead):
    return Names(lambda *entry: dead.append(entry))


def bound(names, name="a"):
    box = Mailbox()
    number = names.next_incarnation(name)
    slot = names.slot(name)
    box.residue = slot.give_back
    assert names.bind(name, number, box)
    return box


def test_a_handle_resolves_its_name_at_each_use(names):
    handle = names.handle("a")
    assert not handle.is_alive()
    first = bound(names)
    assert handle.tell(1)
    second = bound(names)
    assert handle.tell(2)
    assert (first.get_nowait(), second.get_nowait()) == (1, 2)
    assert handle.incarnation == 2


def test_a_goodbye_of_a_replaced_incarnation_does_not_take_the_name(names):
    bound(names)
    bound(names)
    assert not names.unbind("a", 1)
    assert names.incarnation("a") == 2
    assert names.unbind("a", 2)
    assert names.incarnation("a") is None
    assert not names.unbind("a", 2)


def test_a_stale_incarnation_cannot_bind(names):
    names.next_incarnation("a")
    names.next_incarnation("a")
    assert not names.bind("a", 1, Mailbox())
    assert names.bind("a", 2, Mailbox())
    assert not names.bind("a", 1, Mailbox())
    assert names.incarnation("a") == 2


def test_numbers_only_grow(names):
    assert [names.next_incarnation("a") for _ in range(3)] == [1, 2, 3]
    assert names.next_incarnation("b") == 1


def test_what_cannot_be_delivered_waits_while_the_name_is_held(names, dead):
    names.slot("a").hold = True
    assert names.handle("a").tell(1)
    assert names.handle("a").tell(2)
    box = bound(names)
    assert [box.get_nowait(), box.get_nowait()] == [1, 2]
    assert dead == []


def test_what_waits_is_dead_lettered_when_nobody_comes_back(names, dead):
    names.slot("a").hold = True
    names.handle("a").tell(1)
    names.slot("a").release("terminated")
    assert not names.handle("a").tell(2)
    assert dead == [("a", 1, "terminated"), ("a", 2, "terminated")]


def test_poison_is_kept_once_and_dead_lettered_the_second_time(names, dead):
    slot = names.slot("a")
    slot.hold = True
    slot.give_back(["later"], "crashed", poison=["bad"])
    box = bound(names)
    again = box.get_nowait()
    assert again.message == "bad"
    slot.give_back([], "crashed", poison=[again])
    assert dead == [("a", "bad", "poison")]
    assert box.get_nowait() == "later"


def test_lookup_gives_a_handle_only_of_a_bound_name(names):
    assert names.lookup("a") is None
    bound(names)
    assert names.lookup("a") == names.handle("a")
    assert names.bound() == ["a"]


def test_wait_returns_as_soon_as_the_name_is_bound(names):
    got = []
    waiter = threading.Thread(target=lambda: got.append(names.wait("a", 5.0).name))
    waiter.start()
    bound(names)
    waiter.join(5.0)
    assert got == ["a"]


def test_wait_ends_with_a_suggestion_when_nobody_takes_the_name(names):
    bound(names, "db_writer")
    with pytest.raises(TimeoutError, match="did you mean 'db_writer'"):
        names.wait("db_writr", 0.01)


def test_an_ask_of_nobody_says_so_at_once(names):
    with pytest.raises(ActorDeadError, match="a is not running"):
        names.handle("a").ask("?")


def test_a_forgotten_name_takes_no_memory(names):
    bound(names, "w-1")
    names.unbind("w-1", 1)
    names.forget("w-1")
    assert names.incarnation("w-1") is None
    assert names.next_incarnation("w-1") == 1
