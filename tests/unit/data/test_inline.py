"""Candles in a message meet the contract of files."""

import pytest

from foldward.contracts.errors import RequestError
from foldward.contracts.jobs import Candle
from foldward.data.inline import check_candles

NOW_US = 1_800_000_000_000_000
START = 1_704_067_200


def candles(count):
    return [Candle(START + 3600 * i, 100 + i % 3, 104, 99, 101 + i % 2, 5.0) for i in range(count)]


def test_inline_candles_give_the_bars_and_fingerprint_of_the_same_file(check):
    lines = ["t,o,h,l,c,v", *(f"{c.t},{c.o},{c.h},{c.l},{c.c},{c.v}" for c in candles(30))]
    checked = check_candles(candles(30), "H1", symbol="X", now_us=NOW_US)
    assert checked.report.findings == ()
    assert checked.bars.fingerprint == check("\n".join(lines)).fingerprint
    assert (checked.bars.symbol, checked.bars.timeframe) == ("X", 60)
    assert checked.bars.close[:3].tolist() == [101.0, 102.0, 101.0]


@pytest.mark.parametrize(
    ("bad", "code", "detail"),
    [
        (Candle(START + 3600, 1, 0.5, 0.4, 0.5, 1), "data.geometry", "open 1 > high 0.5"),
        (Candle(START + 3600, 1, float("nan"), 1, 1, 1), "data.not_finite", "high is nan"),
        (
            Candle(START * 1000, 1, 1, 1, 1, 1),
            "data.ambiguous_time",
            "1704067200000 looks like milliseconds; Unix seconds are expected",
        ),
        (Candle(9_500_000_000, 1, 1, 1, 1, 1), "data.bad_time", "9500000000 is past the year 2255"),
        (Candle(START, 1, 1, 1, 1, 1), "data.conflict", "another row for the time of line 1"),
    ],
)
def test_a_fault_names_the_candle_by_its_number(bad, code, detail):
    rows = candles(3)
    rows[1] = bad
    report = check_candles(rows, 60, now_us=NOW_US).report
    (item,) = [item for item in report.findings if item.code == code]
    assert (item.places[0].line, item.places[0].detail) == (2, detail)
    assert not report.accepted


def test_no_candles_and_unfinished_ones_are_refused():
    assert [item.code for item in check_candles([], 60).report.findings] == ["data.no_rows"]
    report = check_candles(candles(2), 60, now_us=(START + 3601) * 1_000_000).report
    assert report.error().code == "data.future"
    with pytest.raises(RequestError):
        check_candles(candles(2), 0)
