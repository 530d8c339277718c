"""Where and at what price positions open and close (profile next_open), with numbers a person can check."""

import pytest

from foldward.backtest import trade_list
from foldward.backtest.blocks import fold
from foldward.contracts.jobs import Costs, Swap

FLAT = (100.0, 100.0, 100.0, 100.0)


def rows(outcome):
    return [
        (int(t["entry_bar"]), int(t["exit_bar"]), float(t["raw_entry"]), float(t["raw_exit"]))
        for t in outcome.trades
    ]


def why(outcome):
    return [row["reason"] for row in trade_list(outcome.trades)[0]]


def test_a_decision_fills_at_the_next_open(trade):
    bars = [FLAT, (101, 103, 100, 102), (104, 106, 103, 105), (107, 108, 106, 107), FLAT]
    out = trade(bars, {0: "buy", 2: "leave_long"})
    assert rows(out) == [(1, 3, 101.0, 107.0)]
    assert out.metrics["pnl"] == 6.0
    assert why(out) == ["signal"]
    assert out.verdict == "OK"


def test_a_decision_on_the_last_bar_is_never_filled(trade):
    out = trade([FLAT, FLAT, FLAT], {2: "buy"})
    assert len(out.trades) == 0
    assert out.metrics["pnl"] == 0.0


def test_a_short_earns_what_the_price_falls(trade):
    bars = [FLAT, (100, 101, 97, 98), (96, 97, 94, 95), FLAT]
    out = trade(bars, {0: "sell", 1: "leave_short"}, units=3.0)
    assert rows(out) == [(1, 2, 100.0, 96.0)]
    assert out.metrics["pnl"] == 12.0
    assert [t["direction"] for t in trade_list(out.trades)[0]] == ["short"]


def test_a_reversal_closes_then_opens_at_the_same_open(trade):
    bars = [FLAT, (100, 101, 99, 100), (102, 103, 101, 102), (101, 101, 100, 100), FLAT]
    out = trade(bars, {0: "buy", 1: "sell", 2: "leave_short"})
    assert rows(out) == [(1, 2, 100.0, 102.0), (2, 3, 102.0, 101.0)]
    assert why(out) == ["reverse", "signal"]
    assert out.metrics["pnl"] == 3.0


def test_a_stop_works_in_the_entry_bar(trade):
    out = trade([FLAT, (100, 101, 97, 99), FLAT], {0: "buy"}, sl=2.0)
    assert rows(out) == [(1, 1, 100.0, 98.0)]
    assert why(out) == ["stop"]


def test_a_target_works_in_the_entry_bar(trade):
    out = trade([FLAT, (100, 104, 99, 99), FLAT], {0: "buy"}, tp="3%")
    assert rows(out) == [(1, 1, 100.0, 103.0)]
    assert why(out) == ["target"]


def test_both_levels_touched_in_one_bar_count_as_the_stop(trade):
    bars = [FLAT, (100, 100.5, 99.5, 100), (100, 105, 95, 100), FLAT]
    out = trade(bars, {0: "buy"}, sl=2.0, tp=2.0)
    assert rows(out) == [(1, 2, 100.0, 98.0)]
    assert why(out) == ["stop"]


def test_both_levels_touched_by_a_short_count_as_the_stop(trade):
    bars = [FLAT, (100, 100.5, 99.5, 100), (100, 105, 95, 100), FLAT]
    out = trade(bars, {0: "sell"}, sl=2.0, tp=2.0)
    assert rows(out) == [(1, 2, 100.0, 102.0)]
    assert why(out) == ["stop"]


def test_a_gap_through_the_stop_fills_at_the_open(trade):
    bars = [FLAT, (100, 100.5, 99.5, 100), (95, 96, 94, 95), FLAT]
    out = trade(bars, {0: "buy"}, sl=2.0)
    assert rows(out) == [(1, 2, 100.0, 95.0)]
    assert why(out) == ["stop"]


def test_a_gap_through_the_target_fills_at_the_better_open(trade):
    bars = [FLAT, (100, 100.5, 99.5, 100), (106, 107, 90, 95), FLAT]
    out = trade(bars, {0: "buy"}, sl=2.0, tp=3.0)
    assert rows(out) == [(1, 2, 100.0, 106.0)]
    assert why(out) == ["target"]


def test_a_short_gap_through_the_stop_fills_at_the_open(trade):
    bars = [FLAT, (100, 100.5, 99.5, 100), (105, 106, 104, 105), FLAT]
    out = trade(bars, {0: "sell"}, sl=2.0)
    assert rows(out) == [(1, 2, 100.0, 105.0)]


def test_the_stop_hangs_on_the_fill_by_default(trade):
    bars = [FLAT, (104, 105, 103.5, 104), (104, 104, 101, 103), FLAT]
    out = trade(bars, {0: "buy"}, sl=2.0)
    assert rows(out) == [(1, 2, 104.0, 102.0)]


def test_the_stop_can_hang_on_the_signal_bar(trade):
    bars = [FLAT, (104, 105, 103.5, 104), (104, 104, 101, 103), (100, 100, 97, 99), FLAT]
    out = trade(bars, {0: "buy"}, sl=2.0, stop_anchor="signal")
    assert rows(out) == [(1, 3, 104.0, 98.0)]


def test_a_signal_anchored_stop_already_passed_fills_at_the_entry_open(trade):
    bars = [FLAT, (95, 96, 94, 95), FLAT]
    out = trade(bars, {0: "buy"}, sl=2.0, stop_anchor="signal")
    assert rows(out) == [(1, 1, 95.0, 95.0)]
    assert why(out) == ["stop"]


def test_an_atr_stop_waits_until_the_range_is_known(trade):
    # True range is 2 in every bar; the average over 2 of them is known from bar 2 on.
    bars = [(100, 101, 99, 100)] * 6
    out = trade(bars, {0: "buy", 2: "buy"}, sl="0.5atr", atr_period=2)
    assert rows(out) == [(3, 3, 100.0, 99.0)]


def test_the_last_position_is_closed_at_the_last_close_with_full_cost(trade):
    bars = [FLAT, (100, 101, 99, 100), (100, 106, 100, 105)]
    out = trade(bars, {0: "buy"}, costs=Costs(commission_bps=10))
    assert rows(out) == [(1, 2, 100.0, 105.0)]
    assert why(out) == ["end"]
    assert trade_list(out.trades)[0][0]["open_at_end"] is True
    assert out.metrics["pnl"] == pytest.approx(5.0 - 0.1 - 0.105, abs=1e-12)
    assert "closed by the end of the window" in " ".join(out.notes)


def test_an_entry_on_the_last_bar_closes_at_its_own_close(trade):
    out = trade([FLAT, FLAT, (100, 104, 99, 103)], {1: "buy"})
    assert rows(out) == [(2, 2, 100.0, 103.0)]
    assert out.metrics["pnl"] == 3.0


def test_spread_slippage_and_commission_are_charged_on_both_sides(trade):
    bars = [FLAT, (100, 101, 99, 100), (110, 111, 109, 110), FLAT]
    costs = Costs(commission_bps=100, spread=0.2, slippage=0.1)
    out = trade(bars, {0: "buy", 1: "leave_long"}, costs=costs, units=2.0)
    row = trade_list(out.trades)[0][0]
    assert row["entry_price"] == pytest.approx(100.2)
    assert row["exit_price"] == pytest.approx(109.8)
    assert row["commission"] == pytest.approx(2.004 + 2.196)
    assert row["friction"] == pytest.approx(0.8)
    assert row["pnl"] == pytest.approx(2 * 9.6 - 4.2)
    assert out.metrics["fees"] == pytest.approx(5.0)


def test_levels_are_measured_from_the_market_so_that_costs_move_no_fill(trade):
    bars = [FLAT, (100, 101, 97.9, 99), FLAT]
    cheap = trade(bars, {0: "buy"}, sl=2.0)
    dear = trade(bars, {0: "buy"}, sl=2.0, costs=Costs(spread=1.0))
    assert rows(cheap) == rows(dear) == [(1, 1, 100.0, 98.0)]


def test_long_only_ignores_short_entries(trade):
    bars = [FLAT] * 6
    out = trade(bars, {0: "sell", 2: "buy", 3: "sell"}, direction="long")
    assert [t["direction"] for t in trade_list(out.trades)[0]] == ["long"]
    assert why(out) == ["end"]


def test_short_only_ignores_long_entries(trade):
    out = trade([FLAT] * 6, {0: "buy", 2: "sell", 3: "leave_short"}, direction="short")
    assert rows(out) == [(3, 4, 100.0, 100.0)]


def test_an_entry_in_the_direction_already_held_changes_nothing(trade):
    out = trade([FLAT] * 6, {0: "buy", 1: "buy", 2: "buy", 3: "leave_long"})
    assert rows(out) == [(1, 4, 100.0, 100.0)]


def test_long_wins_when_a_bar_wishes_both(trade):
    out = trade([FLAT] * 4, {0: "buy sell", 1: "buy sell"})
    assert [t["direction"] for t in trade_list(out.trades)[0]] == ["long"]


def test_a_window_opens_nothing_on_its_first_bar(trade):
    out = trade([FLAT] * 8, {2: "buy", 4: "buy"}, lo=3)
    assert rows(out) == [(5, 7, 100.0, 100.0)]


def test_a_window_is_flat_at_its_end(trade):
    bars = [FLAT, FLAT, (100, 101, 99, 101), (101, 103, 101, 103), (200, 200, 200, 200)]
    out = trade(bars, {0: "buy"}, hi=4)
    assert rows(out) == [(1, 3, 100.0, 103.0)]
    assert (out.window.start, out.window.end, out.window.bars) == (1_704_067_200, 1_704_078_000, 4)


def test_a_swap_is_charged_for_every_night_held(trade):
    bars = [FLAT] * 60  # hourly from Monday midnight: midnights at bars 24 and 48
    costs = Costs(commission_bps=1, swap_long=-0.5, swap_short=0.25)
    held = trade(bars, {0: "buy", 49: "leave_long"}, costs=costs, units=2.0)
    assert held.trades["swap"].tolist() == [-2.0]
    short = trade(bars, {0: "sell", 30: "leave_short"}, costs=costs, units=2.0)
    assert short.trades["swap"].tolist() == [0.5]
    day = trade(bars, {0: "buy", 20: "leave_long"}, costs=costs)
    assert day.trades["swap"].tolist() == [0.0]


def test_an_exit_at_the_open_after_midnight_pays_for_the_night(trade):
    bars = [FLAT] * 30
    out = trade(bars, {0: "buy", 23: "leave_long"}, costs=Costs(swap_long=-0.5))
    assert (rows(out), out.trades["swap"].tolist()) == ([(1, 24, 100.0, 100.0)], [-0.5])


def test_swap_history_overrides_the_constant_rate_from_its_time_on(trade):
    bars = [FLAT] * 60
    history = [Swap(t=1_704_067_200 + 40 * 3600, sl=-0.125, ss=0.0)]
    out = trade(bars, {0: "buy", 50: "leave_long"}, costs=Costs(swap_long=-0.5), swaps=history)
    assert out.trades["swap"].tolist() == [-0.625]


def test_ruin_ends_the_run_at_the_close_that_lost_the_equity(trade):
    bars = [FLAT, (100, 100, 90, 90), (80, 80, 40, 40), (300, 300, 300, 300)]
    out = trade(bars, {0: "buy"}, units=2.0, cash=100.0)
    assert rows(out) == [(1, 2, 100.0, 40.0)]
    assert why(out) == ["ruin"]
    assert out.metrics["final_equity"] == -20.0
    assert out.metrics["max_drawdown"] == pytest.approx(1.2)
    assert out.metrics["sharpe"] is None
    assert out.reasons["sharpe"] == "the equity fell to zero or below"
    assert any("ruined" in note for note in out.notes)


def test_the_drawdown_of_a_ruined_run_is_the_fall_from_its_highest_peak(trade):
    # 100 → 40 at the end of the first day → −20 on the second: 120 of 100, not 60 of the second day's 40.
    bars = [FLAT] * 22 + [(100, 100, 70, 70)] + [(70, 70, 70, 70)] + [(70, 70, 40, 40)]
    out = trade(bars, {20: "buy"}, units=2.0, cash=100.0)
    assert out.metrics["final_equity"] == -20.0
    assert out.metrics["max_drawdown"] == pytest.approx(1.2)
    assert fold(out.blocks).drawdown == pytest.approx(1.2)
