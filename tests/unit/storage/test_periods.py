"""Figures of a period: differences between two looks."""

T0 = 1_770_000_000_000_000
HOUR = 3_600_000_000


def test_durations_since_a_mark_leave_out_what_was_counted_before(facts, do, reader):
    do(facts.admit(1, "one"), facts.lease(1), facts.answer(1, at_us=T0 + 250_000))
    marks = reader.latency_marks()
    assert reader.latency_since(marks)["count"] == 0
    assert reader.kinds_since(marks) == []
    do(facts.admit(2, "two", kind="backtest"), facts.lease(2), facts.answer(2, at_us=T0 + 4_000_000))
    do(facts.admit(3, "three"), facts.lease(3), facts.answer(3, at_us=T0 + 2_000_000))
    since = reader.latency_since(marks)
    assert since["count"] == 2
    assert abs(since["p50_s"] - 2.0) < 0.02
    assert abs(since["p99_s"] - 4.0) < 0.04
    assert since["mean_s"] == 3.0
    assert sum(bar["count"] for bar in since["histogram"]) == 2
    assert since["run"]["count"] == 2
    assert reader.kinds_since(marks) == ["backtest", "oos"]
    assert reader.latency_since(marks, "oos")["count"] == 1
    assert reader.latency_since({})["count"] == 3


def test_results_are_counted_by_the_hour_without_reading_them(facts, do, reader):
    for number, at in ((1, 5), (2, HOUR - 10_000), (3, HOUR + 5), (4, 3 * HOUR + 1)):
        do(facts.admit(number, f"s{number}"), facts.lease(number), facts.answer(number, at_us=T0 + at))
    assert reader.results_by_hour(T0, T0 + 4 * HOUR) == [2, 1, 0, 1]
    assert reader.results_by_hour(T0, T0 + HOUR + 1) == [2, 1]
    assert reader.results_by_hour(T0 - HOUR, T0) == [0]


def test_an_empty_database_has_hours_without_results(reader):
    assert reader.results_by_hour(T0, T0 + 2 * HOUR) == [0, 0]
    assert reader.failures_by_hour(T0, T0 + 2 * HOUR) == [0, 0]
    assert reader.latency_since({})["count"] == 0


def test_failed_steps_are_counted_by_the_hour(facts, do, reader):
    do(facts.admit(1, "one"), facts.lease(1), facts.fail(1))
    assert reader.failures_by_hour(T0, T0 + 2 * HOUR) == [1, 0]
    assert reader.failures_by_hour(T0 - 2 * HOUR, T0) == [0, 0]
