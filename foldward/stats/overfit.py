"""Probability of backtest overfitting: how often the best in sample is below the median out of sample.

D. Bailey, J. Borwein, M. López de Prado and Q. Zhu (2015), "The Probability of Backtest Overfitting",
Journal of Computational Finance: combinatorially symmetric cross-validation (CSCV).
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foldward.stats._number import FLAT, BadArgument, Floats, Undefined, as_floats, number, whole

MAX_BLOCKS = 20
_CELLS = 1 << 18  # splits × trials held at a time: the working set stays in the processor's cache


class Cscv(NamedTuple):
    """What CSCV says about choosing the best of N trials.

    pbo: share of splits whose logit is <= 0. loss: share of splits where the chosen trial's out-of-sample
    Sharpe ratio is negative. logits: one per split, ln(ω / (1 − ω)) with ω = rank / (N + 1).
    """

    pbo: float
    loss: float
    logits: Floats


@number
def probability_of_backtest_overfitting(matrix: Any, n_blocks: int = 16) -> float:
    """PBO by CSCV of the returns of N trials, shape (observations, trials), in `n_blocks` blocks of rows.

    The rows are cut as numpy.array_split does and all are used. A trial that never moves within a half ranks
    there with a Sharpe ratio of 0; equal ones share the mean rank, and the first of equals is chosen. None
    for fewer than two trials, where a value is not finite, and where a trial's returns are constant and not
    zero in a half. Raises RequestError `request.bad_param` for a number of blocks that is odd, below 2,
    above MAX_BLOCKS or above half the rows.
    """
    return cscv(*block_sums(matrix, n_blocks)).pbo


@number
def pbo_from_blocks(n: Any, s1: Any, s2: Any) -> float:
    """PBO from block statistics: the sums Σr and Σr² of each trial in each block.

    s1, s2: shape (blocks, trials). n: returns per block, shape (blocks,) or (blocks, trials). The number of
    blocks is even, from 2 to MAX_BLOCKS. None and errors as `probability_of_backtest_overfitting`.
    """
    return cscv(n, s1, s2).pbo


def block_sums(matrix: Any, n_blocks: int) -> tuple[Floats, Floats, Floats]:
    """(n, Σr, Σr²) of contiguous blocks of rows; shapes (blocks,), (blocks, trials), (blocks, trials)."""
    blocks = _even(n_blocks)
    returns = as_floats(matrix, "matrix")
    if returns.ndim != 2:
        raise BadArgument(
            f"matrix has {returns.ndim} dimensions; it is observations × trials", field="matrix"
        )
    rows = len(returns)
    if rows < 2 * blocks:
        raise BadArgument(
            f"{blocks} blocks of {rows} observations; a block needs at least two",
            hint=f"choose n_blocks <= {rows // 4 * 2}" if rows >= 4 else "give more observations",
            field="n_blocks",
            limit=rows // 2,
        )
    size, extra = divmod(rows, blocks)
    cuts = [block * size + min(block, extra) for block in range(blocks)]
    counts = np.diff([*cuts, rows]).astype(np.float64)
    return counts, np.add.reduceat(returns, cuts), np.add.reduceat(returns * returns, cuts)


def merge_blocks(n: Floats, s1: Floats, s2: Floats, most: int = 16) -> tuple[Floats, Floats, Floats]:
    """Neighbouring blocks added up until an even number of at most `most` is left."""
    blocks = min(len(s1), most) // 2 * 2
    if blocks < 2:
        raise Undefined(f"{len(s1)} blocks; two are needed")
    size, extra = divmod(len(s1), blocks)
    cuts = [block * size + min(block, extra) for block in range(blocks)]
    return np.add.reduceat(n, cuts), np.add.reduceat(s1, cuts), np.add.reduceat(s2, cuts)


def cscv(n: Any, s1: Any, s2: Any) -> Cscv:
    """All of CSCV; arguments as `pbo_from_blocks`. Raises Undefined where there is no answer.

    The half sums are looked up: every subset of blocks is one entry of a table for the low blocks plus one
    of a table for the high blocks, always added in that order, so equal input gives equal bits.
    """
    counts, sums, squares = _checked(n, s1, s2)
    blocks, trials = sums.shape
    masks = _halves(blocks)
    full = (1 << blocks) - 1
    tables = [_subset_sums(column) for column in (counts, sums, squares)]
    rows = max(1, _CELLS // trials)
    logits = np.empty((2, len(masks)))
    losses = 0
    for at in range(0, len(masks), rows):
        part = masks[at : at + rows]
        inside = _sharpes(tables, part, blocks)
        outside = _sharpes(tables, full ^ part, blocks)
        for side, (chosen_on, judged_on) in enumerate(((inside, outside), (outside, inside))):
            best = chosen_on.argmax(axis=1)
            value = judged_on[np.arange(len(part)), best][:, None]
            below = np.count_nonzero(judged_on < value, axis=1)
            equal = np.count_nonzero(judged_on == value, axis=1)
            rank = below + (equal + 1) / 2
            logits[side, at : at + rows] = np.log(rank / (trials + 1 - rank))
            losses += int(np.count_nonzero(value < 0))
    every = logits.ravel()
    return Cscv(np.count_nonzero(every <= 0) / len(every), losses / len(every), every)


def _even(n_blocks: object) -> int:
    blocks = whole(n_blocks, "n_blocks", 2, MAX_BLOCKS)
    if blocks % 2:
        raise BadArgument(
            f"n_blocks is {blocks}; it is even, for half of the blocks are in sample",
            hint=f"choose {blocks - 1} or {min(blocks + 1, MAX_BLOCKS)}",
            field="n_blocks",
        )
    return blocks


def _checked(n: Any, s1: Any, s2: Any) -> tuple[Floats, Floats, Floats]:
    counts, sums, squares = as_floats(n, "n"), as_floats(s1, "s1"), as_floats(s2, "s2")
    if sums.ndim != 2 or sums.shape != squares.shape:
        raise BadArgument(f"s1 and s2 are blocks × trials; their shapes are {sums.shape} and {squares.shape}")
    _even(len(sums))
    if counts.ndim == 1:
        counts = counts[:, None]
    if len(counts) != len(sums) or counts.shape[1] not in (1, sums.shape[1]):
        raise BadArgument(f"n has shape {np.shape(n)} for {sums.shape[0]} blocks × {sums.shape[1]} trials")
    if not all(np.isfinite(part).all() for part in (counts, sums, squares)):
        raise Undefined("the block sums hold a value that is not finite")
    if sums.shape[1] < 2:
        raise Undefined("there is nothing to choose from: PBO needs two trials")
    half = np.sort(counts, axis=0)[: len(counts) // 2].sum(axis=0)
    if half.min() < 2:
        raise Undefined("a half of the blocks holds fewer than two returns")
    return counts, sums, squares


def _halves(blocks: int) -> NDArray[np.int64]:
    """The bit masks of half the blocks that hold block 0; their complements are the other half."""
    picks = itertools.combinations(range(1, blocks), blocks // 2 - 1)
    return np.array([1 + sum(1 << block for block in pick) for pick in picks], dtype=np.int64)


def _subset_sums(column: Floats) -> tuple[Floats, Floats]:
    """Sums over every subset of the lower and of the upper blocks, row = bit mask."""
    half = len(column) // 2
    tables = []
    for part in (column[:half], column[half:]):
        table = np.zeros((1, column.shape[1]))
        for row in part:
            table = np.concatenate((table, table + row))
        tables.append(table)
    return tables[0], tables[1]


def _sharpes(tables: list[tuple[Floats, Floats]], masks: NDArray[np.int64], blocks: int) -> Floats:
    half = blocks // 2
    low, high = masks & ((1 << half) - 1), masks >> half
    n, s1, s2 = (below[low] + above[high] for below, above in tables)
    spread = s2 - s1 * s1 / n
    flat = spread <= FLAT * s2
    if flat.any():
        if s2[flat].any():
            raise Undefined("a trial's returns are constant and not zero in a half of the blocks")
        spread[flat] = 1.0
    ratio: Floats = s1 / n / np.sqrt(spread / (n - 1))
    return ratio
