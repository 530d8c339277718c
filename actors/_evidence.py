"""When a strategy's evidence may be asked for, and with which trials (spec 8.5).

The number of trials is learnt from the stored backtests of every strategy, in bounded batches and only when
some strategy needs it: most never come so far.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from actors._trials import TrialBook, block_sums

BATCH = 100
PAGE = 100  # backtests of one strategy that are read at first
_MAX_PLANS = 100  # plans in one batch: each carries some hundred kB


class EvidenceDesk:
    """Who waits for evidence, what is known of the trials, and whose evidence is out of date.

    strict: any new trial outdates it (a complete run: equal inputs, equal numbers); else a tenth more.
    """

    def __init__(self, *, strict: bool) -> None:
        self.waiting: dict[str, str] = {}  # name → fingerprint of its data
        self._book = TrialBook()
        self._strict = strict
        self._revision = 0
        self._learnt = False
        self._proven: dict[str, dict[str, float | None]] = {}  # fingerprint → name → trials it knew of
        self._looked: dict[str, int] = {}
        self._read: dict[str, str] = {}  # name → the newest of its backtests that was read

    @property
    def wanted(self) -> bool:
        """Whether anybody needs the trials to be counted."""
        return bool(self.waiting or self._proven)

    @property
    def busy(self) -> bool:
        """Whether there is more to learn or to hand out at once."""
        return bool(self.waiting) or (self.wanted and not self._learnt)

    def wait(self, name: str, fingerprint: str) -> None:
        """The strategy needs evidence on these data."""
        self.waiting[name] = fingerprint
        self._learnt = False

    def drop(self, name: str) -> None:
        """The strategy needs none any more."""
        self.waiting.pop(name, None)
        for names in self._proven.values():
            names.pop(name, None)

    def knows(self, name: str, fingerprint: str, trials: float | None) -> None:
        """A strategy's evidence was made with so many trials."""
        self._proven.setdefault(fingerprint, {})[name] = trials

    def stale(self, fingerprint: str, trials: float | None) -> bool:
        """Whether evidence made with so many trials is out of date."""
        return self._book.stale(fingerprint, trials, strict=self._strict)

    def look_again(self) -> None:
        """New trials may have been made: the next batch looks for them."""
        self._learnt = False

    def learn(self, rows: Any) -> bool:
        """Read one batch of strategies whose trials may be new; True when that was the last one."""
        if self._learnt:
            return False
        changed = rows.strategies(revision_gt=self._revision, limit=BATCH)
        for row in changed:
            self._revision = max(self._revision, row.revision)
            for known in self._unread(row.name, rows):
                trial = trial_of(known)
                if known.verdict == "OK" and not self._book.has(known.fingerprint, trial):
                    whole = rows.result(known.request_id)
                    if whole is not None:
                        sums = block_sums((whole.detail or {}).get("blocks"))
                        self._book.add(known.fingerprint, trial, sums)
        self._learnt = len(changed) < BATCH
        return self._learnt

    def _unread(self, name: str, rows: Any) -> list[Any]:
        """Its backtests since the last look, newest first; all of them at the first."""
        last, limit = self._read.get(name), PAGE
        while True:
            page = rows.results_of(name, "backtest", limit=limit)
            new = list(itertools.takewhile(lambda result: result.request_id != last, page))
            if len(new) < limit:
                break
            limit *= 8  # a strategy that is redefined by a programme has thousands
        if new:
            self._read[name] = new[0].request_id
        return new

    def ready(self, closed: Callable[[str], set[str]]) -> dict[str, dict[str, Any]]:
        """Plans by name for those that wait, once all trials are known; empty before."""
        if not self._learnt:
            return {}
        plans: dict[str, dict[str, Any]] = {}
        for name, fingerprint in list(self.waiting.items()):
            if len(plans) >= _MAX_PLANS:
                break
            del self.waiting[name]
            if "evidence" not in closed(name):
                plans[name] = self._book.plan(fingerprint)
        return plans

    def outdated(self) -> list[str]:
        """Names whose evidence knows too few trials."""
        found = []
        for fingerprint, names in self._proven.items():
            count = self._book.count(fingerprint)
            if count != self._looked.get(fingerprint):
                self._looked[fingerprint] = count
                found += [name for name, trials in names.items() if self.stale(fingerprint, trials)]
        return found


def trial_of(result: Any) -> str:
    """What makes a trial: the definition without its name, the source of a kind of the user's own, the bars.

    Neither seed nor run nor the engine's version: the same rule on the same bars is no second try.
    """
    _, plus, source = result.engine.partition("+")
    return f"{result.work}{plus}{source}:{result.window_start}:{result.window_end}"
