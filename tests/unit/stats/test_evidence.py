import json
import math

import numpy as np
import pytest

from foldward.contracts.canonical import canonical_bytes
from foldward.contracts.errors import RequestError
from foldward.stats import (
    deflated_sharpe_ratio,
    evidence,
    expected_max_sharpe,
    min_track_record_length,
    probabilistic_sharpe_ratio,
    probability_of_backtest_overfitting,
    sums_of,
)
from foldward.stats.overfit import block_sums

RETURNS = (np.sin(np.arange(120.0) ** 1.5) * 0.01 + 0.002).tolist()
TRADES = [30.0, -10.0, 20.0, -15.0] * 5


def trial_blocks(matrix, blocks):
    n, s1, s2 = block_sums(matrix, blocks)
    return [
        [[n[block], s1[block, trial], s2[block, trial]] for block in range(blocks)]
        for trial in range(matrix.shape[1])
    ]


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(4).normal(0.0, 0.01, (96, 6))


def test_everything_at_once_is_finite_and_fits_json(noise):
    sheet = evidence(
        {
            "returns": RETURNS,
            "periods_per_year": 252,
            "trade_pnls": TRADES,
            "cash": 1000.0,
            "trials": {"n": 6},
            "blocks": trial_blocks(noise, 8),
            "neighbours": [0.1, 0.2],
            "seed": 9,
        }
    )
    assert sheet["reasons"] == {}
    assert all(value is not None for value in sheet.values())
    canonical_bytes(sheet)


def test_the_numbers_are_those_of_the_functions():
    sheet = evidence({"returns": RETURNS, "periods_per_year": 4, "trials": {"n": 20, "sharpe_std": 0.05}})
    shape = sheet["sharpe_per_period"], sheet["observations"], sheet["skew"], sheet["kurtosis"]
    observed, n, skew, kurtosis = shape
    assert n == 120
    assert sheet["sharpe"] == 2 * observed
    assert sheet["psr"] == probabilistic_sharpe_ratio(observed, 0, n, skew, kurtosis)
    assert sheet["min_track_record_length"] == min_track_record_length(observed, 0, skew, kurtosis)
    assert sheet["min_track_record_years"] == sheet["min_track_record_length"] / 4
    assert sheet["expected_max_sharpe"] == expected_max_sharpe(20, 0.05)
    assert sheet["dsr"] == deflated_sharpe_ratio(observed, 20, 0.05, n, skew, kurtosis)
    assert (sheet["effective_trials"], sheet["effective_trials_from"]) == (20.0, "count")


def test_the_deflated_ratio_judges_the_bars_on_which_the_trials_were_compared():
    trials = {"n": 20, "sharpe_std": 0.05, "window": [100, 200]}
    inside = [0.02, -0.01, 0.03, -0.02, 0.01, -0.03]
    sheet = evidence({"returns": RETURNS, "trials": trials, "selection": inside})
    alone = evidence({"returns": inside, "trials": trials})
    whole = evidence({"returns": RETURNS, "trials": trials})
    assert (sheet["dsr_on"], sheet["dsr_observations"]) == ("selection", 6)
    assert (whole["dsr_on"], whole["dsr_observations"]) == ("returns", len(RETURNS))
    assert sheet["dsr"] == alone["dsr"] != whole["dsr"]
    assert sheet["psr"] == whole["psr"]


def test_a_selection_that_never_moved_leaves_the_deflated_ratio_open():
    trials = {"n": 20, "sharpe_std": 0.05}
    sheet = evidence({"returns": RETURNS, "trials": trials, "selection": [0.0] * 9})
    assert sheet["dsr"] is None
    assert sheet["reasons"]["dsr"].startswith("on the trials' bars: ")


def test_sums_may_stand_for_the_returns():
    whole = evidence({"returns": RETURNS, "periods_per_year": 252})
    parts = evidence({"sums": list(sums_of(RETURNS)), "periods_per_year": 252})
    for name in ("sharpe", "skew", "kurtosis", "psr", "min_track_record_length"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-9)
    assert parts["sharpe_low"] is None
    assert parts["reasons"]["sharpe_low"] == "returns are not given; sums cannot be resampled"
    assert evidence({"sums": sums_of(RETURNS)._asdict(), "periods_per_year": 252}) == parts


def test_sums_that_no_returns_can_have_give_no_number():
    sheet = evidence({"sums": [10, 0.0, 1.0, 0.0, 0.001], "trials": {"n": 1}})
    assert sheet["psr"] is None
    assert sheet["reasons"]["dsr"] == "the power sums contradict each other"


def test_two_valued_returns_have_the_lowest_kurtosis_there_is():
    assert evidence({"sums": list(sums_of([0.011, 0.013] * 20))})["kurtosis"] == pytest.approx(1.0)
    assert evidence({"returns": [0.011, 0.013] * 20})["kurtosis"] == pytest.approx(1.0)


def test_trials_that_never_traded_leave_the_spread_open():
    sheet = evidence({"trials": {"n": 2}, "blocks": [[[5, 0.0, 0.0]] * 4] * 2})
    assert sheet["trials_sharpe_std"] is None
    assert sheet["reasons"]["trials_sharpe_std"] == "fewer than two trials have a Sharpe ratio"


def test_equal_input_gives_an_equal_answer(noise):
    inputs = {"returns": RETURNS, "periods_per_year": 252, "trade_pnls": TRADES, "seed": 5}
    assert canonical_bytes(evidence(inputs)) == canonical_bytes(evidence(json.loads(json.dumps(inputs))))
    assert evidence({**inputs, "seed": 6})["sharpe_low"] != evidence(inputs)["sharpe_low"]


def test_nothing_given_is_nothing_known_and_each_gap_has_its_reason():
    sheet = evidence({})
    missing = {name for name, value in sheet.items() if value is None}
    assert missing - {"effective_trials_from"} == set(sheet["reasons"])
    assert sheet["reasons"]["psr"] == "neither returns nor sums are given"
    assert sheet["reasons"]["dsr"] == "the number of trials is not given"
    assert sheet["reasons"]["pbo"] == "the trials' blocks are not given"
    assert sheet["reasons"]["ruin_probability"] == "trades are not given"


def test_a_flat_strategy_has_no_sharpe_and_says_so():
    sheet = evidence({"returns": [0.0] * 50, "periods_per_year": 252, "trials": {"n": 5, "sharpe_std": 0.1}})
    for name in ("sharpe", "psr", "dsr", "sharpe_low", "min_track_record_length"):
        assert sheet[name] is None
        assert sheet["reasons"][name] == "the returns do not vary"
    assert sheet["expected_max_sharpe"] > 0


def test_a_series_too_long_to_resample_keeps_its_other_numbers():
    minutes = np.tile(RETURNS, 1700)
    sheet = evidence({"returns": minutes, "periods_per_year": 252})
    assert sheet["psr"] == 1.0
    assert sheet["reasons"]["sharpe_low"] == "204,000 returns are too many to resample; the limit is 200,000"


def test_a_losing_strategy_has_a_psr_and_no_minimum_length():
    sheet = evidence({"returns": [-value for value in RETURNS], "periods_per_year": 252})
    assert sheet["psr"] < 0.5
    assert sheet["min_track_record_length"] is None
    assert "no length is enough" in sheet["reasons"]["min_track_record_years"]


def test_the_trials_spread_comes_from_their_blocks_when_not_given(noise):
    sheet = evidence({"returns": RETURNS, "trials": {"n": 6}, "blocks": trial_blocks(noise, 8)})
    expected = (noise.mean(axis=0) / noise.std(axis=0, ddof=1)).std(ddof=1)
    assert sheet["trials_sharpe_std"] == pytest.approx(expected, rel=1e-9)
    assert sheet["effective_trials_from"] == "correlation"
    assert sheet["pbo"] == probability_of_backtest_overfitting(noise, 8)
    assert (sheet["pbo_splits"], sheet["pbo_trials"]) == (70, 6)


def test_copies_of_one_trial_are_worth_one():
    copies = np.tile(np.array(RETURNS)[:, None], 5)
    sheet = evidence({"returns": RETURNS, "trials": {"n": 5}, "blocks": trial_blocks(copies, 8)})
    assert sheet["effective_trials"] == pytest.approx(1.0)
    assert sheet["dsr"] == pytest.approx(sheet["psr"])


def test_the_dsr_of_all_trials_stands_beside_that_of_the_effective_number():
    trials = {"n": 100, "effective_n": 46, "sharpe_std": 0.05}
    sheet = evidence({"returns": RETURNS, "trials": trials})
    shape = sheet["observations"], sheet["skew"], sheet["kurtosis"]
    assert sheet["dsr"] == deflated_sharpe_ratio(sheet["sharpe_per_period"], 46, 0.05, *shape)
    assert sheet["dsr_all_trials"] == deflated_sharpe_ratio(sheet["sharpe_per_period"], 100, 0.05, *shape)


def test_a_given_effective_number_comes_first(noise):
    sheet = evidence(
        {
            "returns": RETURNS,
            "trials": {"n": 6, "effective_n": 2.5, "sharpe_std": 0.1},
            "blocks": trial_blocks(noise, 8),
        }
    )
    assert (sheet["effective_trials"], sheet["effective_trials_from"]) == (2.5, "given")


def test_a_single_trial_needs_no_spread():
    sheet = evidence({"returns": RETURNS, "trials": {"n": 1}})
    assert sheet["dsr"] == sheet["psr"]


def test_many_trials_without_a_spread_leave_the_dsr_open():
    sheet = evidence({"returns": RETURNS, "trials": {"n": 7}})
    assert sheet["dsr"] is None
    assert sheet["reasons"]["dsr"] == "sharpe_std is not given, and the trials' blocks are not given"


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ([], "the trials' blocks are not given"),
        ([[[5, 0.1, 0.1]] * 4, [[5, 0.1, 0.1]] * 2], "the trials have different numbers of blocks"),
        ([[[5, 0.1, 0.1]] * 4, [[6, 0.1, 0.1]] * 4], "they cover different windows"),
        ([[[5, 0.1, 0.1]] * 4, [[5, None, 0.1]] * 4], "not finite"),
        ([[[0, 0.0, 0.0]] * 4] * 2, "a block is empty"),
        ([[[5, 0.1, 0.1]]] * 2, "1 blocks; two are needed"),
        ([[[5, 0.1, 0.1]] * 4], "PBO needs two trials"),
    ],
)
def test_unusable_blocks_leave_the_pbo_open_with_the_reason(blocks, reason):
    sheet = evidence({"blocks": blocks})
    assert sheet["pbo"] is None
    assert reason in sheet["reasons"]["pbo"]


def test_an_odd_number_of_blocks_is_merged_to_an_even_one(noise):
    assert evidence({"blocks": odd_blocks(noise)})["pbo_splits"] == 20


def odd_blocks(matrix):
    parts = np.array_split(matrix, 7)
    return [
        [[len(part), part[:, trial].sum(), (part[:, trial] ** 2).sum()] for part in parts]
        for trial in range(matrix.shape[1])
    ]


def test_the_parts_with_trades_stand_alone():
    sheet = evidence({"trade_pnls": TRADES, "cash": 1000.0})
    assert (sheet["trades"], sheet["expectancy"], sheet["profit_factor"]) == (20, 6.25, 2.0)
    assert sheet["ruin_probability"] == 0.0
    none = evidence({"trade_pnls": []})
    assert (none["trades"], none["expectancy"]) == (0, None)
    assert none["reasons"]["ruin_probability"] == "0 trades; ten are needed to resample"


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        ({"return": RETURNS}, "did you mean 'returns'"),
        ({"trials": {"count": 5}}, "trials has no input 'count'"),
        ({"trials": 5}, "trials is 5"),
        ({"trials": {}}, "trials.n is None"),
        ({"trials": {"n": 0}}, "trials.n is 0"),
        ({"trials": {"n": 5, "effective_n": 6}}, "from 1 to the 5 trials made"),
        ({"trials": {"n": 5, "effective_n": "2"}}, "effective_n"),
        ({"trials": {"n": 5, "sharpe_std": -1.0}}, "a standard deviation is >= 0"),
        ({"trials": {"n": 5, "sharpe_std": "wide"}}, "sharpe_std is 'wide'"),
        ({"sums": [1, 2]}, "it is five numbers"),
        ({"sums": 7}, "it is five numbers"),
        ({"sums": {"n": 1, "sum": 2}}, "sums has no input 'sum'"),
        ({"returns": "x"}, "returns"),
        ({"periods_per_year": 0}, "periods_per_year is 0"),
        ({"trade_pnls": {"a": 1}}, "trade_pnls"),
        ({"blocks": [[1, 2], [3, 4]]}, "trials × blocks"),
        ({"blocks": [1, 2]}, "blocks is a list"),
        ({"blocks": 3}, "blocks is a list"),
        ({"trade_pnls": TRADES, "cash": 0}, "cash is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
    ids=str,
)
def test_senseless_inputs_are_refused(inputs, word):
    with pytest.raises(RequestError, match=word) as caught:
        evidence(inputs)
    assert caught.value.code == "request.bad_param"


def test_a_number_that_is_not_finite_never_gets_out():
    sheet = evidence({"returns": [0.1, math.inf, 0.2], "trials": {"n": 3, "sharpe_std": math.nan}})
    assert sheet["psr"] is None
    assert sheet["reasons"]["psr"] == "returns holds a value that is not finite (at 1)"
    assert sheet["trials_sharpe_std"] is None
    assert sheet["dsr"] is None
