"""The measures of small windows, computed by hand."""

import json
import math

import pytest

from foldward.backtest import METRICS
from foldward.backtest.metrics import infer_calendar

FLAT = (100.0, 100.0, 100.0, 100.0)


def days(*closes):
    """Daily bars that open at the previous close."""
    rows, before = [], closes[0]
    for close in closes:
        rows.append((before, max(before, close), min(before, close), close))
        before = close
    return rows


def test_sharpe_counts_every_day_of_the_window(trade):
    # Equity 100, 100, 110, 99, 99: returns 0, 0, .1, −.1, 0.
    out = trade(days(100, 100, 110, 99, 99), {0: "buy", 3: "leave_long"}, timeframe=1440, cash=100.0)
    assert out.day_equity.tolist() == [100.0, 100.0, 110.0, 99.0, 99.0]
    assert out.metrics["sharpe"] == pytest.approx(0.0, abs=1e-12)
    assert out.metrics["days"] == 5
    # down² = .01 over five days; mean 0.
    assert out.metrics["sortino"] == pytest.approx(0.0, abs=1e-12)
    assert out.metrics["max_drawdown"] == pytest.approx(0.1)
    assert out.metrics["ulcer"] == pytest.approx(math.sqrt(2 * 0.01 / 5))
    assert out.metrics["longest_drawdown_days"] == 2.0


def test_sharpe_is_annualised_with_ddof_one(trade):
    # Returns 0, .1, 0: mean 1/30, sample deviation .1/√3, ratio 1/√3 a day.
    out = trade(days(100, 110, 110), {0: "buy"}, timeframe=1440, cash=100.0)
    # The entry at bar 1's open (100), closed by the end at 110.
    assert out.calendar == 252
    assert out.metrics["sharpe"] == pytest.approx(math.sqrt(252 / 3), rel=1e-12)
    assert out.metrics["cagr"] == pytest.approx(1.1 ** (252 / 3) - 1, rel=1e-9)
    assert out.metrics["sortino"] is None
    assert out.reasons["sortino"] == "no losing day"
    assert out.reasons["calmar"] == "no drawdown"


def test_without_trades_every_ratio_is_none_with_a_reason(trade):
    out = trade(days(100, 101, 102, 103), {}, timeframe=1440)
    numbers = {name: value for name, value in out.metrics.items() if value is not None}
    assert numbers == {
        "trades": 0,
        "wins": 0,
        "losses": 0,
        "pnl": 0.0,
        "max_drawdown": 0.0,
        "cagr": 0.0,
        "ulcer": 0.0,
        "exposure": 0.0,
        "turnover": 0.0,
        "longest_drawdown_days": 0.0,
        "gross_profit": 0.0,
        "gross_loss": 0.0,
        "fees": 0.0,
        "days": 4,
        "final_equity": 10_000.0,
    }
    assert set(out.reasons) == set(METRICS) - set(numbers)
    assert out.reasons["sharpe"] == "the daily returns are constant"
    assert out.reasons["profit_factor"] == "no trades"


def test_the_metrics_are_plain_json(trade):
    out = trade(days(100, 105, 95, 100), {0: "buy", 1: "sell"}, timeframe=1440)
    text = json.dumps([out.metrics, out.reasons], allow_nan=False)
    assert json.loads(text)[0]["trades"] == 2


def test_trade_sums_follow_from_the_ledger(trade):
    bars = [FLAT, (100, 110, 100, 110), (110, 110, 104, 104), (104, 104, 100, 100), FLAT, FLAT]
    # long 100 → 110 (bar 2 open), short 110 → 104 (bar 3 open), long 104 → 100 (bar 4 open)
    out = trade(bars, {0: "buy", 1: "sell", 2: "buy", 3: "leave_long"}, cash=1000.0)
    m = out.metrics
    assert (m["trades"], m["wins"], m["losses"]) == (3, 2, 1)
    assert (m["gross_profit"], m["gross_loss"], m["pnl"]) == (16.0, 4.0, 12.0)
    assert m["profit_factor"] == 4.0
    assert m["win_rate"] == pytest.approx(2 / 3)
    assert m["expectancy"] == 4.0
    assert m["avg_trade"] == pytest.approx((10 / 100 + 6 / 110 - 4 / 104) / 3)
    assert m["turnover"] == pytest.approx((100 + 110 + 110 + 104 + 104 + 100) / 1000)
    assert m["exposure"] == 3 / 6


def test_a_trade_without_gain_is_a_loss(trade):
    out = trade([FLAT] * 5, {0: "buy", 2: "leave_long"})
    assert (out.metrics["wins"], out.metrics["losses"]) == (0, 1)
    assert out.metrics["profit_factor"] is None
    assert out.reasons["profit_factor"] == "no losing trade"


def test_drawdown_is_seen_inside_the_day(trade):
    bars = [FLAT, (100, 100, 90, 90), (90, 120, 90, 120), (120, 120, 120, 120)]
    out = trade(bars, {0: "buy"}, cash=100.0)  # four hours of one day
    assert out.metrics["max_drawdown"] == pytest.approx(0.1)
    assert len(out.day_equity) == 1
    assert out.metrics["ulcer"] == 0.0


def test_one_day_has_no_sharpe(trade):
    out = trade([FLAT] * 4, {0: "buy"})
    assert out.reasons["sharpe"] == "fewer than two days"


def test_weekend_days_make_a_calendar_of_365(make_bars):
    every_day = make_bars([FLAT] * 40, timeframe=1440)
    assert infer_calendar(every_day) == 365
    assert infer_calendar(make_bars([FLAT] * 10, timeframe=1440)) == 252


def test_weekdays_make_a_calendar_of_252(make_bars):
    from dataclasses import replace

    bars = make_bars([FLAT] * 40, timeframe=1440)
    # 2024-01-01 is a Monday: bars 5, 6, 12, 13 … are weekends.
    keep = [i for i in range(40) if i % 7 < 5]
    columns = {
        name: getattr(bars, name)[keep]
        for name in ("time", "open", "high", "low", "close", "volume", "day_end")
    }
    assert infer_calendar(replace(bars, **columns)) == 252
