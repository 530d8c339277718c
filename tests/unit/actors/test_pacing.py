"""Rate, retry budget, deadlines, and the interval that a > once got wrong."""

from actors._pacing import Interval, RateLimit, RetryBudget, RunTimes


def test_a_flush_is_due_exactly_when_the_interval_has_passed() -> None:
    flush = Interval(1.0)
    assert flush.due(100.0)
    assert not flush.due(100.999)
    assert flush.due(101.0)
    assert not flush.due(101.5)
    assert flush.due(102.0)


def test_a_clock_that_is_set_back_does_not_silence_the_flush() -> None:
    flush = Interval(1.0)
    assert flush.due(10_000.0)
    assert flush.due(6_400.0)


def test_without_a_rate_everything_may_leave() -> None:
    rate = RateLimit(0.0)
    for _ in range(1000):
        assert rate.allows(5.0)
        rate.take()


def test_ten_a_second_is_ten_a_second() -> None:
    rate = RateLimit(10.0)
    sent = 0
    for millisecond in range(3000):
        if rate.allows(millisecond / 1000):
            rate.take()
            sent += 1
    assert sent == 30


def test_a_rate_below_one_a_second_waits_longer_than_a_second() -> None:
    rate = RateLimit(0.5)
    assert rate.allows(0.0)
    rate.take()
    assert not rate.allows(1.9)
    assert rate.allows(2.0)


def test_a_clock_that_is_set_back_gives_no_burst() -> None:
    rate = RateLimit(10.0)
    assert rate.allows(1000.0)
    rate.take()
    assert not rate.allows(500.0)
    assert rate.allows(500.1)


def test_ten_resends_a_second_are_always_allowed_the_eleventh_is_not() -> None:
    budget = RetryBudget(0.2, 10.0)
    for _ in range(10):
        assert budget.allows(50.0)
        budget.resend(50.0)
    assert not budget.allows(50.9)
    assert budget.allows(51.0)


def test_resends_may_be_a_fifth_of_the_minutes_first_sends() -> None:
    budget = RetryBudget(0.2, 0.0)
    for _ in range(100):
        budget.first(10.0)
    resent = 0
    while budget.allows(11.0):
        budget.resend(11.0)
        resent += 1
    assert resent == 20
    # A minute later the first sends are forgotten.
    assert not budget.allows(70.0)


def test_the_deadline_is_120_s_until_fifty_answers_are_known() -> None:
    times = RunTimes(120.0, 30.0, 3600.0)
    assert times.deadline_s("oos") == 120.0
    for _ in range(49):
        times.add("oos", 100.0)
    assert times.deadline_s("oos") == 120.0
    times.add("oos", 100.0)
    assert times.deadline_s("oos") == 150.0
    assert times.deadline_s("wfv") == 120.0


def test_the_deadline_stays_between_thirty_seconds_and_an_hour() -> None:
    times = RunTimes(120.0, 30.0, 3600.0)
    times.load("oos", [0.01] * 60)
    times.load("wfv", [5000.0] * 60)
    assert times.deadline_s("oos") == 30.0
    assert times.deadline_s("wfv") == 3600.0


def test_the_deadline_follows_the_999th_of_a_thousand() -> None:
    times = RunTimes(120.0, 30.0, 3600.0)
    times.load("oos", [float(n) for n in range(1, 1001)])
    assert times.deadline_s("oos") == 1498.5


def test_old_run_times_are_forgotten() -> None:
    times = RunTimes(120.0, 30.0, 3600.0)
    times.load("oos", [2000.0] * 2000)
    assert times.deadline_s("oos") == 3000.0
    times.load("oos", [40.0] * 2000)
    assert times.deadline_s("oos") == 60.0
