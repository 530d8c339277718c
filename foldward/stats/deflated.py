"""The Sharpe ratio after many trials: the best of N looks good without any skill.

D. Bailey and M. López de Prado (2014), "The Deflated Sharpe Ratio", Journal of Portfolio Management 40(5).
"""

from __future__ import annotations

import inspect
import math

import numpy as np

from foldward.stats._number import (
    BadArgument,
    Floats,
    Series,
    Undefined,
    as_floats,
    finite_arguments,
    normal_quantile,
    number,
)
from foldward.stats.sharpe import probabilistic_sharpe_ratio

EULER_GAMMA = 0.5772156649015329


@number
def expected_max_sharpe(n_trials: float, std: float) -> float:
    """The expected highest Sharpe ratio of `n_trials` independent trials without skill (2014, eq. 1).

    std·((1 − γ)·Φ⁻¹(1 − 1/N) + γ·Φ⁻¹(1 − 1/(N·e))). std: standard deviation of the trials' Sharpe ratios,
    in the unit wanted back. One trial has no advantage: 0; below about 1.3 (an effective number may be a
    fraction) the approximation falls under that and is held at 0. Raises RequestError `request.bad_param`
    for n_trials < 1 and std < 0.
    """
    finite_arguments(n_trials=n_trials, std=std)
    if n_trials < 1:
        raise BadArgument(f"n_trials is {n_trials}; at least 1 trial was made", field="n_trials", limit=1)
    if std < 0:
        raise BadArgument(f"std is {std}; a standard deviation is >= 0", field="std", limit=0)
    if n_trials == 1:
        return 0.0
    # −Φ⁻¹(q) for Φ⁻¹(1 − q): 1 − 1/N loses its digits for many trials.
    highest = -(1 - EULER_GAMMA) * normal_quantile(1 / n_trials)
    highest -= EULER_GAMMA * normal_quantile(1 / (n_trials * math.e))
    return max(0.0, std * highest)


@number
def deflated_sharpe_ratio(
    observed: float, n_trials: float, trials_std: float, n: float, skew: float, kurtosis: float
) -> float:
    """The probability that the true Sharpe ratio is above what luck gives the best of `n_trials` (2014).

    PSR against `expected_max_sharpe(n_trials, trials_std)`; all Sharpe ratios per period, kurtosis Pearson's.
    n_trials: the effective number of independent trials. None and errors as for those two.
    """
    luck = inspect.unwrap(expected_max_sharpe)(n_trials, trials_std)
    return float(inspect.unwrap(probabilistic_sharpe_ratio)(observed, luck, n, skew, kurtosis))


@number
def mean_correlation(matrix: Floats) -> float:
    """The average correlation between the columns of `matrix`, shape (observations, trials).

    Taken from the variance of the sum of the standardised columns, which needs no N×N matrix:
    Var(Σz) = N + N(N − 1)·ρ̄. Columns that do not vary are left out; None where fewer than two remain.
    """
    values = as_floats(matrix, "matrix")
    if values.ndim != 2:
        raise BadArgument(f"matrix has {values.ndim} dimensions; it is observations × trials", field="matrix")
    if not np.isfinite(values).all():
        raise Undefined("the matrix holds a value that is not finite")
    if len(values) < 3:
        raise Undefined(f"{len(values)} observations; three are needed for a correlation")
    centred = values - values.mean(axis=0)
    spread = (centred * centred).sum(axis=0)
    varies = spread > 1e-24 * (values * values).sum(axis=0)
    count = int(varies.sum())
    if count < 2:
        raise Undefined("fewer than two trials vary")
    total = (centred[:, varies] / np.sqrt(spread[varies])).sum(axis=1)
    return (float((total * total).sum()) - count) / (count * (count - 1))


@number
def effective_trials(n_trials: float, correlation: float) -> float:
    """The number of independent trials that `n_trials` correlated ones are worth (2014, appendix A.3).

    ρ̄ + (1 − ρ̄)·N with the average correlation ρ̄ held within [0, 1]: between 1 and N, and cautious, because
    clusters of copies count for more than one each.
    """
    finite_arguments(n_trials=n_trials, correlation=correlation)
    if n_trials < 1:
        raise BadArgument(f"n_trials is {n_trials}; at least 1 trial was made", field="n_trials", limit=1)
    rho = min(1.0, max(0.0, correlation))
    return rho + (1 - rho) * n_trials


@number
def sharpe_spread(sharpes: Series) -> float:
    """The standard deviation (ddof 1) of the trials' Sharpe ratios; trials without one (None) left out."""
    values = as_floats(sharpes, "sharpes")
    values = values[np.isfinite(values)]
    if len(values) < 2:
        raise Undefined("fewer than two trials have a Sharpe ratio")
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((values - mean) ** 2) / (len(values) - 1))
