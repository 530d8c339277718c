"""Every trial that was ever made on a data set, in the form in which an evidence job carries it.

A Sharpe ratio found after many tries is worth less than one found at once (Bailey & López de Prado 2014), so
the count must be honest: one trial is one distinct piece of in-sample work, whoever asked for it and whatever
became of its strategy. Block sums of a bounded sample of the trials travel along for the probability of
backtest overfitting (Bailey et al. 2015). All sums are exactly rounded (`math.fsum`), so that the order of
arrival never shows in a digest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

BLOCKS = 16  # 12,870 ways to choose half of them
SAMPLE = 200  # trials whose blocks travel: about 200 kB of JSON
_OLD_AND_NEW = 1.1  # evidence is out of date once there are a tenth more trials than it knew

Block = tuple[float, float, float]


class TrialBook:
    """Trials by the fingerprint of their data."""

    def __init__(self) -> None:
        self._pages: dict[str, _Page] = {}

    def add(self, fingerprint: str, identity: str, sums: Sequence[Block]) -> bool:
        """Note one trial: the digest of its work, and [n, Σr, Σr²] per block. False: known already."""
        page = self._pages.get(fingerprint)
        if page is None:
            page = self._pages[fingerprint] = _Page()
        return page.add(identity, sums)

    def has(self, fingerprint: str, identity: str) -> bool:
        """Whether a trial is known."""
        page = self._pages.get(fingerprint)
        return page is not None and identity in page.sharpes

    def count(self, fingerprint: str) -> int:
        """How many trials are known on these data."""
        page = self._pages.get(fingerprint)
        return len(page.sharpes) if page else 0

    def plan(self, fingerprint: str) -> dict[str, Any]:
        """What an evidence job carries: trials {n, sharpe_std, window}, blocks [trial][block][n, s1, s2]."""
        page = self._pages.get(fingerprint)
        return page.plan() if page else {"trials": {"n": 1, "sharpe_std": 0.0}}

    def stale(self, fingerprint: str, known: float | None, *, strict: bool) -> bool:
        """Whether evidence that knew of `known` trials is out of date. strict: any new trial counts."""
        now = self.count(fingerprint)
        if known is None or now == 0:
            return False
        return now != known if strict else now > known * _OLD_AND_NEW


class _Page:
    """The trials on one data set."""

    def __init__(self) -> None:
        self.sharpes: dict[str, float | None] = {}
        self.sample: dict[str, list[list[float]]] = {}
        self.windows: dict[tuple[int, int], int] = {}
        self._last = ""  # the largest identity of a full sample
        self._plan: dict[str, Any] | None = None

    def add(self, identity: str, sums: Sequence[Block]) -> bool:
        if identity in self.sharpes:
            return False
        self._plan = None
        window = window_of(identity)
        if window is not None:
            self.windows[window] = self.windows.get(window, 0) + 1
        self.sharpes[identity] = sharpe_of(sums)
        # The smallest digests are a sample that depends on nothing but the trials themselves.
        if sums and (len(self.sample) < SAMPLE or identity < self._last):
            self.sample[identity] = merge(sums, BLOCKS)
            if len(self.sample) > SAMPLE:
                del self.sample[max(self.sample)]
            self._last = max(self.sample) if len(self.sample) == SAMPLE else ""
        return True

    def plan(self) -> dict[str, Any]:
        if self._plan is None:
            known = [value for value in self.sharpes.values() if value is not None]
            trials: dict[str, Any] = {"n": len(self.sharpes)}
            spread = spread_of(known)
            if spread is not None:
                trials["sharpe_std"] = spread
            elif len(self.sharpes) == 1:
                trials["sharpe_std"] = 0.0
            if self.windows:
                # The bars of most trials; between equals the later ones.
                trials["window"] = list(max((count, window) for window, count in self.windows.items())[1])
            self._plan = {"trials": trials}
            alike = self._alike()
            if len(alike) > 1:
                self._plan["blocks"] = [self.sample[identity] for identity in alike]
        return self._plan

    def _alike(self) -> list[str]:
        """The largest set of sampled trials that are cut at the same bars, in the order of their digests."""
        groups: dict[tuple[float, ...], list[str]] = {}
        for identity in sorted(self.sample):
            groups.setdefault(tuple(block[0] for block in self.sample[identity]), []).append(identity)
        return max(groups.values(), key=len, default=[])


def window_of(identity: str) -> tuple[int, int] | None:
    """The bars that a trial was made on, from its identity `work:start:end`; None where it names none."""
    before, _, end = identity.rpartition(":")
    try:
        return int(before.rpartition(":")[2]), int(end)
    except ValueError:
        return None


def block_sums(blocks: Mapping[str, Any] | None) -> list[Block]:
    """[n, Σr, Σr²] per block from a result's `blocks`, empty when it carries none that can be used.

    Read are `rows`, one [n, s1, s2, …] each, and columns `n` (or `days`), `s1`, `s2`.
    """
    if not isinstance(blocks, Mapping):
        return []
    rows = blocks.get("rows")
    if rows is None:
        columns = (blocks.get("n", blocks.get("days")), blocks.get("s1"), blocks.get("s2"))
        if not all(isinstance(column, Sequence) and not isinstance(column, str) for column in columns):
            return []
        rows = list(zip(*columns, strict=False))  # type: ignore[arg-type]
    try:
        found = [(float(row[0]), float(row[1]), float(row[2])) for row in rows]
    except (TypeError, ValueError, IndexError, KeyError):
        return []
    if not all(math.isfinite(value) for block in found for value in block):
        return []
    return [block for block in found if block[0] > 0]


def sharpe_of(sums: Sequence[Block]) -> float | None:
    """Sharpe ratio per period (ddof 1) of a whole trial, None when its returns do not vary."""
    n = math.fsum(block[0] for block in sums)
    if n < 2:
        return None
    mean = math.fsum(block[1] for block in sums) / n
    squares = math.fsum(block[2] for block in sums)
    variance = (squares - n * mean * mean) / (n - 1)
    # The same bound as the engine's: below it the variance is rounding.
    if not variance > 1e-14 * squares / n:
        return None
    return mean / math.sqrt(variance)


def spread_of(values: Sequence[float]) -> float | None:
    """Standard deviation (ddof 1), None for fewer than two values."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def merge(sums: Sequence[Block], count: int) -> list[list[float]]:
    """Adjacent blocks joined to `count` of nearly equal number, or as they are when there are no more."""
    size = len(sums)
    if size <= count:
        return [list(block) for block in sums]
    bounds = [round(part * size / count) for part in range(count + 1)]
    return [
        [math.fsum(block[column] for block in sums[low:high]) for column in range(3)]
        for low, high in itertools.pairwise(bounds)
    ]
