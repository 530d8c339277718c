"""Folds, test sets and paths against the long way: every window simulated alone, returns put together."""

import numpy as np
import pytest
from msgspec.structs import replace

from foldward.backtest import cpcv, simulate, walk_forward
from foldward.contracts.jobs import Costs, Strategy
from foldward.data.bars import NS, Bars, day_ends
from foldward.splits import CombinatorialPurged
from foldward.stats import max_drawdown, sharpe_ratio

RULE = Strategy(
    name="r",
    kind="sma",
    params={"sma_short": 3, "sma_long": 12},
    sl="1%",
    tp="2atr",
    costs=Costs(commission_bps=2, spread=0.01, swap_long=-0.002, swap_short=0.001),
)
GRID = {"sma_short": [2, 4], "sma_long": [8, 16, 32]}


@pytest.fixture(scope="module")
def bars():
    n = 2400
    rng = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.004, n)))
    opening = np.concatenate((close[:1], close[:-1])) * (1 + rng.normal(0, 0.001, n))
    reach = np.abs(rng.normal(0, 0.002, n)) * close
    time = (1_704_067_200 + 3600 * np.arange(n, dtype=np.int64)) * NS
    return Bars(
        time=time,
        open=opening,
        high=np.maximum(opening, close) + reach,
        low=np.minimum(opening, close) - reach,
        close=close,
        volume=np.ones(n),
        day_end=day_ends(time),
        timeframe=60,
    )


def alone(bars, rule, lo, hi):
    """The window's own backtest."""
    at = bars.time // NS
    return simulate(bars, rule, start=int(at[lo]), end=int(at[hi - 1]), calendar=365)


def returns(outcome):
    return outcome.blocks["ret"]


def test_every_fold_equals_its_windows_alone(bars):
    plan = {"mode": "rolling", "train": "20d", "test": "10d", "step": "10d", "purge": 6, "embargo": 3}
    report = walk_forward(bars, RULE, plan, calendar=365)
    assert report["planned"] == 8
    for fold in report["folds"]:
        for part, side in (("train", "is"), ("test", "oos")):
            spanned = fold[part]
            out = simulate(bars, RULE, start=spanned["start"], end=spanned["end"], calendar=365)
            assert out.window.bars == spanned["bars"]
            assert fold[f"{side}_sharpe"] == pytest.approx(out.metrics["sharpe"], rel=1e-11)
            assert fold[f"{side}_trades"] == out.metrics["trades"]
            assert fold[f"{side}_pnl"] == pytest.approx(out.metrics["pnl"], rel=1e-11)
            assert fold[f"{side}_max_drawdown"] == pytest.approx(out.metrics["max_drawdown"], rel=1e-11)
            assert fold[f"{side}_win_rate"] == out.metrics["win_rate"]
            assert fold[f"{side}_profit_factor"] == pytest.approx(out.metrics["profit_factor"], rel=1e-11)


def test_a_test_set_is_its_groups_one_after_another(bars):
    report = cpcv(bars, RULE, {"groups": 6, "test_groups": 2}, calendar=365)
    groups = CombinatorialPurged(6, 2).groups(len(bars), bars.day_end)
    each = [alone(bars, RULE, lo, hi) for lo, hi in groups]
    for unit in report["units"]:
        joined = np.concatenate([returns(each[group]) for group in unit["groups"]])
        assert unit["sharpe"] == pytest.approx(sharpe_ratio(joined, 365), rel=1e-10)
        assert unit["trades"] == sum(each[group].metrics["trades"] for group in unit["groups"])
        assert unit["return"] == pytest.approx(np.prod(1 + joined) - 1, rel=1e-9)
        # Daily closes cannot show more than every close does.
        daily = max_drawdown(np.concatenate(([1.0], np.cumprod(1 + joined))))
        assert unit["max_drawdown"] >= daily - 1e-15


def test_each_split_learns_on_its_purged_train_part_alone(bars):
    plan = {"groups": 5, "test_groups": 2, "purge": 12, "embargo": 12, "grid": GRID}
    report = cpcv(bars, RULE, plan, calendar=365)
    folds = list(CombinatorialPurged(5, 2, purge=12, embargo=12).ranges(len(bars), bars.day_end))
    for pick, fold in zip(report["picks"], folds, strict=True):
        scores = {}
        for short in GRID["sma_short"]:
            for long in GRID["sma_long"]:
                rule = replace(RULE, params={"sma_short": short, "sma_long": long})
                joined = np.concatenate([returns(alone(bars, rule, lo, hi)) for lo, hi in fold.train])
                scores[short, long] = sharpe_ratio(joined, 365)
        best = max(scores, key=scores.get)
        assert (pick["params"]["sma_short"], pick["params"]["sma_long"]) == best
        assert pick["train_sharpe"] == pytest.approx(scores[best], rel=1e-10)


def test_the_stitched_curve_ends_where_the_test_parts_lead(bars):
    report = walk_forward(bars, RULE, {"mode": "anchored", "train": 600, "test": 300}, calendar=365)
    growth = 1.0
    for fold in report["folds"]:
        out = simulate(bars, RULE, start=fold["test"]["start"], end=fold["test"]["end"], calendar=365)
        growth *= out.metrics["final_equity"] / RULE.cash
    assert report["stitched"][-1][1] == pytest.approx(RULE.cash * growth, rel=1e-12)
    assert report["stitched"][-1][0] == bars.last()
