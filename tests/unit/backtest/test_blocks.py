"""Blocks: the numbers of two days combine to those of both."""

import numpy as np
import pytest

from foldward.backtest import Block, combine
from foldward.backtest.blocks import EMPTY, combine_all, fold

UP = Block(days=1, s1=0.1, s2=0.01, gain=0.1, top=0.2, bottom=-0.05, drawdown=0.1, trades=2, wins=1)
DOWN = Block(days=1, s1=-0.2, s2=0.04, down2=0.04, gain=-0.2, bottom=-0.3, drawdown=0.3, trades=1)


def test_growth_multiplies_and_sums_add():
    both = combine(UP, DOWN)
    assert both.gain == pytest.approx(1.1 * 0.8 - 1)
    assert (both.days, both.trades, both.wins) == (2, 3, 1)
    assert both.s1 == pytest.approx(-0.1)


def test_drawdown_reaches_across_the_border():
    # Peak 1.2 in the first day, trough 1.1 · 0.7 = 0.77 in the second: 1 − 0.77 / 1.2.
    assert combine(UP, DOWN).drawdown == pytest.approx(1 - 0.77 / 1.2)
    assert combine(DOWN, UP).drawdown == pytest.approx(0.3)


def test_peak_and_trough_are_relative_to_the_start():
    both = combine(UP, DOWN)
    assert both.top == pytest.approx(0.2)
    assert both.bottom == pytest.approx(0.77 - 1)


def test_nothing_is_the_neutral_element():
    assert combine(EMPTY, UP) == UP == combine(UP, EMPTY)
    assert combine_all([]) == EMPTY


def test_nothing_grows_from_ruin():
    lost = Block(days=1, s1=-1.2, gain=-1.2, bottom=-1.2, drawdown=1.2)
    twice = combine(combine(UP, lost), lost)
    assert twice.ruined()
    assert twice.gain == pytest.approx(1.1 * -0.2 - 1)
    assert twice == combine(UP, combine(lost, lost))
    assert (twice.days, twice.sharpe(252)) == (3, None)


def test_ruin_is_a_fall_from_the_highest_peak():
    # From a peak of 1.2 to 1.1 · −0.2 = −0.22; the last day alone would say 1.2.
    lost = Block(days=1, s1=-1.2, gain=-1.2, bottom=-1.2, drawdown=1.2)
    assert combine(UP, lost).drawdown == pytest.approx((1.2 + 0.22) / 1.2)
    # A day that rises to 1.5 before it loses all: from 1.1 · 1.5 = 1.65.
    late = Block(days=1, s1=-1.2, gain=-1.2, top=0.5, bottom=-1.2, drawdown=1.7 / 1.5)
    assert combine(UP, late).drawdown == pytest.approx((1.65 + 0.22) / 1.65)
    thrice = combine(combine(UP, DOWN), late).drawdown
    assert thrice == pytest.approx(combine(UP, combine(DOWN, late)).drawdown)


def test_an_empty_table_is_nothing(trade):
    out = trade([(100, 100, 100, 100)] * 3, {})
    assert fold(out.blocks[:0]) == EMPTY


def test_undefined_ratios_are_none():
    assert EMPTY.sharpe(252) is None
    assert EMPTY.sortino(252) is None
    assert EMPTY.profit_factor() is None
    assert EMPTY.win_rate() is None
    assert Block(days=3, s1=0.3, s2=0.03).sharpe(252) is None  # three equal returns
    assert Block(days=2, s1=-1.0, s2=0.6, gain=-1.0, down2=0.6).sharpe(252) is None  # nothing left


def test_the_days_of_a_run_fold_to_the_run(trade):
    rows = [(100 + i % 5, 108, 92, 100 + (i + 1) % 5) for i in range(30)]
    out = trade(rows, {0: "buy", 5: "sell", 11: "buy", 20: "leave_long"}, timeframe=240, cash=500.0)
    whole = fold(out.blocks)
    assert whole.pnl == pytest.approx(out.metrics["pnl"])
    assert whole.drawdown == pytest.approx(out.metrics["max_drawdown"])
    assert whole.sharpe(out.calendar) == pytest.approx(out.metrics["sharpe"])
    assert whole.gain == pytest.approx(out.metrics["final_equity"] / 500 - 1)
    assert whole.trades == out.metrics["trades"]
    assert np.array_equal(out.blocks["bars"], [6, 6, 6, 6, 6])


def test_the_probabilistic_sharpe_is_that_of_the_returns(trade):
    from foldward.stats import probabilistic_sharpe_ratio

    rows = [(100 + i % 5, 108, 92, 100 + (i + 1) % 5) for i in range(60)]
    out = trade(rows, {0: "buy", 15: "sell", 31: "buy", 50: "leave_long"}, timeframe=240, cash=500.0)
    r = out.blocks["ret"]
    d = r - r.mean()
    skew, kurtosis = (d**3).mean() / d.std() ** 3, (d**4).mean() / d.std() ** 4
    expected = probabilistic_sharpe_ratio(r.mean() / r.std(ddof=1), 0.0, len(r), skew, kurtosis)
    assert fold(out.blocks).probabilistic_sharpe() == pytest.approx(expected, rel=1e-9)
    assert EMPTY.probabilistic_sharpe() is None
