import datetime as dt

import numpy as np
import pytest

from foldward.contracts.errors import RequestError
from foldward.splits import MAX_FOLDS, Fold, WalkForward


def days(n, start="2024-01-01"):
    return np.datetime64(start) + np.arange(n)


def test_a_rolling_window_moves_by_its_test_length():
    assert WalkForward(4, 2).ranges(10) == [
        Fold(((0, 4),), ((4, 6),)),
        Fold(((2, 6),), ((6, 8),)),
        Fold(((4, 8),), ((8, 10),)),
    ]


def test_an_anchored_window_always_begins_at_the_first_bar():
    assert WalkForward(4, 2, anchored=True).ranges(10) == [
        Fold(((0, 4),), ((4, 6),)),
        Fold(((0, 6),), ((6, 8),)),
        Fold(((0, 8),), ((8, 10),)),
    ]


def test_split_gives_integer_index_arrays():
    folds = [(train.tolist(), test.tolist()) for train, test in WalkForward(3, 2).split(7)]
    assert folds == [([0, 1, 2], [3, 4]), ([2, 3, 4], [5, 6])]


def test_the_last_bar_is_tested_even_when_the_last_window_is_short():
    assert WalkForward(4, 2).ranges(11)[-1] == Fold(((6, 10),), ((10, 11),))


@pytest.mark.parametrize("n", range(5, 40))
def test_without_a_gap_every_bar_after_the_first_train_part_is_tested_once(n):
    tested = np.concatenate([test for _, test in WalkForward(4, 3).split(n)])
    assert tested.tolist() == list(range(4, n))


def test_purge_and_embargo_leave_bars_out_between_train_and_test():
    assert WalkForward(4, 2, purge=1, embargo=2).ranges(11) == [
        Fold(((0, 4),), ((7, 9),)),
        Fold(((2, 6),), ((9, 11),)),
    ]


def test_a_short_step_overlaps_and_stops_at_the_first_window_that_reaches_the_end():
    assert [fold.test for fold in WalkForward(4, 4, step=1).ranges(10)] == [((4, 8),), ((5, 9),), ((6, 10),)]


def test_a_long_step_leaves_bars_untested():
    assert [fold.test for fold in WalkForward(2, 2, step=4).ranges(10)] == [((2, 4),), ((6, 8),)]


def test_calendar_windows_take_whatever_bars_they_hold():
    assert WalkForward("10d", "3d").ranges(days(17)) == [
        Fold(((0, 10),), ((10, 13),)),
        Fold(((3, 13),), ((13, 16),)),
        Fold(((6, 16),), ((16, 17),)),
    ]


def test_calendar_windows_count_days_and_not_bars():
    fortnight = days(14)
    weekdays = fortnight[np.is_busday(fortnight)]
    assert WalkForward("1w", "1w").ranges(weekdays) == [Fold(((0, 5),), ((5, 10),))]


def test_windows_of_whole_days_begin_at_midnight_utc():
    hours = np.datetime64("2024-01-01T17:00") + np.arange(60) * np.timedelta64(1, "h")
    assert WalkForward("1d", "1d").ranges(hours)[0] == Fold(((0, 7),), ((7, 31),))


def test_windows_of_hours_begin_with_the_first_bar():
    hours = np.datetime64("2024-01-01T17:00") + np.arange(12) * np.timedelta64(1, "h")
    assert WalkForward("6h", "6h").ranges(hours) == [Fold(((0, 6),), ((6, 12),))]


def test_in_calendar_time_the_gap_is_cut_from_the_train_part():
    assert WalkForward("10d", "3d", purge=2, embargo=1).ranges(days(13)) == [Fold(((0, 7),), ((10, 13),))]


def test_a_calendar_window_without_bars_is_an_empty_range():
    hole = np.concatenate([days(10), days(4, "2024-01-15")])
    assert [fold.test for fold in WalkForward("10d", "3d").ranges(hole)] == [
        ((10, 10),),
        ((10, 12),),
        ((12, 14),),
    ]


@pytest.mark.parametrize(
    "index",
    [
        days(13),
        days(13).astype("datetime64[ns]").astype(np.int64),
        days(13).astype("datetime64[ms]").astype(np.int64),
        days(13).astype("datetime64[s]").astype(np.int64),
        [dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=day) for day in range(13)],
    ],
    ids=["datetime64", "ns", "ms", "s", "datetimes"],
)
def test_times_may_come_in_any_certain_unit(index):
    assert WalkForward("10d", dt.timedelta(days=3)).ranges(index) == [Fold(((0, 10),), ((10, 13),))]


def test_nanoseconds_of_the_seventies_are_nanoseconds():
    index = days(13, "1971-01-01").astype("datetime64[ns]").astype(np.int64)
    assert WalkForward("10d", "3d").ranges(index) == [Fold(((0, 10),), ((10, 13),))]


def test_durations_may_be_numpy_timedeltas():
    spans = np.timedelta64(10, "D"), np.timedelta64(72, "h")
    assert WalkForward(*spans).ranges(days(13)) == [Fold(((0, 10),), ((10, 13),))]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"train": 0, "test": 5}, "train"),
        ({"train": 5, "test": -1}, "test"),
        ({"train": 5, "test": 5, "step": 0}, "step"),
        ({"train": 5, "test": 5, "purge": -1}, "purge"),
        ({"train": 5, "test": 5, "embargo": 1.5}, "embargo"),
        ({"train": True, "test": 5}, "train"),
        ({"train": "90 apples", "test": "30d"}, "90 apples"),
        ({"train": "0d", "test": "30d"}, "0d"),
        ({"train": "90d", "test": 30}, "one is in bars"),
        ({"train": 90, "test": 30, "step": "1d"}, "one is in bars"),
    ],
)
def test_a_senseless_plan_is_refused_at_once(arguments, word):
    with pytest.raises(RequestError, match=word) as caught:
        WalkForward(**arguments)
    assert caught.value.code == "request.bad_plan"
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("plan", "data", "word"),
    [
        (WalkForward(10, 5), 10, "before the first test window"),
        (WalkForward(5, 5, purge=5), 10, "before the first test window"),
        (WalkForward("30d", "5d"), days(30), "before the first test window"),
        (WalkForward("5d", "5d", purge=5), days(30), "the train part before bar 5 has 5"),
        (WalkForward("5d", "5d"), 30, "has no calendar"),
        (WalkForward("5d", "5d"), days(30)[::-1], "must increase"),
        (WalkForward("5d", "5d"), [*days(30), days(30)[-1]], "bar 30 is not later"),
        (WalkForward("5d", "5d"), np.array([], dtype="datetime64[s]"), "at least one bar"),
        (WalkForward("5d", "5d"), np.arange(30) * 86_400_000_000 + 1_700_000_000_000_000, "not certain"),
        (WalkForward("5d", "5d"), [dt.datetime(2024, 1, 1)], "no zone"),  # noqa: DTZ001 - the point
        (WalkForward("5d", "5d"), np.linspace(0, 1, 5), "float64"),
        (WalkForward(1, 1), MAX_FOLDS + 2, "10,001 folds; the limit is 10,000"),
        (WalkForward("1h", "1s"), days(30), "the limit is 10,000"),
    ],
)
def test_a_plan_that_the_data_cannot_carry_is_refused_with_the_reason(plan, data, word):
    with pytest.raises(RequestError, match=word) as caught:
        plan.ranges(data)
    assert caught.value.code == "request.bad_plan"


def test_the_plan_can_be_read_back():
    assert repr(WalkForward("90d", "30d")) == (
        "WalkForward(train='90d', test='30d', step='30d', anchored=False, purge=0, embargo=0)"
    )


def test_a_duration_of_hundreds_of_digits_is_longer_than_any_data():
    times = np.arange("2024-01-01", "2024-04-10", dtype="datetime64[D]")
    with pytest.raises(RequestError, match="the data end before the first test window"):
        WalkForward("9" * 400 + "d", "30d").ranges(times)
