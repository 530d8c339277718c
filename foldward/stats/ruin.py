"""Monte-Carlo probability of ruin: the same trades in another order, drawn with replacement."""

from __future__ import annotations

import numpy as np

from foldward.stats._number import (
    BadArgument,
    Series,
    Undefined,
    number,
    positive,
    probability,
    series,
    whole,
)
from foldward.stats.bootstrap import resample_indices

MAX_PATHS = 100_000
MAX_DRAWS = 500_000_000


@number
def probability_of_ruin(
    trade_pnls: Series,
    cash: float,
    *,
    loss: float = 0.5,
    trades: int | None = None,
    paths: int = 5000,
    mean_block: float = 1.0,
    seed: int = 0,
) -> float:
    """The share of resampled paths on which the account ever loses `loss` of its starting cash.

    trade_pnls: results of single trades in money, drawn with replacement; mean_block > 1 keeps runs of
    neighbouring trades together (stationary bootstrap). trades: length of a path, by default as many as were
    made. None for fewer than 10 trades and where a result is not finite. The standard error of the share p
    is √(p(1 − p)/paths). Raises RequestError `request.bad_param` for arguments out of range.
    """
    start = positive(cash, "cash")
    floor = -start * (loss if loss == 1 else probability(loss, "loss"))
    whole(paths, "paths", 100, MAX_PATHS)
    pnl = series(trade_pnls, "trade_pnls")
    if len(pnl) < 10:
        raise Undefined(f"{len(pnl)} trades; ten are needed to resample")
    horizon = len(pnl) if trades is None else whole(trades, "trades", 1)
    if horizon * paths > MAX_DRAWS:
        raise BadArgument(
            f"{paths:,} paths of {horizon:,} trades are more than {MAX_DRAWS:,} draws",
            hint=f"choose trades <= {MAX_DRAWS // paths}",
            limit=MAX_DRAWS,
        )
    ruined = 0
    for rows in resample_indices(len(pnl), paths, mean_block, seed, length=horizon):
        ruined += int(np.count_nonzero(pnl[rows].cumsum(axis=1).min(axis=1) <= floor))
    return ruined / paths
