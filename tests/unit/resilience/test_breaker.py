import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from foldward.contracts.errors import ConfigError, ProviderError
from foldward.resilience import BreakerOpen, CircuitBreaker


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def answers():
    return "answer"


def fails():
    raise ConnectionError("down")


def fail_times(breaker, times):
    for _ in range(times):
        with pytest.raises(ConnectionError):
            breaker.call(fails)


def opened(clock, **more):
    breaker = CircuitBreaker(threshold=2, recovery=60, clock=clock, **more)
    fail_times(breaker, 2)
    return breaker


def test_closed_lets_calls_through_with_their_arguments(clock):
    assert CircuitBreaker(5, 60, clock=clock).call(divmod, 7, 2) == (3, 1)


def test_consecutive_failures_open_it(clock):
    breaker = CircuitBreaker(5, 60, clock=clock)
    fail_times(breaker, 4)
    assert (breaker.state, breaker.retry_at) == ("closed", None)
    fail_times(breaker, 1)
    assert (breaker.state, breaker.retry_at) == ("open", 1060.0)


def test_a_success_resets_the_count(clock):
    breaker = CircuitBreaker(5, 60, clock=clock)
    fail_times(breaker, 4)
    breaker.call(answers)
    fail_times(breaker, 4)
    assert breaker.state == "closed"


def test_open_rejects_without_calling_and_says_when_to_come_back(clock):
    breaker = opened(clock)
    clock.now += 10
    calls = []
    with pytest.raises(BreakerOpen, match="open for another 50 s") as caught:
        breaker.call(calls.append, 1)
    assert calls == []
    assert (caught.value.retry_at, caught.value.retry_after, caught.value.code) == (
        1060.0,
        50.0,
        "provider.open",
    )
    assert isinstance(caught.value, ProviderError)


def test_it_stays_open_until_the_very_moment(clock):
    breaker = opened(clock)
    clock.now = 1059.999
    assert breaker.allow() is None
    clock.now = 1060.0
    assert breaker.state == "half_open"
    assert breaker.allow()


def test_a_probe_that_succeeds_closes_it(clock):
    breaker = opened(clock)
    clock.now += 60
    assert breaker.call(answers) == "answer"
    assert (breaker.state, breaker.retry_at) == ("closed", None)


def test_a_probe_that_fails_opens_it_for_another_recovery(clock):
    breaker = opened(clock)
    clock.now += 75
    fail_times(breaker, 1)
    assert (breaker.state, breaker.retry_at) == ("open", 1135.0)


def test_several_probes_may_be_asked_for(clock):
    breaker = opened(clock, success_threshold=3)
    clock.now += 60
    for _ in range(2):
        breaker.call(answers)
        assert breaker.state == "half_open"
    breaker.call(answers)
    assert breaker.state == "closed"


def test_a_failure_between_probes_begins_again(clock):
    breaker = opened(clock, success_threshold=2)
    clock.now += 60
    breaker.call(answers)
    fail_times(breaker, 1)
    clock.now += 60
    breaker.call(answers)
    assert breaker.state == "half_open"


def refused_times(breaker, times):
    for _ in range(times):
        with pytest.raises(KeyError):
            breaker.call({}.__getitem__, "x")


def test_excluded_errors_never_open_it(clock):
    breaker = CircuitBreaker(2, 60, clock=clock, excluded=(KeyError,))
    refused_times(breaker, 5)
    assert (breaker.state, breaker.snapshot()["failures"]) == ("closed", 0)


def test_an_excluded_error_between_failures_neither_counts_nor_forgives_them(clock):
    breaker = CircuitBreaker(3, 60, clock=clock, excluded=(KeyError,))
    fail_times(breaker, 2)
    refused_times(breaker, 5)
    assert (breaker.state, breaker.snapshot()["failures"]) == ("closed", 2)
    fail_times(breaker, 1)
    assert breaker.state == "open"


def test_a_probe_with_an_excluded_error_was_answered_and_closes_it(clock):
    breaker = opened(clock, excluded=KeyError)
    clock.now += 60
    refused_times(breaker, 1)
    assert breaker.state == "closed"


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_unexpected_exception_in_a_probe_never_leaves_it_half_open(clock, error):
    breaker = opened(clock)
    clock.now += 60

    def surprise():
        raise error

    with pytest.raises(error):
        breaker.call(surprise)
    assert (breaker.state, breaker.retry_at) == ("open", 1120.0)


def test_an_interrupt_is_not_the_peers_failure(clock):
    breaker = CircuitBreaker(1, 60, clock=clock)

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        breaker.call(interrupted)
    assert breaker.state == "closed"


def test_half_open_lets_exactly_one_thread_probe(clock):
    breaker = opened(clock)
    clock.now += 60
    inside, leave = threading.Event(), threading.Event()
    rejected = threading.Semaphore(0)

    def probe():
        inside.set()
        assert leave.wait(10)
        return "probe"

    def caller():
        try:
            return breaker.call(probe)
        except BreakerOpen as error:
            rejected.release()
            return error.retry_at

    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(caller) for _ in range(16)]
        assert inside.wait(10)
        for _ in range(15):
            assert rejected.acquire(timeout=10)
        leave.set()
        results = [future.result(10) for future in futures]
    assert results.count("probe") == 1
    assert results.count(1120.0) == 15
    assert breaker.state == "closed"


def test_a_probe_that_never_reports_frees_its_place_after_the_recovery_time(clock):
    breaker = opened(clock)
    clock.now += 60
    lost = breaker.allow()
    assert lost.probe
    assert breaker.allow() is None
    assert breaker.retry_at == 1120.0
    clock.now += 60
    second = breaker.allow()
    assert second.probe
    breaker.record_failure(lost)
    assert breaker.state == "half_open"
    breaker.record_success(second)
    assert breaker.state == "closed"


def test_outcomes_may_be_recorded_later(clock):
    breaker = CircuitBreaker(2, 60, clock=clock)
    first, second = breaker.allow(), breaker.allow()
    breaker.record_failure(first)
    breaker.record_failure(second)
    assert breaker.state == "open"
    assert not breaker.allow()


def test_outcomes_without_a_permit_count_for_the_present_state(clock):
    breaker = CircuitBreaker(2, 60, clock=clock)
    breaker.record_failure()
    breaker.record_success()
    breaker.record_failure()
    breaker.record_failure()
    assert breaker.state == "open"
    breaker.record_success()
    breaker.record_failure()
    assert breaker.retry_at == 1060.0
    clock.now += 60
    assert breaker.allow()
    breaker.record_success()
    assert breaker.state == "closed"


def test_a_late_outcome_of_an_earlier_epoch_is_ignored(clock):
    breaker = CircuitBreaker(2, 60, clock=clock)
    slow = breaker.allow()
    fail_times(breaker, 2)
    clock.now += 60
    breaker.call(answers)
    fail_times(breaker, 1)
    breaker.record_failure(slow)
    assert breaker.state == "closed"
    breaker.record_success(slow)
    fail_times(breaker, 1)
    assert breaker.state == "open"


def test_a_probe_reported_twice_counts_once(clock):
    breaker = opened(clock, success_threshold=2)
    clock.now += 60
    permit = breaker.allow()
    breaker.record_success(permit)
    breaker.record_success(permit)
    breaker.record_success()
    assert breaker.state == "half_open"


def test_reset_closes_it_and_forgets_calls_under_way(clock):
    breaker = opened(clock)
    breaker.reset()
    assert breaker.state == "closed"
    under_way = breaker.allow()
    breaker.reset()
    breaker.record_failure(under_way)
    fail_times(breaker, 1)
    assert breaker.state == "closed"


def test_it_can_be_opened_at_once(clock):
    seen = []
    breaker = CircuitBreaker(5, 60, clock=clock, on_transition=lambda _, *news: seen.append(news))
    under_way = breaker.allow()
    assert breaker.trip()
    assert (breaker.state, breaker.retry_at, breaker.snapshot()["failures"]) == ("open", 1060.0, 5)
    breaker.record_success(under_way)
    clock.now += 59
    assert not breaker.trip()
    assert breaker.retry_at == 1060.0
    clock.now += 1
    assert breaker.allow()
    assert breaker.trip()
    clock.now += 60
    assert breaker.trip()  # nobody had probed it: it begins again, and was open all the time
    assert breaker.retry_at == 1180.0
    assert seen == [("closed", "open"), ("open", "half_open"), ("half_open", "open")]


def test_an_open_one_can_be_told_to_probe_now(clock):
    seen = []
    breaker = opened(clock, on_transition=lambda _, *news: seen.append(news))
    clock.now += 1
    breaker.half_open()
    assert (breaker.state, breaker.retry_at) == ("half_open", None)
    assert breaker.allow().probe
    assert breaker.allow() is None
    breaker.half_open()
    assert breaker.allow() is None
    breaker.record_success()
    assert seen[1:] == [("open", "half_open"), ("half_open", "closed")]
    breaker.half_open()
    assert breaker.state == "closed"


def test_a_probe_that_was_let_through_early_may_fail_too(clock):
    breaker = opened(clock)
    clock.now += 1
    breaker.half_open()
    fail_times(breaker, 1)
    assert (breaker.state, breaker.retry_at) == ("open", 1061.0)


def test_every_transition_is_told_in_order(clock):
    seen = []
    breaker = opened(clock, name="provider", on_transition=lambda *news: seen.append(news))
    clock.now += 60
    fail_times(breaker, 1)
    clock.now += 60
    breaker.call(answers)
    assert seen == [
        ("provider", "closed", "open"),
        ("provider", "open", "half_open"),
        ("provider", "half_open", "open"),
        ("provider", "open", "half_open"),
        ("provider", "half_open", "closed"),
    ]


def test_an_observer_may_use_the_breaker_and_may_break(clock):
    def observer(name, old, new):
        if new == "open":
            breaker.reset()
            raise RuntimeError("observer")

    breaker = CircuitBreaker(1, 60, clock=clock, on_transition=observer)
    fail_times(breaker, 1)
    assert (breaker.state, breaker.observer_errors) == ("closed", 1)


def test_the_snapshot_is_what_status_shows(clock):
    breaker = opened(clock, name="worker-1")
    breaker.allow()
    assert breaker.snapshot() == {
        "name": "worker-1",
        "state": "open",
        "failures": 2,
        "retry_at": 1060.0,
        "opened": 1,
        "rejected": 1,
    }


def test_the_defaults_are_five_failures_and_a_minute():
    breaker = CircuitBreaker()
    fail_times(breaker, 5)
    with pytest.raises(BreakerOpen) as caught:
        breaker.call(answers)
    assert 59 < caught.value.retry_after <= 60


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0},
        {"threshold": 1.5},
        {"recovery": 0},
        {"recovery": float("nan")},
        {"success_threshold": 0},
        {"excluded": ("KeyError",)},
        {"excluded": int},
    ],
    ids=str,
)
def test_wrong_settings_are_refused_when_it_is_made(wrong):
    with pytest.raises(ConfigError) as caught:
        CircuitBreaker(**wrong)
    assert caught.value.code == "config.invalid"
