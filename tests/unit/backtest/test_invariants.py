"""A ledger that was tampered with is caught: the run is INVALID and has no number."""

from dataclasses import replace

import numpy as np
import pytest

from foldward.backtest import _kernels as k
from foldward.backtest import engine
from foldward.backtest._signals import flags
from foldward.backtest.engine import prepare, run
from foldward.backtest.invariants import check_ledger, check_status
from foldward.contracts.jobs import Costs, Strategy

ROWS = [(100, 100, 100, 100), (101, 103, 100, 102), (104, 106, 103, 105), (107, 108, 106, 107)] * 2


def tables(make_bars):
    """A sound run of two trades: bars 1 to 3 and 5 to 6, the second one reversed into a third."""
    bars = make_bars(ROWS)
    prepared = prepare(bars, Strategy(name="s", kind="sma", sl=50.0, costs=Costs(commission_bps=10)))
    wishes = np.zeros(8, dtype=np.uint8)
    wishes[[0, 2, 4, 5]] = [k.LONG_ENTRY, k.LONG_EXIT, k.LONG_ENTRY, k.SHORT_ENTRY]
    prepared = replace(prepared, signals=flags(wishes), warmup=0)
    trades, days, status, _ = engine.trade(prepared, 0, 8)
    assert (status, len(trades)) == (k.OK, 3)
    return bars, prepared, trades, days


def test_a_sound_ledger_has_no_fault(make_bars):
    bars, prepared, trades, days = tables(make_bars)
    faults, sums = check_ledger(bars, trades, days, 0, 8, prepared.settings)
    assert faults == ()
    assert sums[k.P_TRADES].sum() == 3


@pytest.mark.parametrize(
    ("row", "trade", "value", "words"),
    [
        (k.T_PNL, 0, 99.0, "P&L that is not its prices and fees"),
        (k.T_PNL, 1, float("nan"), "NaN"),
        (k.T_RAW_ENTRY, 0, 100.5, "not opened at its bar's open"),
        (k.T_RAW_EXIT, 0, 106.5, "closed at a price that its reason does not give"),
        (k.T_RAW_EXIT, 2, 500.0, "closed at a price that its reason does not give"),
        (k.T_ENTRY, 1, 2.0, "starts before the one before it has ended"),
        (k.T_ENTRY, 0, 0.0, "outside the window's bars"),
        (k.T_EXIT, 2, 8.0, "outside the window's bars"),
        (k.T_EXIT, 0, 1.0, "ends by a signal in the bar it was opened in"),
        (k.T_SIDE, 0, 0.0, "outside the window's bars"),
        (k.T_REASON, 0, 9.0, "closed at a price that its reason does not give"),
        (k.T_REASON, 0, float(k.REASON_STOP), "closed at a price that its reason does not give"),
        (k.T_SWAP, 0, 1.0, "P&L that is not its prices and fees"),
    ],
)
def test_every_broken_rule_is_named(make_bars, row, trade, value, words):
    bars, prepared, trades, days = tables(make_bars)
    trades[trade, row] = value
    faults, _ = check_ledger(bars, trades, days, 0, 8, prepared.settings)
    assert len(faults) == 1
    assert words in faults[0].message
    assert faults[0].code in ("engine.invariant", "engine.not_finite")


def test_equity_that_is_not_the_trades_sum_is_caught(make_bars):
    bars, prepared, trades, days = tables(make_bars)
    days[k.D_CUM, -1] += 0.01
    faults, _ = check_ledger(bars, trades, days, 0, 8, prepared.settings)
    assert faults[0].message == "the trades' P&L is not the change of equity"


def test_a_missing_trade_is_caught(make_bars):
    bars, prepared, trades, days = tables(make_bars)
    faults, _ = check_ledger(bars, trades[1:].copy(), days, 0, 8, prepared.settings)
    assert faults[0].message == "the trades' P&L is not the change of equity"


def test_each_status_of_the_kernel_has_its_fault(make_bars):
    bars = make_bars(ROWS)
    assert check_status(bars, k.OK, -1) == check_status(bars, k.RUINED, 3) == ()
    assert check_status(bars, k.NOT_FINITE, 3)[0].code == "engine.not_finite"
    for status in (k.BAD_FILL, k.BAD_ACCOUNT, k.BAD_PRICE):
        assert "at bar 3 (Unix time 1704078000)" in check_status(bars, status, 3)[0].message


def test_candles_with_a_hole_make_the_run_invalid_and_numberless(trade, make_bars):
    bars = make_bars([(100, 100, 100, 100)] * 6)
    bars.close[3] = float("nan")
    out = trade(bars, {0: "buy"})
    assert out.verdict == "INVALID"
    assert out.faults[0].code == "engine.not_finite"
    assert set(out.metrics.values()) == {None}
    assert set(out.reasons) == set(out.metrics)
    assert len(out.trades) == len(out.blocks) == 0


def test_an_open_outside_its_bar_makes_the_run_invalid(trade):
    out = trade([(100, 100, 100, 100), (105, 101, 99, 100), (100, 100, 100, 100)], {0: "buy"})
    assert out.verdict == "INVALID"
    assert "a fill lies outside its bar" in out.faults[0].message


def test_a_slippage_beyond_the_price_makes_the_run_invalid(trade):
    out = trade([(1, 1, 1, 1)] * 4, {0: "sell"}, costs=Costs(slippage=2.0))
    assert "not positive after costs" in out.faults[0].message


def test_an_invalid_run_has_a_digest_of_its_own(trade, make_bars):
    bars = make_bars([(100, 100, 100, 100)] * 6)
    sound = trade(bars, {0: "buy"})
    broken = make_bars([(100, 100, 100, 100)] * 6)
    broken.close[3] = float("nan")
    assert trade(broken, {0: "buy"}).digest != sound.digest


def test_a_broken_kernel_never_yields_a_number(monkeypatch, make_bars):
    honest = k.simulate

    def broken(*args):
        trades, days, status, where = honest(*args)
        trades[:, k.T_PNL] *= 1.5
        return trades, days, status, where

    monkeypatch.setattr(engine.k, "simulate", broken)
    _, prepared, _, _ = tables(make_bars)
    out = run(prepared, 0, 8)
    assert out.verdict == "INVALID"
    assert out.metrics["pnl"] is None
