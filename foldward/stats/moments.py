"""Power sums of returns and what follows from them: sums of blocks add up, so any window is one addition."""

from __future__ import annotations

import math
from typing import NamedTuple

from foldward.stats._number import FLAT, Series, Undefined, finite_arguments, number, positive, series


class Sums(NamedTuple):
    """n returns and the sums of their first four powers: Σr, Σr², Σr³, Σr⁴."""

    n: int
    s1: float
    s2: float
    s3: float = 0.0
    s4: float = 0.0


class Moments(NamedTuple):
    """Mean, standard deviation (ddof 1), skewness g1 and Pearson kurtosis b2 (3 for a normal).

    g1 = m3/m2^1.5 and b2 = m4/m2² with central moments m_k over n, the estimators of the PSR paper.
    """

    n: int
    mean: float
    std: float
    skew: float
    kurtosis: float

    def sharpe(self) -> float:
        """Sharpe ratio per period: mean/std, no risk-free rate."""
        return self.mean / self.std


def sums_of(returns: Series) -> Sums:
    """The power sums of a list of returns; raises Undefined where one of them is not finite."""
    r = series(returns, "returns")
    square = r * r
    return Sums(len(r), math.fsum(r), math.fsum(square), math.fsum(square * r), math.fsum(square * square))


def moments_of(returns: Series) -> Moments:
    """Moments in two passes (exact sums), the better conditioned way; raises Undefined as `moments`."""
    r = series(returns, "returns")
    _enough(len(r))
    mean = math.fsum(r) / len(r)
    d = r - mean
    square = d * d
    return _moments(
        len(r), mean, math.fsum(square), math.fsum(square * d), math.fsum(square * square), math.fsum(r * r)
    )


def moments(sums: Sums) -> Moments:
    """Moments from power sums; Undefined for fewer than 2 returns and for a flat series."""
    finite_arguments(n=sums.n, s1=sums.s1, s2=sums.s2, s3=sums.s3, s4=sums.s4)
    n, s1, s2, s3, s4 = sums
    _enough(n)
    mean = s1 / n
    m2 = s2 - s1 * mean
    m3 = s3 - 3 * mean * s2 + 2 * mean * mean * s1
    m4 = s4 - 4 * mean * s3 + 6 * mean * mean * s2 - 3 * mean**3 * s1
    return _moments(n, mean, m2, m3, m4, s2)


@number
def sharpe_from_sums(n: int, s1: float, s2: float, periods_per_year: float) -> float:
    """The annualised Sharpe ratio of n returns with sums Σr and Σr²; None as for `sharpe_ratio`."""
    year = positive(periods_per_year, "periods_per_year")
    return ratio_of_sums(n, s1, s2) * math.sqrt(year)


def ratio_of_sums(n: int, s1: float, s2: float) -> float:
    """The Sharpe ratio per period from the first two power sums; raises Undefined as `moments`."""
    finite_arguments(n=n, s1=s1, s2=s2)
    _enough(n)
    mean = s1 / n
    return mean / math.sqrt(_varies(s2 - s1 * mean, s2) / (n - 1))


def _enough(n: int) -> None:
    if n < 2:
        raise Undefined(f"{n} returns; two are needed")


def _varies(m2: float, s2: float) -> float:
    if s2 == 0 or m2 <= FLAT * s2:
        raise Undefined("the returns do not vary")
    return m2


def _moments(n: int, mean: float, m2: float, m3: float, m4: float, s2: float) -> Moments:
    variance = _varies(m2, s2) / n
    if variance == 0 or variance * variance == 0:
        raise Undefined("the returns are too small for their moments")
    kurtosis = (m4 / n) / variance / variance
    if kurtosis < 1 - 1e-6:  # no data have less; sums of honest returns miss it by rounding only
        raise Undefined("the power sums contradict each other")
    return Moments(
        n=n,
        mean=mean,
        std=math.sqrt(m2 / (n - 1)),
        skew=(m3 / n) / variance / math.sqrt(variance),
        kurtosis=max(1.0, kurtosis),
    )
