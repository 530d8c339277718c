"""One alarm a key in a second, and none that is not told."""

import pytest

from actors._bell import Bell
from actors._effects import Alarm


@pytest.fixture
def bell():
    return Bell()


def alarm(body="b", key="dead:schema"):
    return Alarm(key, "Dead letter held", body)


def test_an_alarm_that_comes_alone_rings_at_once_as_it_is(bell):
    assert bell.ring(alarm(), 5.0) == [alarm()]
    assert bell.tick(100.0) == []


def test_within_a_second_equal_keys_are_held_back_and_counted(bell):
    bell.ring(alarm(), 5.0)
    assert [bell.ring(alarm(f"b{n}"), 5.1) for n in range(3)] == [[], [], []]
    assert bell.ring(alarm("last"), 6.0) == [alarm("last (and 3 more like it)")]


def test_what_was_held_back_is_told_when_nothing_follows(bell):
    bell.ring(alarm(), 5.0)
    bell.ring(alarm("one more"), 5.5)
    assert bell.tick(5.9) == []
    assert bell.tick(6.0) == [alarm("one more")]
    assert bell.tick(7.5) == []


def test_other_keys_ring_for_themselves(bell):
    bell.ring(alarm(), 5.0)
    assert bell.ring(alarm(key="dead:full"), 5.0) == [alarm(key="dead:full")]


def test_a_clock_that_is_set_back_holds_nothing_back(bell):
    bell.ring(alarm(), 500.0)
    assert bell.ring(alarm(), 5.0) == [alarm()]
