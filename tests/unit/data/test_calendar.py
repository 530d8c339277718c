"""Spacing, gaps and the calendar that a series shows by itself."""

import datetime as dt
import random

import numpy as np
import pytest

from foldward.data._holidays import is_eve, is_holiday

HOUR = 3600
DAY = 24 * HOUR
MONDAY = 1_704_067_200  # 2024-01-01, a Monday


def codes(report):
    return [(item.code, item.severity) for item in report.findings]


def drop(rows, *ranges):
    gone = {index for start, stop in ranges for index in range(start, stop)}
    return [row for index, row in enumerate(rows) if index not in gone]


def weekdays(rows, first=MONDAY):
    """Rows of hourly or daily bars without Saturdays and Sundays."""
    day = [dt.datetime.fromisoformat(row[0]).weekday() for row in rows]
    return [row for row, at in zip(rows, day, strict=True) if at < 5]


def test_missing_hours_of_a_round_the_clock_series_are_gaps(check, bars, places):
    report = check(drop(bars(500), (100, 103), (200, 201)))
    assert codes(report) == [("data.gap", "WARN")]
    assert report.accepted
    assert report.findings[0].count == 2
    assert places(report, "data.gap") == [
        (102, "2024-01-05T07:00:00Z", "3 bars missing from 2024-01-05T04:00:00Z to 2024-01-05T06:00:00Z"),
        (199, "2024-01-09T09:00:00Z", "1 bar missing at 2024-01-09T08:00:00Z"),
    ]
    assert report.coverage == 0.992


def test_coverage_under_95_percent_refuses_the_file(check, bars):
    rows = bars(200)
    assert check(drop(rows, (50, 60))).accepted
    report = check(drop(rows, (50, 61)))
    assert codes(report) == [("data.gap", "ERROR")]
    assert report.coverage == 0.945
    assert check(drop(rows, (50, 61)), coverage_min=0.9).accepted
    assert check(drop(rows, (50, 61)), allow=["data.gap"]).accepted


def test_a_gap_in_a_series_of_minutes_that_is_hours_long(check, bars, places):
    report = check(drop(bars(100, step=60), (40, 43)), name="X_M1.csv")
    assert (
        places(report, "data.gap")[0][2] == "3 bars missing from 2024-01-01T00:40:00Z to 2024-01-01T00:42:00Z"
    )


def test_a_hole_of_months_does_not_hide_itself(check, bars, places):
    rows = bars(24 * 7 * 40)
    report = check(drop(rows, (24 * 70, 24 * 140)))
    assert codes(report) == [("data.gap", "ERROR")]
    assert report.coverage == 0.75
    assert places(report, "data.gap")[0][2] == (
        "1680 bars missing from 2024-03-11T00:00:00Z to 2024-05-19T23:00:00Z"
    )
    days = weekdays(bars(700, step=DAY))
    report = check([row for row in days if not "2024-03" < row[0] < "2025-03"], name="X_D1.csv")
    assert codes(report) == [("data.gap", "ERROR")]
    assert 0.4 < report.coverage < 0.6


def test_weekends_are_no_gaps_and_a_missing_weekday_is_one(check, bars, places):
    rows = weekdays(bars(300, start=MONDAY + 8 * DAY, step=DAY))
    report = check(rows, name="X_D1.csv", allow=["data.gap"])
    assert report.calendar == "Mon-Fri"
    assert report.findings == ()
    at = next(index for index, row in enumerate(rows) if row[0].startswith("2024-03-13"))
    report = check(drop(rows, (at, at + 1)), name="X_D1.csv")
    assert [place[2] for place in places(report, "data.gap")] == ["1 bar missing at 2024-03-13T00:00:00Z"]


def test_a_weekday_series_rests_on_holidays(check, bars):
    rows = weekdays(bars(366, start=MONDAY, step=DAY))
    off = {"2024-01-01", "2024-03-29", "2024-07-04", "2024-11-28", "2024-12-25"}
    report = check([row for row in rows if row[0][:10] not in off], name="X_D1.csv")
    assert report.findings == ()
    assert report.coverage == 1.0


def test_a_series_that_trades_on_saturdays_has_no_holidays(check, bars, places):
    rows = [row for row in bars(366, start=MONDAY, step=DAY) if not row[0].startswith("2024-12-25")]
    report = check(rows, name="X_D1.csv")
    assert places(report, "data.gap")[0][2] == "1 bar missing at 2024-12-25T00:00:00Z"


def test_nights_of_a_stock_session_are_no_gaps_and_an_hour_inside_is_one(check, bars, places):
    day = [row for row in bars(24 * 60, start=MONDAY + 7 * DAY) if 14 <= int(row[0][11:13]) <= 20]
    rows = weekdays(day)
    report = check(rows)
    assert report.findings == ()
    assert report.calendar == "Mon-Fri, 14:00-21:00 UTC"
    at = next(index for index, row in enumerate(rows) if row[0] == "2024-02-07T17:00:00Z")
    report = check(drop(rows, (at, at + 1)))
    assert [place[2] for place in places(report, "data.gap")] == ["1 bar missing at 2024-02-07T17:00:00Z"]


def test_daylight_saving_moves_the_session_without_gaps(check, bars):
    def open_at(row):
        summer = "2024-03-10" <= row[0][:10] < "2024-11-03"
        first = 13 if summer else 14
        return first <= int(row[0][11:13]) < first + 7

    rows = weekdays([row for row in bars(366 * 24, start=MONDAY) if open_at(row)])
    report = check(rows)
    assert report.findings == ()


def test_two_days_with_a_night_between_are_accepted(check, bars):
    rows = [row for row in bars(48) if 9 <= int(row[0][11:13]) <= 16]
    assert check(rows).findings == ()


def test_a_week_of_currency_hours_has_a_weekend_and_no_gap(check, bars):
    def trading(row):
        at = dt.datetime.fromisoformat(row[0])
        closed = (
            at.weekday() == 5 or (at.weekday() == 4 and at.hour >= 22) or (at.weekday() == 6 and at.hour < 22)
        )
        return not closed

    rows = [row for row in bars(12 * 24, start=MONDAY + 7 * DAY) if trading(row)]
    report = check(rows)
    assert report.findings == ()
    assert report.calendar == "Mon-Fri, 24 h"


@pytest.mark.parametrize(
    ("label", "step", "count"),
    [
        ("W1", 7 * DAY, 60),
        ("D1", DAY, 40),
        ("H4", 4 * HOUR, 100),
        ("M7", 420, 300),
        ("H5", 5 * HOUR, 60),
        ("D3", 3 * DAY, 40),
    ],
)
def test_every_timeframe_is_inferred_and_clean(check, bars, label, step, count):
    report = check(bars(count, step=step), name="plain.csv")
    assert report.findings == ()
    assert report.timeframe == step // 60
    assert check(bars(count, step=step), name=f"X_{label}.csv").findings == ()


def test_months_are_28_to_31_days(check, bars, places):
    rows = bars(24)
    for index, row in enumerate(rows):
        row[0] = f"{2022 + index // 12}-{index % 12 + 1:02d}-01T00:00:00Z"
    report = check(rows, name="plain.csv")
    assert (report.timeframe, report.findings) == (43_200, ())
    report = check(drop(rows, (5, 6)), name="X_MN.csv")
    assert places(report, "data.gap")[0][2].startswith("1 bar missing")


def test_bars_off_the_grid_are_named(check, bars, places):
    rows = bars(30)
    rows[10][0] = "2024-01-01T10:20:00Z"
    report = check(rows)
    assert places(report, "data.spacing") == [
        (
            12,
            "2024-01-01T10:20:00Z",
            "4800 s after the bar before; the timeframe is H1".replace("4800 s", "80 min"),
        ),
        (13, "2024-01-01T11:00:00Z", "40 min after the bar before; the timeframe is H1"),
    ]
    assert not report.accepted


def test_a_wrong_declaration_is_a_spacing_fault_not_a_sea_of_gaps(check, bars, places):
    report = check(bars(30), timeframe="M5")
    assert codes(report) == [("data.spacing", "ERROR")]
    assert places(report, "data.spacing")[0][2] == (
        "1 h after the bar before; most bars are 1 h apart, not M5"
    )
    report = check(bars(30), timeframe=240)
    assert codes(report) == [("data.spacing", "ERROR")]
    assert report.findings[0].count == 29


def test_bars_less_than_a_minute_apart_have_no_timeframe(check, bars):
    report = check(bars(30, step=30), name="plain.csv")
    assert codes(report) == [("data.spacing", "ERROR")]
    assert report.timeframe is None


def test_daily_bars_may_move_by_an_hour_with_daylight_saving(check, bars):
    rows = bars(60, start=MONDAY + 60 * DAY - 2 * HOUR, step=DAY)
    for row in rows[30:]:
        row[0] = row[0].replace("T22", "T21")
    assert check(rows, name="X_D1.csv").findings == ()


def test_a_series_with_random_holes_counts_each_missing_bar_in_the_coverage(check, bars):
    generator = random.Random(3)
    rows = bars(24 * 60)
    gone = set(generator.sample(range(24, len(rows) - 24), 30))
    report = check([row for index, row in enumerate(rows) if index not in gone])
    assert report.coverage == pytest.approx(1 - 30 / 1440, abs=1e-6)


@pytest.mark.parametrize(
    "day",
    [
        "2024-03-29",
        "2024-04-01",
        "2021-01-01",
        "2020-07-03",
        "2022-12-26",
        "2024-11-28",
        "2001-09-12",
        "2023-06-19",
    ],
)
def test_known_holidays(day):
    assert is_holiday(dt.date.fromisoformat(day))


def test_an_ordinary_day_is_neither_holiday_nor_eve():
    day = dt.date(2024, 8, 14)
    assert not is_holiday(day)
    assert not is_eve(day)
    assert is_eve(dt.date(2024, 7, 3))


def test_a_handful_of_bars_across_centuries_is_judged_without_exhausting_memory(check):
    rows = [
        [seconds, 1, 1, 1, 1, 1]
        for seconds in np.linspace(-8_000_000_000, 1_700_000_000, 12).astype(int) // 60 * 60
    ]
    assert not check(rows, timeframe=1).accepted


def test_a_bar_half_a_second_late_is_off_the_grid(check, bars, places):
    rows = bars(60)
    rows[10][0] = rows[10][0].replace("Z", ".500Z")
    report = check(rows)
    assert not report.accepted
    assert places(report, "data.spacing") == [
        (13, "2024-01-01T11:00:00Z", "3599 s after the bar before; the timeframe is H1")
    ]
