"""An engine's outcome as the wire's result: percentages, thinned curves, block sums, the latest trades."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from foldward.backtest import Outcome, trade_list
from foldward.contracts.jobs import Backtest, Fault
from foldward.wire._results import METRICS

MAX_EQUITY = 400
BLOCKS = 16
_COUNTS = ("trades", "wins", "losses")


def from_outcome(job: Backtest, outcome: Outcome) -> dict[str, Any]:
    """Fields of jobs.Result for one simulated window."""
    metrics = dict(outcome.metrics)
    reasons = dict(outcome.reasons)
    top: dict[str, Any] = {name: metrics.get(name) for name in METRICS}
    for name in _COUNTS:
        if top[name] is not None:
            top[name] = int(top[name])
    if top["win_rate"] is not None:
        top["win_rate"] = 100.0 * top["win_rate"]
    for name in METRICS:
        if top[name] is None:
            reasons.setdefault(name, f"verdict {outcome.verdict}" if outcome.faults else "not defined here")
    for name, value in metrics.items():
        if value is None:
            reasons.setdefault(name, "not defined here")
    fields: dict[str, Any] = {
        **top,
        "metrics": metrics,
        "reasons": reasons,
        "window": outcome.window,
        "result_digest": outcome.digest,
        "profile": outcome.profile,
        "verdict": outcome.verdict,
        "faults": outcome.faults,
        "notes": outcome.notes,
        "equity": thin_equity(outcome.day_times, outcome.day_equity),
        "blocks": block_sums(outcome, job.strategy.cash),
    }
    if job.include_trades:
        listed, truncated = trade_list(outcome.trades)
        fields["trade_list"] = tuple(listed)
        fields["trades_truncated"] = truncated
    return fields


def thin_equity(times: Any, equity: Any, limit: int = MAX_EQUITY) -> tuple[tuple[int, float], ...]:
    """At most `limit` days of [Unix seconds, equity], the first and the last among them."""
    count = len(times)
    if count == 0:
        return ()
    if count > limit:
        chosen = np.unique(np.linspace(0, count - 1, limit).round().astype(np.int64))
        times, equity = times[chosen], equity[chosen]
    return tuple(zip(times.tolist(), equity.tolist(), strict=True))


def returns_of(outcome: Outcome, cash: float) -> Any:
    """Simple returns by day, from the day blocks where the profile keeps them: beside a large equity, the
    differences of a small position would lose half their digits."""
    if len(outcome.blocks):
        return np.ascontiguousarray(outcome.blocks["ret"])
    return daily_returns(np.asarray(outcome.day_equity), cash)


def daily_returns(equity: Any, cash: float) -> Any:
    """Simple returns by day; the first starts from the cash. Stops where the equity is not above 0."""
    before = np.concatenate(([cash], equity[:-1]))
    good = before > 0
    stop = len(equity) if good.all() else int(np.argmin(good))
    return equity[:stop] / before[:stop] - 1.0


def block_sums(outcome: Outcome, cash: float, count: int = BLOCKS) -> dict[str, Any] | None:
    """`rows`: [n, Σr, Σr²] of the daily returns in at most `count` blocks of nearly equal days; `times`:
    Unix seconds at which each block ends; `calendar`: days a year. None without days."""
    days = len(outcome.day_equity)
    if days == 0:
        return None
    returns = returns_of(outcome, cash)
    if len(returns) == 0:
        return None
    parts = min(count, len(returns))
    edges = np.arange(parts + 1) * len(returns) // parts
    starts = edges[:-1]
    sums = np.add.reduceat(returns, starts).tolist()
    squares = np.add.reduceat(returns * returns, starts).tolist()
    sizes = (edges[1:] - starts).tolist()
    rows = [list(row) for row in zip(sizes, sums, squares, strict=True)]
    return {"rows": rows, "times": outcome.day_times[edges[1:] - 1].tolist(), "calendar": outcome.calendar}


def from_report(phase: str, report: dict[str, Any]) -> dict[str, Any]:
    """Fields of jobs.Result for a phase whose answer is a report of its own."""
    why = f"phase {phase} reports in detail"
    faults = report.get("faults") or ()
    own = {"result_digest": report["digest"]} if "digest" in report else {}
    return {
        **own,
        "reasons": dict.fromkeys(METRICS, why),
        "detail": report,
        "verdict": report.get("verdict") or "OK",
        "faults": tuple(msgspec.convert(msgspec.to_builtins(list(faults)), list[Fault])),
        "notes": tuple(report.get("notes") or ()),
    }
