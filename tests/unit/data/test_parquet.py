"""Parquet candles meet the same contract."""

import datetime as dt

import polars as pl
import pytest

PRICES = {"open": [1.0, 1.0], "high": [3.0, 3.0], "low": [1.0, 1.0], "close": [2.0, 2.0], "volume": [9, 9]}
UTC = dt.UTC


@pytest.fixture
def parquet(tmp_path, check):
    def _check(columns, **said):
        path = tmp_path / "TEST_H1.parquet"
        pl.DataFrame(columns).write_parquet(path)
        return check(path, **said)

    return _check


def codes(report):
    return [item.code for item in report.findings]


@pytest.mark.parametrize(
    "times",
    [
        [1_704_067_200, 1_704_070_800],
        [dt.datetime(2024, 1, 1, 0, tzinfo=UTC), dt.datetime(2024, 1, 1, 1, tzinfo=UTC)],
        ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"],
    ],
)
def test_times_may_be_seconds_moments_or_text(parquet, check, times):
    plain = check("t,o,h,l,c,v\n1704067200,1,3,1,2,9\n1704070800,1,3,1,2,9\n").fingerprint
    assert parquet({"timestamp": times} | PRICES).fingerprint == plain


def test_times_without_a_zone_need_a_declaration(parquet):
    times = [dt.datetime(2024, 1, 1, 0), dt.datetime(2024, 1, 1, 1)]  # noqa: DTZ001 - the point of the test
    assert codes(parquet({"time": times} | PRICES)) == ["data.naive_time"]
    assert parquet({"time": times} | PRICES, utc=True).accepted
    assert codes(parquet({"time": ["2024-01-01 00:00", "2024-01-01 01:00"]} | PRICES)) == ["data.naive_time"]


def test_bad_cells_are_named_by_their_row(parquet, places):
    report = parquet(
        {"t": [1_704_067_200, 1_704_070_800]} | PRICES | {"open": [None, 1.0], "high": [3.0, float("inf")]}
    )
    assert places(report, "data.missing_value") == [(1, None, "open is empty")]
    assert places(report, "data.not_finite") == [(2, None, "high is not finite")]


def test_columns_of_another_type_are_refused(parquet, places):
    assert places(parquet({"t": [0, 3600]} | PRICES | {"low": ["1", "1"]}), "data.not_numeric") == [
        (None, None, "column low holds String")
    ]
    assert codes(parquet({"t": [True, False]} | PRICES)) == ["data.bad_time"]
    assert codes(parquet({"t": ["x", "y"]} | PRICES)) == ["data.bad_time"]


def test_milliseconds_and_dates_as_numbers_are_ambiguous(parquet):
    assert codes(parquet({"t": [1_704_067_200_000, 1_704_070_800_000]} | PRICES)) == ["data.ambiguous_time"]
    assert codes(parquet({"t": [20240101, 20240102]} | PRICES)) == ["data.ambiguous_time"]


def test_an_empty_time_is_a_missing_value(parquet, places):
    report = parquet({"t": [1_704_067_200, None]} | PRICES)
    assert places(report, "data.missing_value") == [(2, None, "the time is empty")]


def test_a_file_without_rows_or_columns_is_refused(parquet):
    assert codes(parquet({"t": [], "open": [], "high": [], "low": [], "close": [], "volume": []})) == [
        "data.no_rows"
    ]
    assert codes(parquet({"t": [1]})) == ["data.missing_column"]


def test_a_truncated_file_is_unreadable(tmp_path, check):
    path = tmp_path / "TEST_H1.parquet"
    pl.DataFrame({"t": [1_704_067_200, 1_704_070_800]} | PRICES).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert codes(check(path)) == ["data.unreadable"]


def test_a_cell_broken_in_the_middle_still_shows_the_line_as_a_row(parquet, places):
    report = parquet({"t": [1_704_067_200, 1_704_070_800]} | PRICES | {"close": [2.0, 500.0]})
    assert places(report, "data.geometry") == [(2, "2024-01-01T01:00:00Z", "close 500 > high 3")]
