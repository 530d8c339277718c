"""Sensitivity to costs, delay and neighbouring parameters; many windows in one call."""

import numpy as np
import pytest
from msgspec.structs import replace

from foldward.backtest import cpcv, sensitivity, simulate, simulate_windows, walk_forward
from foldward.backtest.robust import neighbours
from foldward.contracts.jobs import Costs, Strategy

START = 1_704_067_200
FAST = Strategy(name="fast", kind="sma", params={"sma_short": 3, "sma_long": 10}, timeframe=240)


@pytest.fixture
def wave(make_bars):
    i = np.arange(480)
    close = 100 + 5 * np.sin(i / 9) + 2 * np.sin(i / 2.7)
    opening = np.concatenate((close[:1], close[:-1]))
    high, low = np.maximum(opening, close) + 0.1, np.minimum(opening, close) - 0.1
    return make_bars(np.stack([opening, high, low, close], axis=1), timeframe=240)


def test_neighbours_are_one_step_away_in_one_parameter():
    assert neighbours("sma", {"sma_short": 3, "sma_long": 10}, 0.1) == [
        {"sma_short": 2, "sma_long": 10},
        {"sma_short": 4, "sma_long": 10},
        {"sma_short": 3, "sma_long": 9},
        {"sma_short": 3, "sma_long": 11},
    ]
    assert [p["band_mult"] for p in neighbours("bb", {"period": 2, "band_mult": 2.0}, 0.1)] == [2.0, 1.8, 2.2]


def test_costs_take_their_multiple_and_the_delay_is_a_bar(wave):
    report = sensitivity(wave, FAST)
    base = simulate(wave, FAST).metrics
    assert report["verdict"] == "OK"
    assert [row["factor"] for row in report["costs"]] == [1.0, 2.0, 3.0]
    assert report["costs"][0]["pnl"] == base["pnl"]
    dear = simulate(wave, replace(FAST, costs=Costs(commission_bps=3))).metrics
    assert report["costs"][2]["sharpe"] == dear["sharpe"]
    assert report["delay"]["sharpe"] != base["sharpe"]
    assert len(report["neighbours"]) == len(report["neighbour_params"]) == 4
    near = simulate(wave, replace(FAST, params={"sma_short": 2, "sma_long": 10})).metrics["sharpe"]
    assert report["neighbours"][0] == pytest.approx(near / np.sqrt(365))


def test_a_neighbour_beyond_the_kinds_rules_is_left_out(wave):
    edge = replace(FAST, params={"sma_short": 9, "sma_long": 10})
    report = sensitivity(wave, edge)
    assert report["neighbour_params"] == [{"sma_short": 8, "sma_long": 10}, {"sma_short": 9, "sma_long": 11}]


def test_a_broken_strategy_has_no_sensitivity(wave):
    wave.close[300] = float("nan")
    report = sensitivity(wave, FAST)
    assert (report["verdict"], report["costs"], report["delay"]) == ("INVALID", [], None)


def test_many_windows_equal_each_alone(wave):
    spans = [(None, None), (START + 86_400 * 20, None), (START + 86_400 * 30, START + 86_400 * 60)]
    many = simulate_windows(wave, FAST, spans)
    assert [out.digest for out in many] == [simulate(wave, FAST, *span).digest for span in spans]


def test_folds_and_groups_inside_a_window_still_warm_up_before_it(wave):
    start, end = START + 86_400 * 20, START + 86_400 * 70 - 1
    report = walk_forward(wave, FAST, {"mode": "classic"}, start=start, end=end)
    fold = report["folds"][0]
    assert (fold["train"]["start"], fold["train"]["bars"], fold["test"]["bars"]) == (start, 240, 60)
    alone = simulate(wave, FAST, start=fold["test"]["start"], end=fold["test"]["end"])
    assert fold["oos_sharpe"] == pytest.approx(alone.metrics["sharpe"], rel=1e-12)
    groups = cpcv(wave, FAST, {"groups": 5, "test_groups": 1}, start=start, end=end)["groups"]
    assert [group["bars"] for group in groups] == [60] * 5
    assert groups[0]["start"] == start
