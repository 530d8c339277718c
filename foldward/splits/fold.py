"""One split: the ranges of bars it learns from and the ranges it is judged on."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Range = tuple[int, int]
Indices = NDArray[np.intp]


class Fold(NamedTuple):
    """Half-open (start, stop) ranges of bar indices, each part in order and disjoint.

    train: merged where they touch. test: one range per test window or test group, never merged, so that a
    group keeps its identity. An empty range (start == stop) is a window without bars: a missing fold, which
    the caller must not skip in silence.
    """

    train: tuple[Range, ...]
    test: tuple[Range, ...]

    def train_size(self) -> int:
        """Bars in the train part."""
        return sum(stop - start for start, stop in self.train)

    def test_size(self) -> int:
        """Bars in the test part."""
        return sum(stop - start for start, stop in self.test)


def indices(ranges: Iterable[Range]) -> Indices:
    """The bar indices of half-open ranges, one integer array in the order given."""
    parts = [np.arange(start, stop, dtype=np.intp) for start, stop in ranges]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.intp)


def subtract(total: Range, holes: Iterable[Range]) -> tuple[Range, ...]:
    """What is left of `total` after the holes are cut out, in order, touching pieces merged."""
    start, stop = total
    left: list[Range] = []
    for hole_start, hole_stop in sorted(holes):
        if hole_start > start:
            left.append((start, min(hole_start, stop)))
        start = max(start, hole_stop)
        if start >= stop:
            break
    if start < stop:
        left.append((start, stop))
    return tuple(left)
