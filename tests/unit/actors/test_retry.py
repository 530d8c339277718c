"""What follows a failure: backoff with full jitter, the eighth failure, the day's deadline."""

import random

import pytest

from actors._retry import Again, End, decide, tried, tried_at_most
from foldward.settings import RetryTable

POLICY = RetryTable()


class Highest(random.Random):
    """Always the ceiling."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Lowest(random.Random):
    """Always the floor."""

    def uniform(self, a: float, b: float) -> float:
        return a


def test_the_ceiling_doubles_from_two_seconds_to_five_minutes() -> None:
    policy = RetryTable(max_failures=20)
    delays = [decide("engine.failed", n, 0.0, policy, Highest()) for n in range(1, 11)]
    assert delays == [Again(s) for s in (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0)]


def test_no_wait_is_shorter_than_a_tenth_of_a_second() -> None:
    assert decide("engine.failed", 1, 0.0, POLICY, Lowest()) == Again(0.1)


def test_the_same_seed_gives_the_same_waits() -> None:
    first = [decide("engine.failed", n, 0.0, POLICY, random.Random(7)) for n in range(1, 8)]
    assert first == [decide("engine.failed", n, 0.0, POLICY, random.Random(7)) for n in range(1, 8)]


def test_the_eighth_failure_ends_a_request() -> None:
    assert isinstance(decide("engine.failed", 7, 0.0, POLICY, Highest()), Again)
    assert decide("engine.failed", 8, 0.0, POLICY, Highest()) == End("exhausted")


@pytest.mark.parametrize("code", ["data.geometry", "request.unknown_strategy", "wire.unsupported"])
def test_what_cannot_be_mended_by_trying_ends_at_once(code: str) -> None:
    assert decide(code, 1, 0.0, POLICY, Highest()) == End("non_retryable")


def test_a_code_of_a_peers_own_may_be_tried_again() -> None:
    assert decide("E_BUSY", 1, 0.0, POLICY, Highest()) == Again(2.0)


def test_a_peer_that_asks_for_a_pause_gets_it() -> None:
    assert decide("engine.failed", 1, 0.0, POLICY, Highest(), retry_after=90.0) == Again(90.0)
    assert decide("engine.failed", 1, 0.0, POLICY, Highest(), retry_after=1.0) == Again(2.0)


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf"), -5.0])
def test_a_pause_that_is_no_number_is_ignored(nonsense: float) -> None:
    assert decide("engine.failed", 1, 0.0, POLICY, Highest(), retry_after=nonsense) == Again(2.0)


def test_a_day_of_trying_is_enough() -> None:
    assert decide("engine.failed", 2, 86_400.0, POLICY, Highest()) == End("expired")
    assert decide("engine.failed", 2, 86_399.0, POLICY, Highest()) == Again(1.0)


def test_a_jump_of_thirty_days_costs_one_attempt_not_the_request() -> None:
    spent = tried(0.0, 30 * 86_400.0, 2.0, 3600.0)
    assert spent == 3602.0
    assert isinstance(decide("request.timeout", 1, spent, POLICY, Highest()), Again)


def test_a_clock_that_went_back_costs_nothing() -> None:
    assert tried(5.0, -3600.0, 2.0, 3600.0) == 5.0


def test_after_a_restart_only_failures_can_have_cost_time() -> None:
    month = 30 * 86_400.0
    assert tried_at_most(month, 0, POLICY, 3600.0) == 0.0
    assert tried_at_most(month, 3, POLICY, 3600.0) == 11_700.0
    assert tried_at_most(60.0, 3, POLICY, 3600.0) == 60.0
