import random
import threading

import pytest

from foldward.contracts.errors import ProviderError
from foldward.resilience import AttemptTimeout, CircuitBreaker, RetryPolicy, retry

POLICY = RetryPolicy(attempts=4, base=1, cap=10, jitter=None)


class Time:
    """A clock that only sleeping moves, and a record of the sleeps."""

    def __init__(self):
        self.now = 100.0
        self.sleeps = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def time():
    return Time()


class Fails:
    """Raises the given errors one after the other, then answers."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def run(policy, fn, time, retryable=ConnectionError, **more):
    return retry(policy, fn, time.clock, time.sleep, random.Random(7), retryable, **more)


def test_a_success_is_returned_without_waiting(time):
    assert run(POLICY, Fails(), time) == "answer"
    assert time.sleeps == []


def test_it_waits_between_attempts_and_returns_the_first_success(time):
    assert run(POLICY, Fails(ConnectionError(), ConnectionError()), time) == "answer"
    assert time.sleeps == [1, 2]


def test_the_last_error_comes_out_when_attempts_are_spent(time):
    errors = [ConnectionError(n) for n in range(9)]
    fn = Fails(*errors)
    with pytest.raises(ConnectionError) as caught:
        run(POLICY, fn, time)
    assert caught.value is errors[3]
    assert fn.calls == 4
    assert time.sleeps == [1, 2, 4]
    assert caught.value.__notes__ == ["gave up after 4 attempts in 7 s"]


def test_what_is_not_retryable_comes_out_at_once(time):
    fn = Fails(KeyError("x"), KeyError("y"))
    with pytest.raises(KeyError, match="x"):
        run(POLICY, fn, time)
    assert fn.calls == 1
    assert time.sleeps == []


def test_a_predicate_may_judge(time):
    fn = Fails(OSError(11), OSError(5))
    with pytest.raises(OSError, match="5"):
        run(POLICY, fn, time, retryable=lambda error: error.args == (11,))
    assert fn.calls == 2


def test_by_default_our_own_errors_say_whether_a_retry_can_help(time):
    assert run(POLICY, Fails(ProviderError("provider.failed", "no answer")), time, retryable=None) == "answer"
    with pytest.raises(ProviderError, match="bad key"):
        run(POLICY, Fails(ProviderError("provider.refused", "bad key")), time, retryable=None)
    with pytest.raises(ConnectionError):
        run(POLICY, Fails(ConnectionError()), time, retryable=None)


def test_retry_after_is_honoured(time):
    busy = ProviderError("provider.failed", "busy", retry_after=30.0)
    assert run(POLICY, Fails(busy), time, retryable=ProviderError) == "answer"
    assert time.sleeps == [30.0]


def test_no_attempt_begins_after_the_deadline(time):
    policy = RetryPolicy(attempts=100, base=4, cap=4, jitter=None, deadline=10)
    fn = Fails(*[ConnectionError() for _ in range(100)])
    with pytest.raises(ConnectionError):
        run(policy, fn, time)
    assert fn.calls == 3  # at 0, 4 and 8 s; the next would begin at 12
    assert time.now == 108.0


def test_a_sleep_that_oversleeps_the_deadline_ends_it(time):
    policy = RetryPolicy(attempts=9, base=1, cap=1, jitter=None, deadline=10)
    fn = Fails(ConnectionError(), ConnectionError())

    def slow_sleep(seconds):
        time.sleep(seconds + 50)

    with pytest.raises(ConnectionError) as caught:
        retry(policy, fn, time.clock, slow_sleep, random.Random(7), ConnectionError)
    assert fn.calls == 1
    assert caught.value.__notes__ == ["gave up after 1 attempts: the wait ran past the deadline"]


def test_jitter_comes_from_the_injected_generator(time):
    policy = RetryPolicy(attempts=3, base=1, cap=10)
    run(policy, Fails(ConnectionError(), ConnectionError()), time)
    expected = random.Random(7)
    assert time.sleeps == [expected.uniform(0, 1), expected.uniform(0, 2)]


def test_each_retry_is_reported_before_its_wait(time):
    seen = []
    run(
        POLICY,
        Fails(ConnectionError("a")),
        time,
        on_retry=lambda n, error, wait: seen.append((n, str(error), wait)),
    )
    assert seen == [(1, "a", 1)]


def test_a_rejection_by_an_open_breaker_is_never_retried(time):
    breaker = CircuitBreaker(2, 60, clock=time.clock)
    fn = Fails(*[ConnectionError() for _ in range(9)])
    with pytest.raises(ProviderError) as caught:
        run(POLICY, lambda: breaker.call(fn), time, retryable=Exception)
    assert caught.value.code == "provider.open"
    assert fn.calls == 2  # attempts count; the third was rejected and ended it


def test_an_interrupt_passes_through(time):
    fn = Fails(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(POLICY, fn, time, retryable=Exception)
    assert fn.calls == 1


def test_an_attempt_that_hangs_is_abandoned_and_the_next_one_answers(time):
    release = threading.Event()
    calls = []

    def hangs_once():
        calls.append(threading.current_thread().daemon)
        if len(calls) == 1:
            release.wait(10)
            return "late"
        return "answer"

    policy = RetryPolicy(attempts=2, base=0, cap=0, attempt_timeout=0.02)
    try:
        assert run(policy, hangs_once, time, retryable=()) == "answer"
    finally:
        release.set()
    assert calls == [True, True]


def test_an_answer_later_than_the_attempts_limit_is_dropped(time):
    def slow():
        time.now += 6
        return "late"

    policy = RetryPolicy(attempts=2, base=0, cap=0, attempt_timeout=5)
    with pytest.raises(AttemptTimeout, match="within 5 s") as caught:
        run(policy, slow, time)
    assert (caught.value.code, caught.value.retryable) == ("request.timeout", True)
    assert isinstance(caught.value, TimeoutError)
    assert time.now == 112.0


def test_an_attempt_may_not_outlast_the_deadline(time):
    def slow():
        time.now += 3
        return "late"

    policy = RetryPolicy(attempts=2, base=0, cap=0, attempt_timeout=5, deadline=2)
    with pytest.raises(AttemptTimeout, match="within 2 s"):
        run(policy, slow, time)


def test_an_attempt_without_time_left_is_not_begun(time):
    started = []
    late = iter([100.0, 103.0, 103.0])
    policy = RetryPolicy(attempts=1, base=0, cap=0, attempt_timeout=5, deadline=2)
    with pytest.raises(AttemptTimeout, match="within 0 s"):
        retry(policy, lambda: started.append(1), lambda: next(late), time.sleep)
    assert started == []


def test_an_error_inside_a_limited_attempt_comes_out_as_itself(time):
    policy = RetryPolicy(attempts=2, base=0, cap=0, attempt_timeout=5)
    with pytest.raises(KeyError, match="x"):
        run(policy, Fails(KeyError("x")), time)
    with pytest.raises(KeyboardInterrupt):
        run(policy, Fails(KeyboardInterrupt()), time)
