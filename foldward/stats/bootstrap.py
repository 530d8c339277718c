"""The stationary bootstrap: resampling that keeps short-range dependence.

D. Politis and J. Romano (1994), "The Stationary Bootstrap", JASA 89(428): blocks of geometric length, mean
1/p, begin at uniform positions and wrap around the end.

Random numbers are made from the raw 64-bit stream of PCG64, which numpy keeps stable across versions (its
distributions are not promised, NEP 19): one seed is one result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import PCG64
from numpy.typing import NDArray

from foldward.stats._number import (
    FLAT,
    BadArgument,
    Floats,
    Series,
    Undefined,
    positive,
    probability,
    series,
    whole,
)

MAX_SEED = 2**64 - 1
MAX_RESAMPLES = 100_000
_CELLS = 1 << 20  # numbers held at a time

Statistic = Callable[[Floats], Floats]


def default_block(n: int) -> float:
    """Mean block length n^(1/3), the rate of the paper's section 4 with constant 1; at least 1."""
    return max(1.0, round(math.cbrt(n), 6))


def resample_indices(
    n: int, rows: int, mean_block: float, seed: int, length: int | None = None
) -> Iterator[NDArray[np.int64]]:
    """Index arrays of shape (some rows, length) into a series of n, `rows` rows altogether.

    length: defaults to n. mean_block: mean length of a block, >= 1 (1: independent draws). The rows depend
    on nothing but the arguments. Raises RequestError `request.bad_param` for arguments out of range.
    """
    whole(n, "n", 1, 2**31)
    whole(rows, "rows", 1, MAX_RESAMPLES)
    seed = whole(seed, "seed", 0, MAX_SEED)
    length = n if length is None else whole(length, "length", 1)
    if positive(mean_block, "mean_block") < 1:
        raise BadArgument(f"mean_block is {mean_block}; a block has at least 1 element", limit=1)
    restart_below = round(2**32 / mean_block)
    stream = PCG64(seed)
    steps = np.arange(length)
    chunk = max(1, _CELLS // length)
    for first in range(0, rows, chunk):
        count = min(chunk, rows - first)
        raw = stream.random_raw(count * length).reshape(count, length)
        start = (((raw & 0xFFFFFFFF) * np.uint64(n)) >> np.uint64(32)).astype(np.int64)
        restarts = (raw >> np.uint64(32)) < restart_below
        last = np.maximum.accumulate(np.where(restarts, steps, 0), axis=1)
        yield (np.take_along_axis(start, last, axis=1) + steps - last) % n


def bootstrap_interval(
    returns: Series,
    periods_per_year: float = 1.0,
    *,
    statistic: Statistic | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    mean_block: float | None = None,
    seed: int = 0,
) -> tuple[float, float] | None:
    """(low, high) of the percentile interval of the annualised Sharpe ratio by the stationary bootstrap.

    statistic: another statistic, from resampled returns of shape (rows, n) to shape (rows,), NaN where it is
    undefined. None for fewer than 10 returns, returns that do not vary or are not finite, and where more
    than 5 % of the resamples have no value. Raises RequestError `request.bad_param` for arguments out of
    range.
    """
    try:
        with np.errstate(all="ignore"):
            return interval(
                returns,
                periods_per_year,
                statistic=statistic,
                confidence=confidence,
                resamples=resamples,
                mean_block=mean_block,
                seed=seed,
            )
    except Undefined:
        return None


def interval(
    returns: Series,
    periods_per_year: float,
    *,
    statistic: Statistic | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    mean_block: float | None = None,
    seed: int = 0,
) -> tuple[float, float]:
    """As `bootstrap_interval`; raises Undefined with the reason instead of giving None."""
    year = math.sqrt(positive(periods_per_year, "periods_per_year"))
    tail = (1 - probability(confidence, "confidence")) / 2
    whole(resamples, "resamples", 100, MAX_RESAMPLES)
    r = series(returns, "returns")
    if len(r) < 10:
        raise Undefined(f"{len(r)} returns; ten are needed to resample")
    if r.max() == r.min():
        raise Undefined("the returns do not vary")
    block = default_block(len(r)) if mean_block is None else mean_block
    measure = statistic or _sharpes
    parts = [measure(r[rows]) for rows in resample_indices(len(r), resamples, block, seed)]
    values = np.concatenate(parts)
    if statistic is None:
        values = values * year
    known = values[np.isfinite(values)]
    if len(known) < 0.95 * resamples:
        raise Undefined(f"only {len(known)} of {resamples} resamples have a value")
    low, high = np.quantile(known, (tail, 1 - tail))
    return float(low), float(high)


def _sharpes(sampled: Floats) -> Floats:
    n = sampled.shape[1]
    mean = sampled.mean(axis=1)
    spread = (sampled * sampled).sum(axis=1) - n * mean * mean
    flat = spread <= FLAT * (sampled * sampled).sum(axis=1)
    ratio: Floats = np.where(flat, np.nan, mean / np.sqrt(np.where(flat, 1.0, spread) / (n - 1)))
    return ratio
