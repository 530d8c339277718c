"""Whole stories of retry and breaker under a fake clock: what happened, and at which second exactly."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from foldward.contracts.errors import ProviderError
from foldward.resilience import AttemptTimeout, BreakerOpen, CircuitBreaker, RetryPolicy, State, retry

WAITS = RetryPolicy(attempts=4, base=1, cap=10, jitter=None)


class Story:
    """A clock that only sleeping and slow calls move, and what happened at which second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[tuple[float, str]] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def note(self, text: str) -> None:
        self.lines.append((self.now, text))

    def breaker(self, success_threshold: int = 1) -> CircuitBreaker:
        return CircuitBreaker(
            5, 60, success_threshold, self.clock, on_transition=lambda _, old, new: self.note(f"{old}->{new}")
        )

    def service(self, *errors: Exception | None, seconds: float = 0.0) -> Callable[[], str]:
        """Raises the errors one after the other, each call taking `seconds`; then it answers."""
        left = list(errors)

        def call() -> str:
            self.note("call")
            self.now += seconds
            error = left.pop(0) if left else None
            if error is not None:
                raise error
            return "answer"

        return call

    def retry(self, policy: RetryPolicy, fn: Callable[[], str]) -> str:
        return retry(policy, fn, self.clock, self.sleep, random.Random(1), (ConnectionError, ProviderError))


@pytest.fixture
def story() -> Story:
    return Story()


def lost(count: int) -> list[Exception | None]:
    return [ConnectionError(str(n)) for n in range(count)]


def test_retries_open_the_breaker_in_the_middle_and_end_there(story: Story) -> None:
    breaker, service = story.breaker(), story.service(*lost(99))
    with pytest.raises(ConnectionError):  # attempts at 0, 1, 3 and 7 s
        story.retry(WAITS, lambda: breaker.call(service))
    with pytest.raises(BreakerOpen) as caught:  # the fifth failure opens it; the retry after it is rejected
        story.retry(WAITS, lambda: breaker.call(service))
    assert story.lines == [
        (0, "call"), (1, "call"), (3, "call"), (7, "call"), (7, "call"), (7, "closed->open"),
    ]  # fmt: skip
    assert story.now == 8  # rejected once, after the wait of one second, and not retried
    assert (caught.value.retry_at, caught.value.retry_after) == (67, 59)


def test_one_probe_after_sixty_seconds_decides(story: Story) -> None:
    breaker, service = story.breaker(), story.service(*lost(6))
    for _ in range(5):
        with pytest.raises(ConnectionError):
            breaker.call(service)
    story.now = 59.999
    with pytest.raises(BreakerOpen):
        breaker.call(service)
    story.now = 60
    with pytest.raises(ConnectionError):  # the probe fails: another whole minute
        breaker.call(service)
    assert breaker.retry_at == 120
    story.now = 120
    first = breaker.allow()
    assert first is not None
    assert first.probe
    assert breaker.allow() is None  # exactly one is out
    assert breaker.retry_at == 180
    story.now = 121
    breaker.record_success(first)
    assert breaker.state is State.CLOSED
    assert story.lines[5:] == [
        (0, "closed->open"),
        (60, "open->half_open"),
        (60, "call"),
        (60, "half_open->open"),
        (120, "open->half_open"),
        (121, "half_open->closed"),
    ]


def test_two_probes_in_a_row_close_it_when_two_are_asked_for(story: Story) -> None:
    breaker = story.breaker(success_threshold=2)
    bad, good = story.service(*lost(5)), story.service()
    for _ in range(5):
        with pytest.raises(ConnectionError):
            breaker.call(bad)
    story.now = 60
    assert breaker.call(good) == "answer"
    assert breaker.state is State.HALF_OPEN
    story.now = 61
    assert breaker.call(good) == "answer"
    assert breaker.state is State.CLOSED
    assert [line for line in story.lines if "->" in line[1]] == [
        (0, "closed->open"), (60, "open->half_open"), (61, "half_open->closed"),
    ]  # fmt: skip


def test_retry_after_moves_only_the_wait_that_it_was_said_for(story: Story) -> None:
    busy = ProviderError("provider.failed", "busy", retry_after=30)
    assert story.retry(WAITS, story.service(busy, ConnectionError())) == "answer"
    assert story.lines == [(0, "call"), (30, "call"), (32, "call")]  # 30 as asked, then 2 as planned


def test_a_peer_that_asks_for_more_than_the_deadline_is_not_waited_for(story: Story) -> None:
    policy = RetryPolicy(attempts=9, base=1, cap=10, jitter=None, deadline=29)
    busy = ProviderError("provider.failed", "busy", retry_after=30)
    with pytest.raises(ProviderError) as caught:
        story.retry(policy, story.service(busy))
    assert story.now == 0
    assert caught.value.__notes__ == ["gave up after 1 attempts in 0 s"]


def test_the_deadline_counts_what_the_attempts_took(story: Story) -> None:
    policy = RetryPolicy(attempts=9, base=1, cap=10, jitter=None, deadline=20)
    with pytest.raises(ConnectionError):
        story.retry(policy, story.service(*lost(9), seconds=4))
    # 0–4, wait 1, 5–9, wait 2, 11–15, wait 4: 19–23, and a wait of 8 would pass the deadline
    assert story.lines == [(0, "call"), (5, "call"), (11, "call"), (19, "call")]
    assert story.now == 23


def test_each_attempt_has_its_own_limit_and_the_last_only_what_is_left(story: Story) -> None:
    policy = RetryPolicy(attempts=9, base=1, cap=1, jitter=None, deadline=14, attempt_timeout=5)
    with pytest.raises(AttemptTimeout, match="within 1 s"):
        story.retry(policy, story.service(seconds=5.5))
    # 5.5 > 5: late; again at 6.5 until 12; the third begins at 13, with 1 s of the 14 left
    assert story.lines == [(0, "call"), (6.5, "call"), (13, "call")]


def test_a_timeout_counts_as_a_failure_of_the_breaker_inside_it(story: Story) -> None:
    breaker = CircuitBreaker(2, 60, clock=story.clock)
    policy = RetryPolicy(attempts=5, base=1, cap=1, jitter=None)

    def limited() -> str:
        one = RetryPolicy(attempts=1, base=0, cap=0, attempt_timeout=5)
        return breaker.call(lambda: story.retry(one, story.service(seconds=9)))

    with pytest.raises(BreakerOpen) as caught:
        story.retry(policy, limited)
    assert story.lines == [(0, "call"), (10, "call")]
    assert caught.value.retry_at == 19 + 60
