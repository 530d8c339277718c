import numpy as np
import pytest

from foldward.contracts.errors import RequestError
from foldward.splits import MAX_SPLITS, CombinatorialPurged, Fold


def test_ten_groups_two_at_a_time_are_45_splits_and_9_paths():
    plan = CombinatorialPurged(10, 2)
    assert (plan.n_splits, plan.n_paths) == (45, 9)


def test_six_groups_two_at_a_time_give_the_paths_of_the_book():
    # López de Prado 2018, figure 12.1 and 12.2: 15 splits, 5 paths.
    plan = CombinatorialPurged(6, 2)
    assert (plan.n_splits, plan.n_paths) == (15, 5)
    assert plan.paths() == [
        (0, 0, 1, 2, 3, 4),
        (1, 5, 5, 6, 7, 8),
        (2, 6, 9, 9, 10, 11),
        (3, 7, 10, 12, 12, 13),
        (4, 8, 11, 13, 14, 14),
    ]


def test_splits_are_the_combinations_in_order():
    assert list(CombinatorialPurged(3, 1).ranges(6)) == [
        Fold(((2, 6),), ((0, 2),)),
        Fold(((0, 2), (4, 6)), ((2, 4),)),
        Fold(((0, 4),), ((4, 6),)),
    ]


def test_the_first_groups_are_a_bar_longer():
    assert CombinatorialPurged(3, 1).groups(8) == [(0, 3), (3, 6), (6, 8)]


def test_purge_removes_bars_on_both_sides_of_a_test_group():
    train, test = list(CombinatorialPurged(3, 1, purge=1).split(12))[1]
    assert test.tolist() == [4, 5, 6, 7]
    assert train.tolist() == [0, 1, 2, 9, 10, 11]


def test_embargo_removes_bars_after_a_test_group_only():
    train, _ = list(CombinatorialPurged(3, 1, embargo=2).split(12))[1]
    assert train.tolist() == [0, 1, 2, 3, 10, 11]


def test_purge_and_embargo_add_up_after_a_test_group():
    train, _ = list(CombinatorialPurged(3, 1, purge=1, embargo=2).split(12))[1]
    assert train.tolist() == [0, 1, 2, 11]


def test_nothing_is_removed_between_neighbouring_test_groups():
    fold = next(CombinatorialPurged(4, 2, purge=1, embargo=1).ranges(16))
    assert fold == Fold(((10, 16),), ((0, 4), (4, 8)))
    assert (fold.train_size(), fold.test_size()) == (6, 8)


def test_groups_hold_whole_trading_days():
    day_end = np.array([0, 1, 0, 0, 1, 1, 0, 1], dtype=np.uint8)
    assert CombinatorialPurged(2, 1).groups(8, day_end) == [(0, 5), (5, 8)]
    assert CombinatorialPurged(3, 1).groups(8, day_end) == [(0, 5), (5, 6), (6, 8)]


def test_bars_after_the_last_day_mark_are_a_day_too():
    assert CombinatorialPurged(2, 1).groups(4, np.array([0, 1, 0, 0], dtype=np.uint8)) == [(0, 2), (2, 4)]


def test_the_plan_can_be_read_back():
    assert repr(CombinatorialPurged(5.0, 2)) == (
        "CombinatorialPurged(n_groups=5, n_test_groups=2, purge=0, embargo=0)"
    )


def test_anything_with_a_length_may_stand_for_the_number_of_bars():
    assert CombinatorialPurged(2, 1).groups([0] * 4) == [(0, 2), (2, 4)]
    with pytest.raises(RequestError, match="n is 'abcd'"):
        CombinatorialPurged(2, 1).groups("abcd")


def test_every_group_is_tested_once_on_every_path():
    plan = CombinatorialPurged(7, 3)
    tests = plan.test_groups()
    for path in plan.paths():
        assert all(group in tests[split] for group, split in enumerate(path))
    pairs = [(split, group) for path in plan.paths() for group, split in enumerate(path)]
    assert len(pairs) == len(set(pairs)) == plan.n_splits * 3


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((1, 1), "n_groups is 1"),
        ((5, 0), "n_test_groups is 0"),
        ((5, 5), "at least one group must remain"),
        ((5, 2, -1), "purge is -1"),
        ((5, 2, 0, -1), "embargo is -1"),
        (("ten", 2), "n_groups is 'ten'"),
        ((30, 15), "155,117,520 splits; the limit is 20,000"),
    ],
)
def test_absurd_counts_are_refused_at_once_with_the_limit(arguments, word):
    with pytest.raises(RequestError, match=word) as caught:
        CombinatorialPurged(*arguments)
    assert caught.value.code == "request.bad_plan"
    assert isinstance(caught.value, ValueError)


def test_the_refusal_of_too_many_splits_names_the_way_out():
    with pytest.raises(RequestError) as caught:
        CombinatorialPurged(100, 50)
    assert caught.value.context["limit"] == MAX_SPLITS == 20_000
    assert "10 and 2" in caught.value.hint


@pytest.mark.parametrize(
    ("plan", "data", "day_end", "word"),
    [
        (CombinatorialPurged(10, 2), 9, None, "10 groups of 9 bars"),
        (CombinatorialPurged(3, 1), 6, np.array([0, 0, 1, 0, 0, 1]), "3 groups of 2 trading days"),
        (CombinatorialPurged(3, 1), 6, np.ones(5), "day_end has shape"),
        (CombinatorialPurged(3, 2, purge=2), 6, None, "nothing to learn from"),
    ],
)
def test_data_that_cannot_carry_the_plan_is_refused_with_the_reason(plan, data, day_end, word):
    with pytest.raises(RequestError, match=word) as caught:
        list(plan.split(data, day_end))
    assert caught.value.code == "request.bad_plan"


@pytest.mark.parametrize(("groups", "tested"), [(20_000, 10_000), (1_000_000, 500_000), (1e300, 10**30)])
def test_an_astronomical_count_is_refused_without_being_computed(groups, tested):
    with pytest.raises(RequestError, match="far more than 20,000 splits; the limit is 20,000"):
        CombinatorialPurged(groups, tested)
