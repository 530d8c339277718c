"""CPCV: what varies for a fixed rule, what a chosen rule's paths are, and the gates."""

import itertools
import json
import math

import numpy as np
import pytest

from foldward.backtest import cpcv
from foldward.backtest.blocks import Block
from foldward.backtest.combinatorial import _passes, _pbo
from foldward.contracts.errors import RequestError
from foldward.contracts.jobs import Strategy

FAST = Strategy(name="fast", kind="sma", params={"sma_short": 2, "sma_long": 4}, timeframe=240)
GRID = {"sma_short": [2, 3], "sma_long": [4, 8, 16]}


@pytest.fixture
def wave(make_bars):
    i = np.arange(720)
    close = 100 + 5 * np.sin(i / 9) + 2 * np.sin(i / 2.7) + i / 100
    opening = np.concatenate((close[:1], close[:-1]))
    high, low = np.maximum(opening, close) + 0.1, np.minimum(opening, close) - 0.1
    return make_bars(np.stack([opening, high, low, close], axis=1), timeframe=240)


def test_ten_groups_taken_two_at_a_time_give_45_splits_and_9_paths(wave):
    report = cpcv(wave, FAST, {"groups": 10, "test_groups": 2})
    assert (report["splits"], report["paths"]) == (45, 9)
    assert report["basis"] == "test_sets"
    assert [unit["groups"] for unit in report["units"][:3]] == [[0, 1], [0, 2], [0, 3]]
    assert [group["bars"] for group in report["groups"]] == [72] * 10


def test_a_fixed_rule_has_no_pbo_and_says_why(wave):
    report = cpcv(wave, FAST, {"groups": 6, "test_groups": 2})
    assert report["pbo"] is None
    assert "nothing was chosen" in report["reasons"]["pbo"]


def test_the_pass_rate_and_medians_are_those_of_the_test_sets(wave):
    report = cpcv(wave, FAST, {"groups": 6, "test_groups": 2})
    units = report["units"]
    assert len(units) == 15
    assert report["pass_rate"] == sum(unit["passed"] for unit in units) / 15
    assert report["median_sharpe"] == sorted(unit["sharpe"] for unit in units)[7]
    assert report["median_maxdd"] == sorted(unit["max_drawdown"] for unit in units)[7]
    assert report["is_passed"] == (report["pass_rate"] >= 0.70 and report["median_maxdd"] < 0.12)


def test_no_group_is_left_out_of_the_pbo_when_there_are_more_than_twenty():
    blocks = [[Block(days=3, s1=0.01 * c * (-1) ** (g // 20), s2=0.01) for g in range(40)] for c in range(3)]
    # What is best in the first 20 groups is worst in the last 20: only with all of them is PBO above 0.
    assert _pbo(blocks)[0] == pytest.approx(1.0)
    assert _pbo([row[:20] for row in blocks])[0] == 0.0


def test_paths_take_what_each_split_chose(wave):
    report = cpcv(wave, FAST, {"groups": 5, "test_groups": 2, "purge": 6, "embargo": 6, "grid": GRID})
    assert report["basis"] == "paths"
    assert (report["candidates"], report["splits"], report["paths"], len(report["units"])) == (6, 10, 4, 4)
    picks = {tuple(pick["groups"]): pick["params"] for pick in report["picks"]}
    assert sorted(picks) == list(itertools.combinations(range(5), 2))
    for group in range(5):
        chosen = [unit["params"][group] for unit in report["units"]]
        offered = [params for groups, params in picks.items() if group in groups]
        assert chosen == offered
    assert 0.0 <= report["pbo"] <= 1.0


def learned_bars(wave, **plan):
    report = cpcv(wave, FAST, {"groups": 5, "test_groups": 2, "grid": GRID, **plan})
    return {tuple(p["groups"]): [part["bars"] for part in p["train"]] for p in report["picks"]}


def test_without_a_gap_every_other_bar_is_learned_from(wave):
    # Five groups of 144 bars.
    bars = learned_bars(wave)
    assert bars[0, 1] == [432]
    assert bars[0, 2] == [144, 288]


def test_purge_removes_bars_on_both_sides_of_a_test_group(wave):
    bars = learned_bars(wave, purge=60)
    assert bars[0, 1] == [372]
    assert bars[0, 2] == [24, 228]
    assert bars[2, 3] == [228, 84]


def test_embargo_removes_bars_after_a_test_group_only(wave):
    bars = learned_bars(wave, embargo=60)
    assert bars[0, 1] == [372]
    assert bars[0, 2] == [84, 228]
    assert bars[2, 3] == [288, 84]


def block(**fields):
    good = {
        "days": 100,
        "s1": 1.0,
        "s2": 0.1,
        "trades": 100,
        "wins": 30,
        "gross_profit": 1.0,
        "gross_loss": 1.0,
        "drawdown": 0.29,
    }
    return Block(**{**good, **fields})


@pytest.mark.parametrize(
    ("fields", "passed"),
    [
        ({}, True),
        ({"s1": 0.0}, False),
        ({"wins": 29}, False),
        ({"gross_profit": 0.99}, False),
        ({"drawdown": 0.30}, False),
        ({"trades": 0, "wins": 0}, False),
        ({"gross_loss": 0.0}, True),
        ({"gross_loss": 0.0, "gross_profit": 0.0}, False),
        ({"s1": 0.0, "s2": 0.0}, False),
    ],
)
def test_each_gate_can_fail_a_path(fields, passed):
    assert _passes(block(**fields), 252) is passed


def test_a_sharpe_of_exactly_a_tenth_passes():
    # mean .1/√252 of a unit deviation: s2 − s1²/n = n − 1.
    n, mean = 100, 0.1 / math.sqrt(252)
    exact = block(days=n, s1=n * mean * (1 + 1e-12), s2=(n - 1) + n * mean * mean)
    assert _passes(exact, 252) is True
    assert _passes(block(days=n, s1=n * mean * 0.999, s2=(n - 1) + n * mean * mean), 252) is False


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"groups": 1, "test_groups": 1}, "n_groups"),
        ({"groups": 5, "test_groups": 5}, "at least one group"),
        ({"groups": 40, "test_groups": 20}, "the limit is"),
        ({"groups": 500, "test_groups": 1}, "trading days"),
        ({"gruops": 5}, "did you mean 'groups'?"),
        ({"groups": 5, "purge": -1}, "purge"),
        ({"groups": 3, "test_groups": 2, "purge": 500}, "nothing to learn from"),
        (
            {
                "groups": 100,
                "test_groups": 2,
                "grid": {"sma_short": [*range(2, 99)], "sma_long": [*range(99, 200)]},
            },
            "the limit is 500,000",
        ),
    ],
)
def test_an_absurd_plan_is_refused_with_the_limit(wave, plan, words):
    with pytest.raises(RequestError) as caught:
        cpcv(wave, FAST, plan)
    assert caught.value.code == "request.bad_plan"
    assert words in caught.value.message


def test_a_flat_strategy_passes_nothing_and_says_why(make_bars):
    flat = make_bars([(100, 100, 100, 100)] * 120, timeframe=240)
    report = cpcv(flat, FAST, {"groups": 4, "test_groups": 1})
    assert report["pass_rate"] == 0.0
    assert report["median_sharpe"] is None
    assert report["reasons"]["median_sharpe"] == "4 of 4 have constant returns and no Sharpe ratio"


def test_a_broken_run_leaves_no_number(wave):
    wave.close[700] = float("nan")
    report = cpcv(wave, FAST, {"groups": 4, "test_groups": 2})
    assert report["verdict"] == "INVALID"
    assert report["pass_rate"] is None
    assert report["is_passed"] is None
    assert report["faults"][0]["code"] == "engine.not_finite"


def test_the_report_is_plain_json_and_repeatable(wave):
    plan = {"groups": 5, "test_groups": 2, "grid": GRID}
    first, again = (json.dumps(cpcv(wave, FAST, plan), allow_nan=False) for _ in range(2))
    assert first == again
