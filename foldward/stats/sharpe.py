"""The Sharpe ratio, and how sure one can be of it.

W. Sharpe (1994), "The Sharpe Ratio". F. Sortino and L. Price (1994). D. Bailey and M. López de Prado (2012),
"The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2): PSR and MinTRL in the form with n − 1 and
Pearson kurtosis. (The 2025 revision by the same authors evaluates the variance under the benchmark instead;
that is another number.)
"""

from __future__ import annotations

import math

import numpy as np

from foldward.stats._number import (
    BadArgument,
    Series,
    Undefined,
    finite_arguments,
    normal_quantile,
    number,
    phi,
    positive,
    probability,
    series,
)
from foldward.stats.moments import moments_of


@number
def sharpe_ratio(returns: Series, periods_per_year: float) -> float:
    """Annualised Sharpe ratio: mean/std (ddof 1) × √periods_per_year, no risk-free rate.

    returns: one per period, flat periods included. None for fewer than two returns, for returns that do not
    vary and where one is not finite. Raises RequestError `request.bad_param` for periods_per_year <= 0.
    """
    year = positive(periods_per_year, "periods_per_year")
    return moments_of(returns).sharpe() * math.sqrt(year)


@number
def sortino(returns: Series, periods_per_year: float, target: float = 0.0) -> float:
    """Annualised Sortino ratio: (mean − target) / √(Σ min(r − target, 0)² / n) × √periods_per_year.

    All n periods are in the denominator. None for fewer than two returns, where no return is below the
    target, and where one is not finite.
    """
    year = positive(periods_per_year, "periods_per_year")
    finite_arguments(target=target)
    r = series(returns, "returns")
    if len(r) < 2:
        raise Undefined(f"{len(r)} returns; two are needed")
    below = np.minimum(r - target, 0.0)
    downside = math.sqrt(math.fsum(below * below) / len(r))
    if downside == 0:
        raise Undefined("no return is below the target")
    return (math.fsum(r) / len(r) - target) / downside * math.sqrt(year)


@number
def probabilistic_sharpe_ratio(
    observed: float, benchmark: float, n: float, skew: float, kurtosis: float
) -> float:
    """The probability that the true Sharpe ratio exceeds `benchmark`, both per period (2012, eq. 11).

    Φ((SR − SR*)·√(n − 1) / √(1 − γ₃·SR + (γ₄ − 1)/4·SR²)). n: number of returns. kurtosis: Pearson's, 3 for
    a normal. None for n < 2 and where the estimated variance is not positive. Raises RequestError
    `request.bad_param` for a kurtosis below 1, which no data have.
    """
    finite_arguments(observed=observed, benchmark=benchmark, n=n, skew=skew, kurtosis=kurtosis)
    variance = _variance(observed, skew, kurtosis)
    if n < 2:
        raise Undefined(f"{n} returns; two are needed")
    return phi((observed - benchmark) * math.sqrt(n - 1) / math.sqrt(variance))


@number
def min_track_record_length(
    observed: float, benchmark: float, skew: float, kurtosis: float, confidence: float = 0.95
) -> float:
    """How many returns are needed before PSR(benchmark) reaches `confidence` (2012, eq. 13).

    1 + (1 − γ₃·SR + (γ₄ − 1)/4·SR²)·(z / (SR − SR*))². Sharpe ratios per period. None where the observed
    Sharpe ratio does not exceed the benchmark: no length is enough.
    """
    finite_arguments(observed=observed, benchmark=benchmark, skew=skew, kurtosis=kurtosis)
    z = normal_quantile(probability(confidence, "confidence"))
    variance = _variance(observed, skew, kurtosis)
    if observed <= benchmark:
        raise Undefined("the observed Sharpe ratio does not exceed the benchmark; no length is enough")
    return 1 + variance * (z / (observed - benchmark)) ** 2


def _variance(observed: float, skew: float, kurtosis: float) -> float:
    # (n − 1) times the variance of the estimated Sharpe ratio; E. Mertens (2002).
    if kurtosis < 1 - 1e-9:
        raise BadArgument(
            f"kurtosis is {kurtosis}; no data have less than 1",
            hint="give Pearson's kurtosis, 3 for a normal: add 3 to an excess kurtosis",
            field="kurtosis",
            limit=1,
        )
    variance = 1 - skew * observed + (kurtosis - 1) / 4 * observed * observed
    if variance <= 0:
        raise Undefined("skewness and kurtosis give the Sharpe ratio no positive variance")
    return variance
