"""Overnight rates as one number a bar: what a position carried into that bar gains per unit."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from foldward.contracts.jobs import Costs, Swap
from foldward.data.bars import NS, Bars, Floats

_DAY_NS = 86_400 * NS
_NONE = np.zeros(0, dtype=np.float64)


def nightly(bars: Bars, costs: Costs, swaps: Iterable[Swap] | None) -> tuple[Floats, Floats]:
    """Swap for long and short per unit, booked on the first bar after each midnight UTC (times the nights).

    The newest record with t ≤ the bar's time counts, before the first one the constant rates of `costs`.
    Two empty arrays when nothing is ever charged.
    """
    history = sorted(swaps or (), key=lambda record: record.t)
    if costs.zero or (not history and not costs.swap_long and not costs.swap_short):
        return _NONE, _NONE
    nights = np.diff(bars.time // _DAY_NS, prepend=bars.time[:1] // _DAY_NS).astype(np.float64)
    at = np.searchsorted(np.array([record.t * NS for record in history], dtype=np.int64), bars.time, "right")
    long_rates = np.array([costs.swap_long, *(record.sl for record in history)], dtype=np.float64)
    short_rates = np.array([costs.swap_short, *(record.ss for record in history)], dtype=np.float64)
    return nights * long_rates[at], nights * short_rates[at]
