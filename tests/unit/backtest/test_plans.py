"""A plan is read, and judged on candles, before anything is computed."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from foldward.backtest.plans import check_plan, plan_folds, read_combinatorial, read_walk
from foldward.contracts.errors import RequestError
from foldward.contracts.jobs import Strategy
from foldward.data.bars import Bars, day_ends

SMA = Strategy(name="a", kind="sma", symbol="X", timeframe=1440)
DAY_NS = 86_400 * 10**9


def daily(count: int) -> Bars:
    time = np.arange(count, dtype=np.int64) * DAY_NS + 1_600_000_000 * 10**9
    price = np.full(count, 100.0)
    return Bars(
        time=time, open=price, high=price, low=price, close=price, volume=price, timeframe=1440,
        day_end=day_ends(time), fingerprint="f", symbol="X", provenance="real",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "mode"),
    [
        ({}, "classic"),
        ({"mode": "holdout", "days": 10}, "holdout"),
        ({"train": 60, "test": 20}, "rolling"),
        ({"train": 60, "test": 20, "anchored": True}, "anchored"),
        ({"mode": "anchored", "train": "60d", "test": "20d", "anchored": False}, "anchored"),
    ],
)
def test_a_plan_says_its_mode(plan, mode):
    assert read_walk(plan)[0] == mode


@pytest.mark.parametrize(
    ("plan", "field", "words"),
    [
        ({"mode": 7}, "mode", "mode is 7; known: anchored, classic, holdout, rolling"),
        ({"mode": "roling"}, "mode", "mode is 'roling'; did you mean 'rolling'?"),
        ({"anchored": 1}, "anchored", "anchored is 1; it is true or false"),
        ({"mode": "classic", "embargo": 1}, "embargo", "mode 'classic' has no embargo"),
        ({"train": 60}, "test", "mode 'rolling' needs test"),
        ({"grid": {"sma_short": {"a": 1}}}, "grid.sma_short", "is a list of values"),
        ({"x" * 500: 1}, "x" * 80, "…"),
    ],
)
def test_a_wrong_word_is_refused_with_its_field(plan, field, words):
    with pytest.raises(RequestError) as caught:
        read_walk(plan)
    assert (caught.value.code, caught.value.context["field"]) == ("request.bad_plan", field)
    assert words in caught.value.message
    assert len(caught.value.message) < 300


def test_a_plan_of_a_combination_without_words_is_ten_and_two():
    assert repr(read_combinatorial({})).startswith("CombinatorialPurged(n_groups=10, n_test_groups=2")


@pytest.mark.parametrize(
    ("kind", "plan", "bars", "words"),
    [
        ("wfv", {"mode": "classic"}, 100, "needs more than 100 bars and has 100"),
        ("wfv", {"mode": "holdout", "days": 200}, 150, "the data span 149.0 days"),
        ("wfv", {"train": 150, "test": 10}, 150, "the data end before the first test window"),
        ("wfv", {"grid": {"sma_shrt": [5]}}, 150, "did you mean 'sma_short'?"),
        ("cpcv", {"groups": 151, "test_groups": 1}, 150, "choose n_groups <= 150"),
        ("cpcv", {"purge": 150}, 150, "nothing to learn from"),
    ],
)
def test_a_plan_that_the_candles_cannot_carry_is_refused(kind, plan, bars, words):
    with pytest.raises(RequestError) as caught:
        check_plan(kind, SMA, plan, daily(bars))
    assert caught.value.code == "request.bad_plan"
    assert words in f"{caught.value.message} — {caught.value.hint}"


def test_a_plan_that_can_be_carried_out_passes():
    check_plan("wfv", SMA, {"train": 60, "test": 20, "grid": {"sma_short": [5, 10]}}, daily(150))
    check_plan("cpcv", SMA, {"groups": 6, "test_groups": 2, "grid": {"sma_short": [5, 10]}}, daily(150))


def test_reading_a_plan_loads_no_compiler():
    code = "import sys, foldward.backtest.plans; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("plan", [{"mode": "holdout", "days": 30}, {"train": "60d", "test": "20d"}])
def test_the_candles_of_1970_have_a_calendar_too(plan):
    bars = daily(150)
    early = replace(bars, time=bars.time - bars.time[0] // DAY_NS * DAY_NS)
    assert plan_folds(early, plan) == plan_folds(bars, plan)
