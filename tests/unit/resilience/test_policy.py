import datetime as dt
import math
import random

import pytest

from foldward.contracts.errors import ConfigError
from foldward.resilience import RetryPolicy, backoff, next_delay, retry_after_seconds


class Highest:
    """A generator that always draws the upper end."""

    def uniform(self, a, b):
        return b


class Lowest:
    def uniform(self, a, b):
        return a


def test_the_wait_doubles_up_to_the_cap():
    policy = RetryPolicy(attempts=6, base=2, cap=10)
    assert [policy.ceiling(n) for n in (1, 2, 3, 4, 5000)] == [2, 4, 8, 10, 10]


def test_full_jitter_draws_between_nothing_and_the_ceiling():
    policy = RetryPolicy(attempts=6, base=2, cap=10)
    assert (policy.delay(3, Lowest()), policy.delay(3, Highest())) == (0.0, 8.0)
    assert policy.delay(3, random.Random(1)) == random.Random(1).uniform(0, 8)


def test_without_jitter_the_wait_is_the_ceiling():
    assert RetryPolicy(attempts=6, base=0.5, cap=10, factor=3, jitter=None).delay(3, Lowest()) == 4.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"attempts": -1},
        {"attempts": 2.5},
        {"attempts": True},
        {"base": -1},
        {"base": math.nan},
        {"cap": math.inf},
        {"cap": 0.5},
        {"factor": 0.9},
        {"factor": math.inf},
        {"jitter": "some"},
        {"deadline": 0},
        {"deadline": -3},
        {"attempt_timeout": 0},
        {"max_retry_after": -1},
    ],
    ids=str,
)
def test_a_senseless_policy_is_refused_when_it_is_made(wrong):
    with pytest.raises(ConfigError) as caught:
        RetryPolicy(**{"attempts": 3, "base": 1.0, "cap": 10.0, **wrong})
    assert caught.value.code == "config.invalid"
    assert caught.value.context["field"] in wrong
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("attempt", "elapsed", "retry_after", "wait"),
    [
        (1, 0.0, None, 1.0),
        (2, 1.0, None, 2.0),
        (3, 3.0, None, None),  # attempts spent
        (1, 0.0, 7.0, 7.0),  # the peer asks for longer
        (1, 0.0, 0.5, 1.0),  # the peer asks for less
        (1, 0.0, -5.0, 1.0),
        (1, 0.0, math.nan, 1.0),
        (1, 0.0, 61.0, None),  # longer than it may hold us
        (1, 18.9, None, 1.0),
        (1, 19.0, None, None),  # the attempt would begin at the deadline
        (1, 14.0, 7.0, None),
    ],
)
def test_the_next_wait_respects_attempts_deadline_and_the_peers_wish(attempt, elapsed, retry_after, wait):
    policy = RetryPolicy(attempts=3, base=1, cap=10, deadline=20, max_retry_after=60)
    assert next_delay(policy, attempt, elapsed, retry_after, Highest()) == wait


def test_queue_backoff_is_full_jitter_with_a_floor():
    assert [backoff(n, 2, 300, Highest()) for n in (1, 2, 3, 8, 9, 2000)] == [2, 4, 8, 256, 300, 300]
    assert backoff(5, 2, 300, Lowest()) == 0.1
    assert backoff(5, 2, 300, Lowest(), floor=0.25) == 0.25


def test_queue_backoff_counts_failures_from_one():
    with pytest.raises(ValueError, match="the first is 1"):
        backoff(0, 2, 300, Highest())


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 20, math.inf),
        ("Tue, 03 Feb 2026 12:02:00 GMT", 120.0),
        ("Tue, 03 Feb 2026 11:00:00 GMT", 0.0),
        ("Tue, 03 Feb 2026 12:02:00 -0000", 120.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(header, wanted):
    now = dt.datetime(2026, 2, 3, 12, tzinfo=dt.UTC)
    assert retry_after_seconds(header, now) == wanted
