"""The scheduling guard of walk-forward validation (spec 8.4). Pure: rows and times in, a decision out.

A run is started only while validation is enabled, `interval_s` after the last start, while fewer than
`max_pending` are under way, and if somebody is a candidate: best first, names under way skipped, at most
`max_per_run` at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import msgspec

from foldward.settings import WfvTable

CLASSIC_RATIO = 0.2


class Pending(msgspec.Struct, frozen=True):
    """A run under way. Times are seconds of one clock."""

    wfv_id: str
    name: str
    started_at: float
    request_id: str = ""
    kind: str = "wfv"
    deadline_at: float | None = None


class Candidate(msgspec.Struct, frozen=True):
    """A strategy that may be validated; `order` decides: larger is better."""

    name: str
    order: tuple[float, ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """Who is started, or why nobody: disabled | interval | pending | no_candidate."""

    start: tuple[str, ...] = ()
    reason: str | None = None


def pending_stats(pending: Iterable[Pending], now: float) -> tuple[int, float | None]:
    """How many are under way, and the age of the oldest: for starts at 900 and 950 and now 1000, (2, 100)."""
    starts = [run.started_at for run in pending]
    return len(starts), max(0.0, now - min(starts)) if starts else None


def guard(
    settings: WfvTable, pending: Collection[Pending], last_start: float | None, now: float
) -> str | None:
    """Why nothing may start now, whoever the candidates are; None when something may.

    last_start: when the schedule last started a run, None = never.
    """
    if not settings.enabled:
        return "disabled"
    # A last start in the future is a clock that was set back: it holds nobody up.
    if last_start is not None and 0 <= now - last_start < settings.interval_s:
        return "interval"
    return "pending" if len(pending) >= settings.max_pending else None


def choose(
    settings: WfvTable, pending: Collection[Pending], candidates: Iterable[Candidate]
) -> tuple[str, ...]:
    """The best candidates that are not under way, as many as may start."""
    busy = {run.name for run in pending}
    room = max(0, min(settings.max_per_run, settings.max_pending - len(pending)))
    free = [candidate for candidate in candidates if candidate.name not in busy]
    free.sort(key=lambda candidate: (tuple(-value for value in candidate.order), candidate.name))
    return tuple(candidate.name for candidate in free[:room])


def decide(
    settings: WfvTable,
    pending: Collection[Pending],
    candidates: Callable[[], Iterable[Candidate]],
    last_start: float | None,
    now: float,
) -> Decision:
    """The whole guard; candidates are only looked for when something may start."""
    reason = guard(settings, pending, last_start, now)
    if reason is not None:
        return Decision(reason=reason)
    chosen = choose(settings, pending, candidates())
    return Decision(start=chosen) if chosen else Decision(reason="no_candidate")


def expired(pending: Iterable[Pending], now: float) -> list[Pending]:
    """Runs past their deadline."""
    return [run for run in pending if run.deadline_at is not None and run.deadline_at <= now]


def split_ratio(plan: dict[str, Any] | None) -> float | None:
    """Out-of-sample share of a classic split, None for rolling, anchored and combinatorial plans."""
    plan = plan or {}
    if plan.get("mode", "classic") != "classic":
        return None
    ratio = plan.get("ratio", plan.get("oos", CLASSIC_RATIO))
    return float(ratio) if isinstance(ratio, int | float) else CLASSIC_RATIO


def parts(report: dict[str, Any]) -> list[tuple[str | int, float | None]]:
    """(part, Sharpe) of a walk-forward report: IS and OOS of a classic split, else each fold by number."""
    folds = report.get("folds") or []
    if len(folds) == 1:
        only = folds[0]
        return [("IS", only.get("is_sharpe")), ("OOS", only.get("oos_sharpe"))]
    if not folds and ("is_sharpe" in report or "oos_sharpe" in report):
        return [("IS", report.get("is_sharpe")), ("OOS", report.get("oos_sharpe"))]
    return [(number, fold.get("oos_sharpe")) for number, fold in enumerate(folds, start=1)]


def broken(report: dict[str, Any]) -> str | None:
    """Why a report is no result as a whole: a failed or missing fold; None when it is whole."""
    failed = report.get("failed") or 0
    if failed:
        return f"{failed} of {report.get('planned', '?')} folds failed"
    planned, folds = report.get("planned"), report.get("folds")
    if isinstance(planned, int) and isinstance(folds, list | tuple) and len(folds) < planned:
        return f"{planned - len(folds)} of {planned} folds are missing"
    return None
