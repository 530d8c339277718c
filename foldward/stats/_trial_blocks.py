"""The block statistics of all trials, as they travel in an evidence job."""

from __future__ import annotations

from typing import Any

import numpy as np

from foldward.stats._number import BadArgument, Floats, Undefined, as_floats, explain
from foldward.stats.deflated import mean_correlation, sharpe_spread
from foldward.stats.moments import ratio_of_sums


class TrialBlocks:
    """The trials' block statistics: columns of shape (blocks, trials), or the reason why there are none."""

    def __init__(self, blocks: Any) -> None:
        self._columns: tuple[Floats, Floats, Floats] | None = None
        self._why = "the trials' blocks are not given"
        if blocks is None:
            return
        try:
            lengths = {len(trial) for trial in blocks}
        except TypeError:
            raise BadArgument("blocks is a list per trial of [n, s1, s2]", field="blocks") from None
        if not lengths:
            return
        if len(lengths) != 1:
            self._why = "the trials have different numbers of blocks"
            return
        table = as_floats(blocks, "blocks")
        if table.ndim != 3 or table.shape[2] != 3:
            raise BadArgument(
                f"blocks has shape {table.shape}; it is trials × blocks × [n, s1, s2]", field="blocks"
            )
        n, s1, s2 = (np.ascontiguousarray(table[:, :, column].T) for column in range(3))
        if not np.isfinite(table).all():
            self._why = "the trials' blocks hold a value that is not finite"
        elif (n != n[:, :1]).any():
            self._why = "the trials' blocks are not of equal length: they cover different windows"
        elif (n < 1).any():
            self._why = "a block is empty"
        else:
            self._columns = n[:, 0], s1, s2

    def columns(self) -> tuple[Floats, Floats, Floats]:
        if self._columns is None:
            raise Undefined(self._why)
        return self._columns

    def correlation(self) -> tuple[float | None, str | None]:
        """The trials' average correlation, from the block means."""
        if self._columns is None:
            return None, self._why
        n, s1, _ = self._columns
        return explain(mean_correlation, s1 / n[:, None])

    def sharpe_std(self) -> tuple[float | None, str | None]:
        """The standard deviation of the trials' Sharpe ratios per period over all blocks."""
        if self._columns is None:
            return None, "sharpe_std is not given, and " + self._why
        n, s1, s2 = self._columns
        ratios = []
        for first, second in zip(s1.sum(axis=0), s2.sum(axis=0), strict=True):
            try:
                ratios.append(ratio_of_sums(int(n.sum()), float(first), float(second)))
            except Undefined:
                continue
        return explain(sharpe_spread, ratios)
