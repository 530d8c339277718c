import math

import numpy as np
import pytest

from foldward.contracts.errors import RequestError
from foldward.stats import bootstrap_interval, probability_of_ruin
from foldward.stats.bootstrap import default_block, resample_indices

RETURNS = np.sin(np.arange(60.0)) * 0.01 + 0.001


def drawn(*args, **kwargs):
    return np.concatenate(list(resample_indices(*args, **kwargs)))


def test_one_seed_is_one_result_for_ever():
    # Frozen: numpy promises PCG64's raw stream, and nothing else here draws.
    assert drawn(10, 2, 3.0, 42).tolist() == [[0, 1, 2, 3, 2, 3, 4, 5, 5, 6], [5, 6, 7, 8, 9, 4, 5, 8, 9, 0]]
    assert drawn(10, 2, 3.0, 43).tolist() != drawn(10, 2, 3.0, 42).tolist()


def test_blocks_go_on_and_wrap_around():
    rows = drawn(7, 50, 1e9, 1)
    assert (np.diff(rows, axis=1) % 7 == 1).all()


def test_a_mean_block_of_one_draws_independently():
    rows = drawn(1000, 20, 1.0, 1)
    assert (np.diff(rows, axis=1) % 1000 == 1).mean() < 0.01


def test_rows_may_be_longer_or_shorter_than_the_series():
    assert drawn(5, 3, 2.0, 0, length=12).shape == (3, 12)
    assert drawn(5, 3, 2.0, 0, length=1).shape == (3, 1)


def test_the_default_block_is_the_cube_root():
    assert default_block(1000) == 10.0
    assert default_block(1) == 1.0


def test_the_interval_holds_the_estimate_and_repeats():
    low, high = bootstrap_interval(RETURNS, 252, resamples=200, seed=5)
    estimate = RETURNS.mean() / RETURNS.std(ddof=1) * math.sqrt(252)
    assert low < estimate < high
    assert bootstrap_interval(RETURNS, 252, resamples=200, seed=5) == (low, high)
    assert bootstrap_interval(RETURNS, 252, resamples=200, seed=6) != (low, high)


def test_another_statistic_may_be_asked_for():
    low, high = bootstrap_interval(RETURNS, statistic=lambda rows: rows.mean(axis=1), resamples=200)
    assert low < RETURNS.mean() < high


def test_more_confidence_is_a_wider_interval():
    narrow = bootstrap_interval(RETURNS, resamples=200, confidence=0.5)
    wide = bootstrap_interval(RETURNS, resamples=200, confidence=0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(
    "returns",
    [[0.01] * 9, [0.01] * 50, [0.0] * 50, [0.01, math.nan] * 25],
    ids=["few", "constant", "zero", "nan"],
)
def test_an_undefined_interval_is_none(returns):
    assert bootstrap_interval(returns, 252, resamples=100) is None


def test_too_many_undefined_resamples_give_none():
    assert bootstrap_interval([0.0] * 49 + [0.01], 252, resamples=100, mean_block=1) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": 1},
        {"resamples": 99},
        {"resamples": 10**9},
        {"mean_block": 0.5},
        {"mean_block": math.nan},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": None},
        {"periods_per_year": 0},
    ],
    ids=str,
)
def test_senseless_bootstrap_arguments_are_refused(wrong):
    with pytest.raises(RequestError) as caught:
        bootstrap_interval(RETURNS, **wrong)
    assert caught.value.code == "request.bad_param"


def test_trades_that_cannot_lose_cannot_ruin():
    assert probability_of_ruin([1.0] * 20, 100, paths=100) == 0.0


def test_trades_that_only_lose_ruin_for_certain():
    assert probability_of_ruin([-10.0] * 20, 100, paths=100) == 1.0
    assert probability_of_ruin([-10.0] * 20, 100, trades=4, paths=100) == 0.0
    assert probability_of_ruin([-10.0] * 20, 100, trades=5, paths=100) == 1.0
    assert probability_of_ruin([-10.0] * 20, 100, trades=9, loss=1, paths=100) == 0.0


def test_ruin_on_the_way_counts_even_if_the_end_is_fine():
    # ±50 with 100 in cash: ruined at −50 at any time; over two fair trades that is 1/2 (first lost).
    share = probability_of_ruin([50.0, -50.0] * 10, 100, trades=2, paths=20_000, seed=3)
    assert share == pytest.approx(0.5, abs=0.015)


def test_the_gamblers_ruin_formula_is_met():
    # Unit bets won with p = .6, 5 units in hand, play long: (q/p)^5 = .1317 (Feller, vol. 1, ch. XIV).
    bets = [1.0] * 6 + [-1.0] * 4
    share = probability_of_ruin(bets, 10, loss=0.5, trades=300, paths=2000, seed=11)
    assert share == pytest.approx((0.4 / 0.6) ** 5, abs=0.02)


@pytest.mark.parametrize("pnl", [[], [-1.0] * 9, [math.nan] * 20], ids=str)
def test_too_few_trades_give_no_ruin_probability(pnl):
    assert probability_of_ruin(pnl, 100, paths=100) is None


@pytest.mark.parametrize(
    ("cash", "wrong"),
    [
        (0, {}),
        (-5, {}),
        (100, {"loss": 0}),
        (100, {"loss": 1.5}),
        (100, {"paths": 1}),
        (100, {"trades": 0}),
        (100, {"trades": 10**8}),
    ],
    ids=str,
)
def test_senseless_ruin_arguments_are_refused(cash, wrong):
    with pytest.raises(RequestError) as caught:
        probability_of_ruin([1.0] * 20, cash, **wrong)
    assert caught.value.code == "request.bad_param"
