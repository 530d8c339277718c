"""Dead letters on their way into the store: at once while few come, in groups while many do."""

from math import inf

import pytest

from actors._letters import AT_ONCE, DONE_S, GROUP, GROUP_S, QUIET_S, Letters, is_letter, still_s, until_quiet
from foldward.contracts.facts import ApplyResult, HoldDeadLetter, SetMeta
from foldward.contracts.jobs import Result
from foldward.contracts.messages import Write


def letter(payload=b"junk", **fields):
    fact = HoldDeadLetter(
        reason="schema", code="wire.missing_field", error="", payload=payload, at_us=1, **fields
    )
    return Write(fact=fact)


@pytest.fixture
def letters():
    return Letters()


def flood(letters, now=0.0):
    """Use up what may go at once."""
    for _ in range(AT_ONCE):
        letters.add(letter())
        assert len(letters.take(now)) == 1
        letters.done()


def test_only_bytes_from_a_peer_may_wait():
    assert is_letter(letter())
    assert not is_letter(letter(direction="message"))
    assert not is_letter(letter(direction="request", request_id="r"))
    assert not is_letter(Write(fact=SetMeta(key="k", value="v")))


def test_nothing_waits_while_nothing_is_there(letters):
    assert letters.wait_s(0.0) == inf
    assert letters.take(0.0) == []


def test_a_letter_that_comes_alone_goes_at_once(letters):
    one = letter()
    letters.add(one)
    assert letters.wait_s(5.0) == 0.0
    assert letters.take(5.0) == [one]
    assert len(letters) == 0


def test_while_many_come_they_go_in_groups_of_twenty_milliseconds(letters):
    flood(letters)
    for _ in range(7):
        letters.add(letter())
    assert letters.take(0.0) == []
    assert letters.wait_s(0.0) == GROUP_S == 0.02
    assert letters.wait_s(0.015) == pytest.approx(0.005)
    assert len(letters.take(0.021)) == 7


def test_a_full_group_waits_for_nothing(letters):
    flood(letters)
    many = [letter(b"%d" % number) for number in range(GROUP + 3)]
    for one in many:
        letters.add(one)
    assert letters.take(0.0) == many[:GROUP]
    assert letters.take(0.0) == []
    assert len(letters) == 3


def test_a_group_holds_no_more_than_a_quarter_of_a_megabyte(letters):
    flood(letters)
    for _ in range(5):
        letters.add(letter(b"x" * 100_000))
    assert [len(letters.take(0.0)) for _ in range(3)] == [2, 2, 0]
    assert len(letters) == 1


def test_a_letter_larger_than_a_group_goes_alone(letters):
    large = letter(b"x" * 8_000_000)
    letters.add(large)
    letters.add(letter())
    assert letters.take(0.0) == [large]


def test_what_was_taken_and_not_answered_is_not_forgotten(letters):
    first, second = letter(b"1"), letter(b"2")
    letters.add(first)
    letters.take(0.0)
    letters.add(second)
    assert letters.take_all() == [first, second]
    assert letters.take_all() == []


def test_what_is_done_is_forgotten(letters):
    letters.add(letter())
    letters.take(0.0)
    letters.done()
    assert letters.take_all() == []


def test_a_group_that_is_due_waits_for_a_moment_without_good_work_but_not_for_ever(letters):
    flood(letters)
    letters.add(letter())
    assert letters.wait_s(0.0, quiet_at=0.003) == GROUP_S
    assert letters.wait_s(0.02, quiet_at=0.022) == pytest.approx(0.002)
    assert letters.take(0.02, quiet_at=0.022) == []
    assert letters.wait_s(0.039, quiet_at=0.042) == pytest.approx(0.001)
    assert len(letters.take(0.041, quiet_at=0.044)) == 1


def test_a_letter_that_comes_alone_waits_for_such_a_moment_too(letters):
    letters.add(letter())
    assert letters.wait_s(1.0, quiet_at=1.003) == pytest.approx(0.003)
    assert letters.wait_s(1.039, quiet_at=1.042) == pytest.approx(0.001)
    assert len(letters.take(1.04, quiet_at=1.043)) == 1


def test_the_next_group_waits_from_when_it_is_seen_first(letters):
    for number in range(GROUP + 1):
        letters.add(letter(b"%d" % number))
    assert len(letters.take(0.0)) == GROUP
    assert letters.wait_s(0.039, quiet_at=0.042) == pytest.approx(0.003)
    assert letters.wait_s(0.078, quiet_at=0.081) == pytest.approx(0.001)


def test_the_moment_has_come_three_milliseconds_after_good_work_and_one_after_answers():
    result = Result(request_id="r")
    answer = Write(fact=ApplyResult(result=result, received_us=1, at_us=1))
    other = Write(fact=SetMeta(key="k", value="v"))
    assert still_s([answer, answer]) == DONE_S == 0.001
    assert still_s([answer, other]) == QUIET_S == 0.003
    assert until_quiet(1.0, 1.003) == pytest.approx(0.003)
    assert until_quiet(1.0, 1.0) == until_quiet(1.0, -inf) == until_quiet(1.0, 2.0) == 0.0


def test_after_a_pause_letters_go_at_once_again(letters):
    flood(letters)
    assert letters.wait_s(60.0) == inf
    flood(letters, 60.0)
    letters.add(letter())
    assert letters.take(60.0) == []


def test_a_clock_that_is_set_back_lets_nobody_wait_longer(letters):
    flood(letters, 100.0)
    letters.add(letter())
    assert letters.wait_s(50.0) == GROUP_S
    assert letters.wait_s(50.03) == 0.0
