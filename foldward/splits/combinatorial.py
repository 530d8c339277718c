"""Combinatorial purged cross-validation.

M. López de Prado, "Advances in Financial Machine Learning" (2018): purging and embargo ch. 7, combinatorial
splits and backtest paths ch. 12.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foldward.splits._refuse import BadPlan, count_of, whole
from foldward.splits.fold import Fold, Indices, Range, indices, subtract

MAX_SPLITS = 20_000
_READABLE = 10**15


class CombinatorialPurged:
    """C(N, k) splits of N groups of bars, k of them the test part.

    n_groups: N >= 2. n_test_groups: 1 <= k < N. purge: bars removed from the train part on both sides of a
    test group (a position opened on either side of the border may reach across it). embargo: further bars
    removed after a test group (serial correlation). Splits come in lexicographic order of their test groups.

    Groups are contiguous and of nearly equal size, the first ones a bar (a trading day, where `day_end` is
    given) longer, as numpy.array_split does.

    Raises RequestError `request.bad_plan` for counts outside these limits, more than MAX_SPLITS splits,
    fewer bars or days than groups, and a train part that purge and embargo swallow.
    """

    def __init__(self, n_groups: int, n_test_groups: int, purge: int = 0, embargo: int = 0) -> None:
        self.n_groups = whole(n_groups, "n_groups", 2)
        self.n_test_groups = whole(n_test_groups, "n_test_groups", 1)
        self.purge = whole(purge, "purge", 0)
        self.embargo = whole(embargo, "embargo", 0)
        if self.n_test_groups >= self.n_groups:
            raise BadPlan(
                f"n_test_groups is {n_test_groups} of n_groups={n_groups}; at least one group must remain to "
                "learn from",
                hint=f"choose n_test_groups <= {self.n_groups - 1}",
                limit=self.n_groups - 1,
            )
        # C(N, k) >= N: beyond the limit the binomial, which can be astronomical, need not be known.
        if self.n_groups > MAX_SPLITS or self.n_splits > MAX_SPLITS:
            exact = self.n_groups <= MAX_SPLITS and self.n_splits < _READABLE
            many = f"{self.n_splits:,}" if exact else f"far more than {MAX_SPLITS:,}"
            raise BadPlan(
                f"{n_test_groups} of {n_groups} groups gives {many} splits; the limit is "
                f"{MAX_SPLITS:,}: each split is a run of its own",
                hint="fewer groups, or fewer test groups: 10 and 2 give 45 splits and 9 paths",
                limit=MAX_SPLITS,
            )

    def __repr__(self) -> str:
        return (
            f"CombinatorialPurged(n_groups={self.n_groups}, n_test_groups={self.n_test_groups}, "
            f"purge={self.purge}, embargo={self.embargo})"
        )

    @property
    def n_splits(self) -> int:
        """C(N, k)."""
        return math.comb(self.n_groups, self.n_test_groups)

    @property
    def n_paths(self) -> int:
        """φ = C(N, k)·k / N: each group is tested that often."""
        return math.comb(self.n_groups - 1, self.n_test_groups - 1)

    def test_groups(self) -> list[tuple[int, ...]]:
        """The test groups of each split, in the order of the splits."""
        return list(itertools.combinations(range(self.n_groups), self.n_test_groups))

    def paths(self) -> list[tuple[int, ...]]:
        """The φ backtest paths: `paths()[j][g]` is the split whose test on group g belongs to path j.

        Path j takes, for each group, the j-th split that tests it; so every (split, test group) pair is on
        exactly one path, and every path covers all groups once.
        """
        tested: list[list[int]] = [[] for _ in range(self.n_groups)]
        for split, groups in enumerate(self.test_groups()):
            for group in groups:
                tested[group].append(split)
        return list(zip(*tested, strict=True))

    def groups(self, data: Any, day_end: NDArray[np.uint8] | None = None) -> list[Range]:
        """The N groups as half-open ranges.

        data: the number of bars, or anything with that length. day_end: shape (n,), 1 where a bar is the
        last of its trading day; groups then hold whole days (bars after the last mark are a day too).
        """
        n = count_of(data)
        if day_end is None:
            edges = _array_split(n, self.n_groups)
            if n < self.n_groups:
                raise self._too_few(n, "bars")
            return list(itertools.pairwise(edges))
        marks = np.asarray(day_end)
        if marks.shape != (n,):
            raise BadPlan(f"day_end has shape {marks.shape} for {n} bars; they must agree", field="day_end")
        stops = np.flatnonzero(marks) + 1
        if n and (not len(stops) or stops[-1] != n):
            stops = np.append(stops, n)
        if len(stops) < self.n_groups:
            raise self._too_few(len(stops), "trading days")
        cuts = [0, *stops.tolist()]
        return list(itertools.pairwise(cuts[day] for day in _array_split(len(stops), self.n_groups)))

    def ranges(self, data: Any, day_end: NDArray[np.uint8] | None = None) -> Iterator[Fold]:
        """The splits as half-open ranges: train purged, embargoed and merged; test one range per group."""
        groups = self.groups(data, day_end)
        n = groups[-1][1]
        for number, chosen in enumerate(self.test_groups()):
            test = tuple(groups[group] for group in chosen)
            holes = [(start - self.purge, stop + self.purge + self.embargo) for start, stop in test]
            train = subtract((0, n), holes)
            if not train:
                raise BadPlan(
                    f"purge={self.purge} and embargo={self.embargo} leave split {number} (test groups "
                    f"{', '.join(map(str, chosen))}) nothing to learn from",
                    hint="shorten purge and embargo, or use fewer groups or fewer test groups",
                )
            yield Fold(train, test)

    def split(self, data: Any, day_end: NDArray[np.uint8] | None = None) -> Iterator[tuple[Indices, Indices]]:
        """(train, test) integer index arrays of each split; arguments as in `groups`."""
        for fold in self.ranges(data, day_end):
            yield indices(fold.train), indices(fold.test)

    def _too_few(self, have: int, what: str) -> BadPlan:
        return BadPlan(
            f"{self.n_groups} groups of {have} {what}: every group needs at least one",
            hint=f"choose n_groups <= {have}, or give more history",
            limit=have,
        )


def _array_split(n: int, parts: int) -> list[int]:
    size, extra = divmod(n, parts)
    return [part * size + min(part, extra) for part in range(parts + 1)]
