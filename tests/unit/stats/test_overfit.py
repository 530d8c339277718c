import numpy as np
import pytest

from foldward.contracts.errors import RequestError
from foldward.stats import pbo_from_blocks, probability_of_backtest_overfitting
from foldward.stats.overfit import MAX_BLOCKS, block_sums, cscv, merge_blocks

GOOD = [0.03, 0.01]
BAD = [0.01, -0.01]


def rows(*blocks):
    """Columns given as blocks: rows(first column's blocks, second column's blocks)."""
    return np.array([np.concatenate(column) for column in blocks]).T


def test_a_trial_that_is_best_in_every_block_is_never_overfitted():
    matrix = rows([GOOD] * 4, [BAD] * 4)
    assert probability_of_backtest_overfitting(matrix, 4) == 0.0


def test_trials_that_win_in_turn_are_always_overfitted():
    # Two blocks: each trial wins one; the winner of one half is the loser of the other.
    matrix = rows([GOOD, BAD], [BAD, GOOD])
    assert probability_of_backtest_overfitting(matrix, 2) == 1.0


def test_four_blocks_are_six_splits_counted_by_hand():
    # A wins blocks 0 and 1, B wins 2 and 3, C is steady between them. In sample {0,1} chooses A, which comes
    # last out of sample, rank 1 of 3; {2,3} does so with B. In the four mixed halves A and B have C's mean
    # with a wider spread: C is chosen and comes first out of sample, rank 3 of 3.
    middle = [0.02, 0.0]
    a, b, c = [GOOD, GOOD, BAD, BAD], [BAD, BAD, GOOD, GOOD], [middle] * 4
    answer = cscv(*block_sums(rows(a, b, c), 4))
    assert sorted(answer.logits.tolist()) == pytest.approx([-np.log(3)] * 2 + [np.log(3)] * 4)
    assert answer.pbo == 2 / 6
    assert answer.loss == 0.0


def test_equal_trials_share_the_mean_rank_which_counts_as_overfitted():
    matrix = rows([GOOD, BAD], [GOOD, BAD])
    answer = cscv(*block_sums(matrix, 2))
    assert answer.logits.tolist() == [0.0, 0.0]
    assert answer.pbo == 1.0


def test_sixteen_blocks_are_12870_splits():
    rng = np.random.default_rng(1)
    answer = cscv(*block_sums(rng.normal(size=(64, 3)), 16))
    assert len(answer.logits) == 12_870


def test_series_with_the_same_mean_overall_compensate():
    # Bailey et al. 2015: with equal totals, what is best in sample is worst out of sample.
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(160, 20))
    noise -= noise.mean(axis=0)
    assert probability_of_backtest_overfitting(noise, 8) == 1.0


def test_block_sums_may_stand_for_the_returns():
    rng = np.random.default_rng(3)
    returns = rng.normal(0.0005, 0.01, (203, 7))
    n, s1, s2 = block_sums(returns, 8)
    assert n.tolist() == [26, 26, 26, 25, 25, 25, 25, 25]
    assert s1[0] == pytest.approx(returns[:26].sum(axis=0))
    expected = probability_of_backtest_overfitting(returns, 8)
    assert pbo_from_blocks(n, s1, s2) == expected
    assert pbo_from_blocks(np.tile(n[:, None], 7).tolist(), s1.tolist(), s2.tolist()) == expected


def test_merging_blocks_adds_neighbours():
    n, s1, s2 = merge_blocks(np.ones(5), np.arange(10.0).reshape(5, 2), np.ones((5, 2)), most=4)
    assert n.tolist() == [2, 1, 1, 1]
    assert s1.tolist() == [[2, 4], [4, 5], [6, 7], [8, 9]]
    assert s2.tolist() == [[2, 2], [1, 1], [1, 1], [1, 1]]


def test_a_trial_that_does_not_trade_ranks_with_zero():
    matrix = rows([GOOD, BAD], [[0.0, 0.0], [0.0, 0.0]], [BAD, [-0.03, -0.01]])
    answer = cscv(*block_sums(matrix, 2))
    # GOOD wins block 0; in block 1 it has mean 0 and shares rank with the idle one; from block 1 the first
    # of the two is chosen and wins block 0.
    assert sorted(np.exp(answer.logits).tolist()) == pytest.approx([2.5 / 1.5, 3.0])


@pytest.mark.parametrize(
    "matrix",
    [
        np.ones((8, 1)),
        np.array([[0.01, np.nan]] * 8),
        np.array([[0.01, np.inf]] * 8),
        np.array([[0.01, 0.02]] * 8),
    ],
    ids=["one trial", "nan", "inf", "constant"],
)
def test_an_undefined_pbo_is_none(matrix):
    assert probability_of_backtest_overfitting(matrix, 2) is None


@pytest.mark.parametrize(
    ("blocks", "word"),
    [
        (0, "from 2 to 20"),
        (1, "from 2 to 20"),
        (7, "it is even"),
        (22, "from 2 to 20"),
        (-4, "from 2 to 20"),
        (4.5, "from 2 to 20"),
        (None, "from 2 to 20"),
        (20, "20 blocks of 30 observations"),
    ],
)
def test_a_wrong_number_of_blocks_is_refused_with_the_limit(blocks, word):
    with pytest.raises(RequestError, match=word) as caught:
        probability_of_backtest_overfitting(np.zeros((30, 3)), blocks)
    assert caught.value.code == "request.bad_param"
    assert MAX_BLOCKS == 20


@pytest.mark.parametrize(
    "arguments",
    [
        ([5, 5], [1.0, 2.0], [1.0, 2.0]),
        ([5, 5], [[1.0], [2.0]], [[1.0, 2.0], [1.0, 2.0]]),
        ([5, 5, 5], [[1.0, 1.0], [2.0, 2.0]], [[1.0, 2.0], [1.0, 2.0]]),
        ([5, 5, 5], [[1.0, 1.0]] * 3, [[1.0, 2.0]] * 3),
    ],
    ids=["flat", "unlike", "count", "odd"],
)
def test_block_sums_of_unlike_shapes_are_refused(arguments):
    with pytest.raises(RequestError):
        pbo_from_blocks(*arguments)


def test_halves_with_a_single_return_have_no_sharpe():
    assert pbo_from_blocks([1, 1], [[0.1, 0.2], [0.1, 0.3]], [[0.01, 0.04], [0.01, 0.09]]) is None


def test_a_matrix_has_two_dimensions():
    with pytest.raises(RequestError, match="dimensions"):
        probability_of_backtest_overfitting(np.zeros(30), 2)
