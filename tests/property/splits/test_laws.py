"""What every split must be, whatever its arguments."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foldward.contracts.errors import RequestError
from foldward.splits import CombinatorialPurged, WalkForward, indices

pytestmark = pytest.mark.slow

sizes = st.integers(1, 12)
gaps = st.integers(0, 4)


@settings(deadline=None)
@given(sizes, sizes, sizes, st.booleans(), gaps, gaps, st.integers(1, 120))
def test_a_walk_forward_in_bars(train, test, step, anchored, purge, embargo, n):
    plan = WalkForward(train, test, step, anchored, purge, embargo)
    gap = purge + embargo
    if n <= train + gap:
        with pytest.raises(RequestError):
            plan.ranges(n)
        return
    folds = plan.ranges(n)
    for number, fold in enumerate(folds):
        ((start, stop),), ((test_start, test_stop),) = fold
        assert test_start == train + gap + number * step
        assert stop == test_start - gap
        assert start == (0 if anchored else stop - train)
        assert test_stop == min(test_start + test, n)
    if step <= test:
        assert folds[-1].test[0][1] == n
        assert all(fold.test[0][1] < n for fold in folds[:-1])
    for (train_part, test_part), fold in zip(plan.split(n), folds, strict=True):
        assert train_part.tolist() == list(range(*fold.train[0]))
        assert test_part.tolist() == list(range(*fold.test[0]))


@settings(deadline=None)
@given(
    st.sets(st.integers(0, 60), min_size=2, max_size=50),
    st.integers(1, 15),
    st.integers(1, 15),
    st.booleans(),
    st.integers(0, 2),
)
def test_a_walk_forward_in_days_by_counting_each_bar(bars, train, test, anchored, purge):
    days = np.array(sorted(bars))
    times = np.datetime64("2023-12-31T09:30") + days * np.timedelta64(1, "D")
    try:
        folds = WalkForward(f"{train}d", f"{test}d", anchored=anchored, purge=purge).ranges(times)
    except RequestError:
        assume(False)
    first = int(days[0])
    for number, fold in enumerate(folds):
        start, middle = first + number * test, first + number * test + train
        taught = [i for i, day in enumerate(days) if (anchored or start <= day) and day < middle]
        judged = [i for i, day in enumerate(days) if middle <= day < middle + test]
        assert indices(fold.test).tolist() == judged
        assert indices(fold.train).tolist() == taught[: max(0, len(taught) - purge)]
    assert indices(folds[-1].test).tolist()[-1:] == [len(days) - 1]


@settings(deadline=None)
@given(st.integers(2, 7), st.data(), gaps, gaps)
def test_a_combinatorial_split_by_looking_at_each_bar(n_groups, data, purge, embargo):
    k = data.draw(st.integers(1, n_groups - 1))
    n = data.draw(st.integers(n_groups, 60))
    plan = CombinatorialPurged(n_groups, k, purge, embargo)
    groups = [part.tolist() for part in np.array_split(np.arange(n), n_groups)]
    combinations = list(itertools.combinations(range(n_groups), k))
    assert plan.n_splits == len(combinations)
    assert plan.n_paths == len(combinations) * k // n_groups
    splits = plan.split(n)
    for chosen in combinations:
        judged = {bar for group in chosen for bar in groups[group]}
        taught = [
            bar
            for bar in range(n)
            if bar not in judged
            and not any(bar + ahead in judged for ahead in range(1, purge + 1))
            and not any(bar - behind in judged for behind in range(1, purge + embargo + 1))
        ]
        if not taught:
            with pytest.raises(RequestError):
                next(splits)
            return
        train, test = next(splits)
        assert sorted(judged) == test.tolist()
        assert taught == train.tolist()
    assert next(splits, None) is None


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=30), st.data())
def test_groups_of_days_are_numpys_array_split_of_days(lengths, data):
    n_groups = data.draw(st.integers(2, len(lengths)))
    n = sum(lengths)
    day_end = np.zeros(n, dtype=np.uint8)
    day_end[np.cumsum(lengths) - 1] = 1
    days = np.repeat(np.arange(len(lengths)), lengths)
    expected = [
        np.flatnonzero(np.isin(days, part)).tolist()
        for part in np.array_split(np.arange(len(lengths)), n_groups)
    ]
    ranges = CombinatorialPurged(n_groups, 1).groups(n, day_end)
    assert [list(range(*part)) for part in ranges] == expected
