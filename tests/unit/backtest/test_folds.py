"""Walk forward: windows, decisions, and what a missing fold does."""

import json

import numpy as np
import pytest

from foldward.backtest import walk_forward
from foldward.backtest.folds import decide
from foldward.contracts.errors import RequestError
from foldward.contracts.jobs import Costs, Strategy

DAY = 86_400
START = 1_704_067_200
FAST = Strategy(name="fast", kind="sma", params={"sma_short": 2, "sma_long": 4}, timeframe=240)


@pytest.fixture
def wave(make_bars):
    """600 four-hour bars: 100 days of a wave with a drift."""
    i = np.arange(600)
    close = 100 + 5 * np.sin(i / 9) + 2 * np.sin(i / 2.7) + i / 100
    opening = np.concatenate((close[:1], close[:-1]))
    high, low = np.maximum(opening, close) + 0.1, np.minimum(opening, close) - 0.1
    return make_bars(np.stack([opening, high, low, close], axis=1), timeframe=240)


def test_classic_holds_out_the_newest_fifth(wave):
    report = walk_forward(wave, FAST, {"mode": "classic"})
    fold = report["folds"][0]
    assert (fold["train"]["bars"], fold["test"]["bars"]) == (480, 120)
    assert fold["train"]["end"] == START + 479 * 14_400
    assert fold["test"] == {"start": START + 480 * 14_400, "end": START + 599 * 14_400, "bars": 120}
    assert (report["planned"], report["failed"], report["required_oos"]) == (1, 0, 0.0)
    assert report["is_sharpe"] == fold["is_sharpe"]
    assert report["oos_sharpe"] == fold["oos_sharpe"]


@pytest.mark.parametrize(("generation", "required"), [(0, 0.0), (1, 0.05), (10, 0.5), (40, 2.0), (400, 2.0)])
def test_later_generations_must_show_more(wave, generation, required):
    from msgspec.structs import replace

    report = walk_forward(wave, replace(FAST, generation=generation), {"mode": "classic"})
    assert report["required_oos"] == pytest.approx(required)


@pytest.mark.parametrize(
    ("oos", "required", "degradation", "decision"),
    [
        (1.0, 0.5, 0.2, "validated"),
        (0.5, 0.5, 0.2, "weak"),
        (1.0, 0.5, 0.5, "weak"),
        (1.0, 0.5, 0.7, "weak"),
        (1.0, 0.5, 0.71, "overfit"),
        (-1.0, 0.0, 3.0, "overfit"),
        (0.01, 0.0, 0.0, "validated"),
    ],
)
def test_the_decision_follows_its_three_numbers(oos, required, degradation, decision):
    assert decide(oos, required, degradation) == decision


def test_rolling_windows_tile_the_time_after_the_first_train_part(wave):
    report = walk_forward(wave, FAST, {"mode": "rolling", "train": "40d", "test": "20d"})
    spans = [(f["train"]["start"], f["test"]["start"], f["test"]["bars"]) for f in report["folds"]]
    assert spans == [
        (START, START + 40 * DAY, 120),
        (START + 20 * DAY, START + 60 * DAY, 120),
        (START + 40 * DAY, START + 80 * DAY, 120),
    ]
    assert report["folds"][-1]["test"]["end"] == START + 599 * 14_400
    assert [f["status"] for f in report["folds"]] == ["ok"] * 3


def test_anchored_train_parts_begin_at_the_first_bar(wave):
    plan = {"mode": "anchored", "train": 200, "test": 100, "purge": 3, "embargo": 2}
    report = walk_forward(wave, FAST, plan)
    assert [f["train"]["bars"] for f in report["folds"]] == [200, 300, 400, 500][: len(report["folds"])]
    assert {f["train"]["start"] for f in report["folds"]} == {START}
    assert report["folds"][0]["test"]["start"] == START + 205 * 14_400


def test_the_out_of_sample_curve_is_the_test_parts_one_after_another(wave):
    report = walk_forward(wave, FAST, {"mode": "rolling", "train": "40d", "test": "20d"})
    gains = [fold["oos_return"] for fold in report["folds"]]
    assert len(report["stitched"]) == 60
    assert report["stitched"][-1][1] == pytest.approx(10_000 * np.prod(1 + np.array(gains)), rel=1e-12)
    assert report["oos"]["return"] == pytest.approx(np.prod(1 + np.array(gains)) - 1, rel=1e-9)
    assert report["oos"]["trades"] == sum(fold["oos_trades"] for fold in report["folds"])


def test_a_grid_is_chosen_on_the_train_part_alone(wave):
    grid = {"sma_short": [2, 3, 5], "sma_long": [4, 8, 16]}
    plan = {"mode": "rolling", "train": "40d", "test": "20d", "grid": grid}
    report = walk_forward(wave, FAST, plan)
    assert report["candidates"] == 8  # 5/4 is refused by the kind
    singles = [
        walk_forward(wave, FAST, {**plan, "grid": {"sma_short": [s], "sma_long": [g]}})
        for s in (2, 3, 5)
        for g in (4, 8, 16)
        if s < g
    ]
    for index, fold in enumerate(report["folds"]):
        best = max(singles, key=lambda single: single["folds"][index]["is_sharpe"])["folds"][index]
        assert fold["params"] == best["params"]
        assert fold["is_sharpe"] == best["is_sharpe"]
        assert fold["oos_sharpe"] == best["oos_sharpe"]


def test_a_fold_without_bars_makes_the_verdict_invalid(wave):
    from dataclasses import replace

    keep = [i for i in range(600) if not 360 <= i < 480]  # the twenty days of the second test part
    columns = {
        name: getattr(wave, name)[keep]
        for name in ("time", "open", "high", "low", "close", "volume", "day_end")
    }
    report = walk_forward(replace(wave, **columns), FAST, {"mode": "rolling", "train": "40d", "test": "20d"})
    assert [fold["status"] for fold in report["folds"]] == ["ok", "missing", "ok"]
    assert (report["failed"], report["verdict"]) == (1, "INVALID")
    assert report["oos_sharpe"] is None
    assert report["decision"] is None
    assert report["stitched"] == []
    assert report["reasons"]["decision"] == "1 of 3 folds failed or have no bars"


def test_a_broken_run_makes_every_fold_invalid(wave):
    wave.close[550] = float("nan")
    report = walk_forward(wave, FAST, {"mode": "classic"})
    assert report["verdict"] == "INVALID"
    assert report["faults"]
    assert report["folds"][0]["oos_sharpe"] is None


def test_a_flat_test_part_leaves_the_decision_open(make_bars):
    flat = make_bars([(100, 100, 100, 100)] * 200, timeframe=240)
    report = walk_forward(flat, FAST, {"mode": "classic"})
    assert report["decision"] is None
    assert report["verdict"] == "OK"
    assert "no Sharpe ratio" in report["reasons"]["decision"]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"mode": "clasic"}, "mode is 'clasic'"),
        ({"mode": "classic", "train": "9d"}, "mode 'classic' has no train"),
        ({"mode": "rolling", "train": "9d"}, "needs test"),
        ({"mode": "rolling", "train": "9d", "tset": "9d"}, "did you mean 'test'?"),
        ({"mode": "rolling", "train": "900d", "test": "9d"}, "before the first test window"),
        ({"mode": "rolling", "train": 9, "test": "9d"}, "one is in bars"),
        ({"mode": "classic", "grid": {}}, "it is a table"),
        ({"mode": "classic", "grid": {"sma_short": 5}}, "it is a list"),
        ({"mode": "classic", "grid": {"sma_short": []}}, "has no values"),
        ({"mode": "classic", "grid": {"sma_shrot": [1]}}, "did you mean 'sma_short'?"),
        ({"mode": "classic", "grid": {"sma_short": [9]}}, "no combination of the grid is allowed"),
        ({"grid": {"sma_short": [*range(101)], "sma_long": [*range(101)]}}, "the limit is 10,000"),
        ([], "a plan is a table"),
    ],
)
def test_an_impossible_plan_is_refused_with_a_way_out(wave, plan, words):
    with pytest.raises(RequestError) as caught:
        walk_forward(wave, FAST, plan)
    assert caught.value.code == "request.bad_plan"
    assert words in caught.value.message


def test_the_peer_profile_has_no_splits(wave):
    from msgspec.structs import replace

    with pytest.raises(RequestError, match="next_open"):
        walk_forward(wave, replace(FAST, profile="peer", params={}), {"mode": "classic"})


def test_the_report_is_plain_json_and_repeatable(wave):
    plan = {"mode": "rolling", "train": "40d", "test": "20d"}
    first, again = walk_forward(wave, FAST, plan), walk_forward(wave, FAST, plan)
    assert json.dumps(first, allow_nan=False) == json.dumps(again, allow_nan=False)
    assert first["digest"].startswith("sha256:")


def test_a_ruined_fold_has_no_sharpe_and_leaves_the_decision_open(wave):
    from msgspec.structs import replace

    poor = replace(FAST, cash=100.0, costs=Costs(commission_bps=2000))
    report = walk_forward(wave, poor, {"mode": "classic"})
    fold = report["folds"][0]
    assert fold["is_return"] <= -1.0
    assert fold["is_sharpe"] is None
    assert report["decision"] is None
    assert report["verdict"] == "OK"
    assert report["stitched"][-1][1] <= 0.0
    walk = walk_forward(wave, poor, {"mode": "rolling", "train": "40d", "test": "20d"})
    assert [point[1] <= 0.0 for point in walk["stitched"]].index(True) == len(walk["stitched"]) - 1
