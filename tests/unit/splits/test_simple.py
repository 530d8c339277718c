import numpy as np
import pytest

from foldward.contracts.errors import RequestError
from foldward.splits import Fold, classic, holdout, indices


def days(n):
    return np.datetime64("2024-01-01") + np.arange(n)


def test_classic_is_eighty_to_twenty():
    assert classic(1000) == Fold(((0, 800),), ((800, 1000),))


def test_classic_knows_both_halves_to_the_last_bar():
    assert classic(101) == Fold(((0, 80),), ((80, 101),))


def test_classic_needs_more_than_a_hundred_bars():
    with pytest.raises(RequestError, match="more than 100 bars and has 100"):
        classic(100)


def test_holdout_begins_at_the_first_bar_that_is_no_older_than_its_days():
    assert holdout(days(400)) == Fold(((0, 219),), ((219, 400),))
    assert holdout(days(400), days=1) == Fold(((0, 398),), ((398, 400),))


def test_holdout_counts_days_where_bars_are_missing():
    weekdays = days(14)[np.is_busday(days(14))]
    assert holdout(weekdays, days=7) == Fold(((0, 4),), ((4, 10),))


def test_holdout_refuses_to_leave_nothing():
    with pytest.raises(RequestError, match=r"leaves nothing older: the data span 99\.0 days"):
        holdout(days(100))


def test_indices_of_no_range_are_empty():
    assert indices([]).tolist() == []
    assert indices([(2, 4), (7, 7), (8, 9)]).tolist() == [2, 3, 8]
