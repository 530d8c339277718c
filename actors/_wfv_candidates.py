"""Whom the schedule would walk forward next: ranked strategies without a result for what they are now."""

from __future__ import annotations

from typing import Any, Protocol

from actors._schedule import Candidate
from foldward.contracts import clock
from foldward.contracts.messages import SubmitOutcome
from foldward.settings import WfvTable

RANKS = ("legend", "S", "A", "B")  # best first
LOOKED_AT = 500  # candidates of a rank whose history is read in one go
FOUND = 20  # candidates that are kept at hand: the best may be refused
AGAIN_S = 86_400.0  # a run that failed or was refused is not scheduled again before this
_PASSING = ("queue", "storage")  # families of refusals that mean no strategy in particular


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
        self._found: dict[str, Candidate] = {}
        self._defined: dict[str, int] = {}  # those of _found → the definition that was looked at
        self._done: dict[str, int] = {}  # names with a result → the definition that it is for
        self._refused: dict[str, tuple[int, float]] = {}  # name → the definition, and when

    def of(self, rows: Rows, now: float) -> list[Candidate]:
        """The best ones, the best rank first.

        Reads whole ranks: done at most ten times an interval, however often time passes. In between, those
        found last that were neither taken nor refused.
        """
        quiet = max(self._settings.interval_s / 10, 30.0)
        if self._scanned is None or not 0 <= now - self._scanned < quiet:
            self._scanned = now
            self._scan(rows, now)
        return list(self._found.values())

    def answered(self, name: str, item: SubmitOutcome, now: float) -> None:
        """What the queue said to a candidate. Whoever cannot start must not hold up those behind him."""
        defined_at = self._defined.get(name)
        if defined_at is None or (item.code or "").partition(".")[0] in _PASSING:
            return
        del self._found[name], self._defined[name]
        if item.status == "cached":
            self._done[name] = defined_at  # a definition that came back, and its answer with it
        elif item.status == "refused":
            self._refused[name] = (defined_at, now)

    def _scan(self, rows: Rows, now: float) -> None:
        self._found.clear()
        self._defined.clear()
        for place, rank in enumerate(RANKS):
            known = [row for row in rows.strategies(rank=rank) if self._open(row, now)]
            known.sort(key=lambda row: (-_or_low(row.oos_sharpe), -_or_low(row.is_sharpe), row.name))
            for row in known[:LOOKED_AT]:
                if _has_result(row, rows):
                    self._done[row.name] = row.defined_at
                elif not _tried(row, rows, now):
                    order = (-float(place), _or_low(row.oos_sharpe), _or_low(row.is_sharpe))
                    self._found[row.name] = Candidate(row.name, order)
                    self._defined[row.name] = row.defined_at
                    if len(self._found) >= FOUND + self._settings.max_pending + self._settings.max_per_run:
                        return

    def _open(self, row: Any, now: float) -> bool:
        """Whether nothing that is remembered speaks against it; its history may."""
        if self._done.get(row.name) == row.defined_at:
            return False
        defined_at, at = self._refused.get(row.name, (None, 0.0))
        # A refusal from the future is a clock that was set back: it holds nobody up.
        return defined_at != row.defined_at or not 0 <= now - at < AGAIN_S


def _has_result(row: Any, rows: Rows) -> bool:
    newest = rows.results_of(row.name, "wfv", limit=1)
    return bool(newest) and newest[0].requested_us >= row.defined_at


def _tried(row: Any, rows: Rows, now: float) -> bool:
    last = rows.wfv_runs(name=row.name, kind="wfv", limit=1)
    if not last or last[0].started_at < row.defined_at:
        return False
    return bool(0 <= now - last[0].started_at / clock.US < AGAIN_S)


def _or_low(value: float | None) -> float:
    return value if value is not None else -1e9
