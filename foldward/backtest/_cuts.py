"""Where to end the data when a strategy of the user's own is tested for look-ahead."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from foldward.data.bars import Floats, Ints

# Early, around the middle, near the end: whoever looks at the whole series differs at all of them.
_SHARES = (0.31, 0.5, 0.73, 0.92)
# Of the bars at which a wish begins, and of the largest moves, so many of each kind.
_ONSETS = 2
_MOVES = 2


def cuts(close: Floats, bits: NDArray[np.uint8]) -> list[int]:
    """Lengths of the data at which the signals on a prefix are compared with the full run's, ascending.

    bits: the full run's wishes, one byte a bar. A rule that sees only the next bar differs from itself at the
    last bar of a prefix and nowhere else, so ends are chosen where it has a reason to look: where a wish
    begins (one made from the next bar is absent there), and before the largest moves of the series (one
    that the next bar suppressed appears there). Without them a rule that peeks and trades rarely would pass.
    """
    n = len(close)
    chosen = {max(2, math.ceil(n * share)) for share in _SHARES}
    for bit in (1, 2, 4, 8):
        on = (bits & bit) != 0
        begins = np.flatnonzero(on & ~np.concatenate(([False], on[:-1])))
        chosen.update(begins[_spread(len(begins), _ONSETS)] + 1)
    if n > 2 * _MOVES:
        move = close[1:] / close[:-1]
        order = np.argpartition(move, [_MOVES - 1, n - 1 - _MOVES])
        chosen.update(order[:_MOVES] + 1)
        chosen.update(order[-_MOVES:] + 1)
    return sorted(int(cut) for cut in chosen if 2 <= cut < n)


def _spread(count: int, wanted: int) -> Ints:
    """At most `wanted` of 0 … count − 1, apart from each other."""
    places = np.arange(1, wanted + 1) * count // (wanted + 1)
    return np.unique(np.clip(places, 0, count - 1)) if count else np.zeros(0, dtype=np.int64)
