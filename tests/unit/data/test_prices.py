"""Outliers and stale runs."""

import pytest

from foldward.data import bundled_dir
from foldward.data.contract import check_file


def scaled(rows, start, stop, factor):
    for row in rows[start:stop]:
        row[1:5] = [round(value * factor, 4) for value in row[1:5]]
    return rows


def test_a_split_is_one_outlier_where_it_happened(check, bars, places):
    report = check(scaled(bars(60), 40, 60, 0.5))
    assert [(line, time) for line, time, _ in places(report, "data.outlier")] == [
        (42, "2024-01-02T16:00:00Z")
    ]
    assert not report.accepted


def test_a_single_wrong_price_is_one_outlier_not_two(check, bars, places):
    report = check(scaled(bars(60), 40, 41, 10))
    assert report.findings[0].count == 1
    assert places(report, "data.outlier")[0][0] == 42
    assert places(report, "data.outlier")[0][2] == "close 995.933 after 99.0627 (+905.4%)"


def test_fewer_than_thirty_rows_have_no_outliers(check, bars):
    assert check(scaled(bars(29), 15, 29, 0.5)).findings == ()
    assert [item.code for item in check(scaled(bars(30), 15, 30, 0.5)).findings] == ["data.outlier"]


def test_a_three_percent_tick_in_a_quiet_series_is_no_outlier_and_thirty_is(check, bars):
    def quiet():
        rows = bars(200)
        for index, row in enumerate(rows):
            close = 100 + 0.02 * (index % 3)
            row[1:5] = [close, close + 0.01, close - 0.01, close]
        return rows

    assert check(scaled(quiet(), 100, 101, 1.025)).findings == ()
    assert [item.code for item in check(scaled(quiet(), 100, 101, 1.3)).findings] == ["data.outlier"]


def test_a_volatile_market_is_not_an_outlier(check, bars):
    rows = bars(120)
    close = 100.0
    for index, row in enumerate(rows):
        open_, close = close, close * (1.12 if index % 2 else 0.9)
        row[1:5] = [open_, max(open_, close), min(open_, close), close]
    assert check(rows).findings == ()


def test_a_wrong_high_low_or_open_is_an_outlier_too(check, bars, places):
    for column, value, line in ((2, 1000.0, 42), (3, 10.0, 32)):
        rows = bars(60)
        rows[line - 2][column] = value
        found = places(check(rows), "data.outlier")
        assert [place[0] for place in found] == [line]
        assert "times the usual span" in found[0][2]
    rows = bars(60)
    rows[20][1:4] = [900.0, 900.0, rows[20][3]]
    assert [place[0] for place in places(check(rows), "data.outlier")] == [22]


def test_wide_bars_are_usual_in_a_series_of_wide_bars(check, bars):
    rows = bars(60)
    for row in rows:
        row[1:5] = [100, 140, 70, 100 + 0.01 * (int(row[5]) % 3)]
    assert [item.code for item in check(rows).findings] == []


@pytest.mark.parametrize(("length", "severity"), [(4, None), (5, "WARN"), (49, "WARN"), (50, "ERROR")])
def test_a_run_of_equal_bars_is_stale_by_its_length(check, bars, length, severity):
    rows = bars(120)
    for row in rows[30 : 30 + length]:
        row[1:5] = rows[30][1:5]
    found = [(item.code, item.severity) for item in check(rows).findings]
    assert found == ([] if severity is None else [("data.stale", severity)])


def test_the_longest_stale_run_is_named_first(check, bars, places):
    rows = bars(60)
    for start, stop in ((10, 16), (30, 39)):
        for row in rows[start:stop]:
            row[1:5] = rows[start][1:5]
    assert [(line, detail) for line, _, detail in places(check(rows), "data.stale")] == [
        (32, "9 equal bars in a row"),
        (12, "6 equal bars in a row"),
    ]


def test_twenty_years_of_an_index_have_no_outlier_but_a_split_put_into_them_is_found(tmp_path):
    lines = (bundled_dir() / "SP500_D1.csv").read_text().splitlines()
    for at in (600, 2470, 4000):  # 2001, October 2008, 2014
        broken = list(lines)
        for index in range(at, len(lines)):
            cells = lines[index].split(",")
            broken[index] = ",".join([cells[0], *(str(float(cell) / 2) for cell in cells[1:5]), cells[5]])
        path = tmp_path / "SP500_D1.csv"
        path.write_text("\n".join(broken) + "\n")
        found = check_file(path).findings
        assert [(item.code, item.places[0].line) for item in found] == [("data.outlier", at + 1)]


def test_a_file_without_one_number_is_judged_without_a_warning(bars, check):
    rows = [[row[0], *(str(cell).replace(".", ":") + "x" for cell in row[1:])] for row in bars(60)]
    assert [item.code for item in check(rows).findings] == ["data.not_numeric"]
