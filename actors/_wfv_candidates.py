"""Whom the schedule would walk forward next: ranked strategies without a result for what they are now."""

from __future__ import annotations

from typing import Any, Protocol

from actors._schedule import Candidate
from foldward.contracts import clock
from foldward.settings import WfvTable

RANKS = ("legend", "S", "A", "B")  # best first
LOOKED_AT = 500  # candidates whose history is read in one go
AGAIN_S = 86_400.0  # a run that failed is not scheduled again before this


class Rows(Protocol):
    """What is read: storage.reads.Reader."""

    def strategies(
        self, revision_gt: int = 0, limit: int | None = None, *, rank: str | None = None
    ) -> list[Any]: ...
    def results_of(self, name: str, kind: str | None = None, *, limit: int = 100) -> list[Any]: ...
    def wfv_runs(
        self,
        state: str | None = None,
        *,
        name: str | None = None,
        kind: str | None = None,
        limit: int = 1000,
    ) -> list[Any]: ...


class Candidates:
    """See the module. Times are wall clock, Unix seconds."""

    def __init__(self, settings: WfvTable) -> None:
        self._settings = settings
        self._scanned: float | None = None

    def of(self, rows: Rows, now: float) -> list[Candidate]:
        """The first of the best rank that has any.

        Reads a whole rank: done at most ten times an interval, however often time passes.
        """
        quiet = max(self._settings.interval_s / 10, 30.0)
        if self._scanned is not None and 0 <= now - self._scanned < quiet:
            return []
        self._scanned = now
        found: list[Candidate] = []
        for place, rank in enumerate(RANKS):
            known = rows.strategies(rank=rank)
            known.sort(key=lambda row: (-_or_low(row.oos_sharpe), -_or_low(row.is_sharpe), row.name))
            for row in known[:LOOKED_AT]:
                if not _done(row, rows, now):
                    order = (-float(place), _or_low(row.oos_sharpe), _or_low(row.is_sharpe))
                    found.append(Candidate(row.name, order))
                    if len(found) > self._settings.max_pending + self._settings.max_per_run:
                        return found
        return found


def _done(row: Any, rows: Rows, now: float) -> bool:
    newest = rows.results_of(row.name, "wfv", limit=1)
    if newest and newest[0].requested_us >= row.defined_at:
        return True
    last = rows.wfv_runs(name=row.name, kind="wfv", limit=1)
    return (
        bool(last) and last[0].started_at / clock.US > now - AGAIN_S and last[0].started_at >= row.defined_at
    )


def _or_low(value: float | None) -> float:
    return value if value is not None else -1e9
