import math

import numpy as np
import pytest

from foldward.contracts.errors import RequestError
from foldward.stats import (
    cagr,
    calmar,
    expectancy,
    max_drawdown,
    neighbourhood_stability,
    profit_factor,
    surface_stability,
    ulcer,
)
from foldward.stats._number import explain


def test_max_drawdown_is_the_deepest_fall_from_a_peak():
    assert max_drawdown([100, 120, 90, 130, 117]) == 0.25


def test_a_curve_that_only_rises_has_drawdown_zero():
    assert max_drawdown([1.0, 2.0, 2.0, 3.0]) == 0.0
    assert max_drawdown([5.0]) == 0.0


def test_an_account_below_zero_lost_more_than_all():
    assert max_drawdown([100, -50]) == 1.5


@pytest.mark.parametrize("equity", [[], [0.0, 1.0], [-1.0, 2.0], [1.0, math.nan], [1.0, math.inf]], ids=str)
def test_an_undefined_curve_gives_none(equity):
    assert max_drawdown(equity) is None
    assert ulcer(equity) is None
    assert cagr(equity, 252) is None
    assert calmar(equity, 252) is None


def test_ulcer_is_the_root_mean_square_of_the_drawdowns():
    assert ulcer([100, 90, 80, 100]) == pytest.approx(math.sqrt((0.01 + 0.04) / 4), abs=1e-15)


def test_cagr_compounds_to_the_year():
    assert cagr([100, 110], 1) == pytest.approx(0.1)
    assert cagr([100, 110, 121], 4) == pytest.approx(1.1**4 - 1)
    assert cagr([100, 50, 0], 252) == -1.0
    assert cagr([100, -5], 252) is None
    assert cagr([100], 252) is None
    assert cagr([1.0, 1e9], 1e6) is None


def test_a_value_too_large_for_a_number_says_so():
    assert explain(cagr, [1.0, 1e9], 1e6) == (None, "the value is too large for a number")
    assert explain(calmar, [1e-60, 1e-61, 1e60], 1e2) == (None, "the value is too large for a number")


def test_calmar_is_growth_over_drawdown():
    assert calmar([100, 80, 120], 2) == pytest.approx(0.2 / 0.2)
    assert calmar([100, 110], 2) is None


def test_profit_factor_is_gross_profit_over_gross_loss():
    assert profit_factor([30, -10, 20, -15, 0]) == 2.0
    assert profit_factor([-10, -5]) == 0.0


@pytest.mark.parametrize("pnl", [[], [10.0, 5.0], [0.0], [math.nan, -1.0], [5e-324]], ids=str)
def test_without_a_loss_there_is_no_profit_factor(pnl):
    assert profit_factor(pnl) is None


def test_expectancy_is_the_mean_trade():
    assert expectancy([30, -10, 20, -15, 0]) == 5.0
    assert expectancy([]) is None


def test_a_plateau_is_stable_and_a_peak_is_not():
    assert neighbourhood_stability(2.0, [2.0, 1.0, 1.5]) == 0.75
    assert neighbourhood_stability(2.0, [3.0, 4.0]) == 1.0
    assert neighbourhood_stability(2.0, [-1.0, 0.5, -3.0]) == 0.0


def test_a_neighbour_without_a_value_is_no_support():
    assert neighbourhood_stability(2.0, [None, 2.0, math.nan]) == 0.0


@pytest.mark.parametrize(
    ("centre", "around"), [(0.0, [1.0]), (-1.0, [1.0]), (math.nan, [1.0]), (None, [1.0]), (1.0, [])]
)
def test_stability_needs_a_positive_centre_and_neighbours(centre, around):
    assert neighbourhood_stability(centre, around) is None


def test_a_surface_is_judged_around_its_highest_cell():
    surface = np.array([[0.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 0.0], [9.0, 0.0, 9.0]])
    assert surface_stability(surface, at=(1, 1)) == 0.25
    assert surface_stability(surface) == 0.0
    assert surface_stability([1.0, 4.0, 3.0]) == 0.5
    assert surface_stability([1.0, 4.0, 3.0, 4.0], at=(0,), radius=2) == 1.0
    assert surface_stability([[math.nan]]) is None


@pytest.mark.parametrize("at", [(0,), (4, 0), (0, -1)])
def test_a_cell_outside_the_surface_is_refused(at):
    with pytest.raises(RequestError, match="is not in a surface"):
        surface_stability(np.ones((4, 3)), at=at)
