"""What the strategies' pages show: the league table a page at a time, and one strategy with its evidence."""

from __future__ import annotations

from typing import Any

from foldward.console.league import league_row
from foldward.contracts.jobs import PHASES
from storage.reads.pages import PageReader
from storage.rows import ResultRow, StrategyRow

LIMIT = 50
VERDICTS = ("PASS", "FAIL", "BLOCKED", "INVALID", "none")
TRADES = 200  # of the newest list that are shown
POINTS = 3_000  # of an equity curve that are drawn


def page(reader: PageReader, verdict: str | None, begins: str, offset: int) -> dict[str, Any]:
    """{counts, rows, more}: the league table from `offset` on."""
    rows, more = reader.league_page(verdict, begins=begins, offset=offset, limit=LIMIT)
    return {"counts": reader.verdict_counts(), "rows": [league_row(row) for row in rows], "more": more}


def strategy(reader: PageReader, name: str) -> dict[str, Any] | None:
    """One strategy: where it stands, each gate, the curves and folds; None when there is none."""
    row = reader.strategy(name)
    if row is None:
        return None
    found = {kind: reader.latest(name, kind) for kind in PHASES}
    wfv, cpcv, evidence = (_report(found.get(kind)) for kind in ("wfv", "cpcv", "evidence"))
    outside = found.get("oos")
    return {
        "row": row,
        "league": league_row(row),
        "gates": [_gate(gate) for gate in row.gates],
        "sides": _sides(row),
        "equity": equity(found.get("backtest"), outside),
        "wfv": wfv,
        "folds": _folds(wfv),
        "cpcv": cpcv,
        "spread": _spread(cpcv),
        "evidence": evidence,
        "requests": [_request(kind, result) for kind, result in found.items() if result is not None],
        "trades": None if outside is None else reader.trades(outside.request_id),
        "open": reader.open_rows(name, limit=10),
    }


def _report(result: ResultRow | None) -> dict[str, Any] | None:
    return None if result is None else result.report


def _gate(gate: dict[str, Any]) -> dict[str, Any]:
    value, threshold = gate.get("value"), gate.get("threshold")
    if isinstance(threshold, bool):
        threshold = "yes" if threshold else "no"
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return {
        "name": gate["name"].replace("_", " "),
        "rank": gate.get("rank") or "–",
        "test": gate.get("test") or "",
        "value": value,
        "threshold": threshold,
        "margin": gate.get("margin"),
        "passed": gate.get("passed"),
        "reason": gate.get("reason") or "",
    }


def _sides(row: StrategyRow) -> list[tuple[str, str, Any, Any]]:
    """(what, format, in sample, out of sample)."""
    return [
        ("Sharpe, a year", "number", row.is_sharpe, row.oos_sharpe),
        ("Sortino, a year", "number", row.is_sortino, row.oos_sortino),
        ("profit factor", "number", row.is_profit_factor, row.oos_profit_factor),
        ("win rate", "percent", row.is_win_rate, row.oos_win_rate),
        ("largest drawdown", "percent", row.is_max_drawdown, row.oos_max_drawdown),
        ("expectancy, a trade", "number", row.is_expectancy, row.oos_expectancy),
        ("profit and loss", "number", row.is_pnl, row.oos_pnl),
        ("trades", "whole", row.is_trades, row.oos_trades),
    ]


def equity(inside: ResultRow | None, outside: ResultRow | None) -> dict[str, Any] | None:
    """{t, is, oos, border}: two curves on one axis of Unix seconds, None where a curve has no point.

    Each window starts flat at its own cash; the out-of-sample curve is scaled to begin where the in-sample
    one ended, as the run's report does. None when there is nothing to draw.
    """
    first, second = (
        _thin(result.detail.get("equity") or []) if result else [] for result in (inside, outside)
    )
    if len(first) + len(second) < 2:
        return None
    if first and second and second[0][1]:
        factor = first[-1][1] / second[0][1]
        second = [[at, value * factor] for at, value in second]
    times = [at for at, _ in first] + [at for at, _ in second]
    return {
        "t": times,
        "is": [value for _, value in first] + [None] * len(second),
        "oos": [None] * len(first) + [value for _, value in second],
        "border": second[0][0] if first and second else None,
    }


def _thin(curve: list[list[float]]) -> list[list[float]]:
    """At most POINTS of a curve: the lowest and the highest of each stretch, so that no drawdown is lost."""
    if len(curve) <= POINTS:
        return curve
    size = -(-len(curve) // (POINTS // 2))
    kept: list[list[float]] = []
    for start in range(0, len(curve), size):
        part = curve[start : start + size]
        low, high = min(part, key=_value), max(part, key=_value)
        kept += [low] if low is high else sorted((low, high), key=_time)
    if kept[-1] != curve[-1]:
        kept.append(curve[-1])
    return kept


def _time(point: list[float]) -> float:
    return point[0]


def _value(point: list[float]) -> float:
    return point[1]


def _folds(wfv: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [
        {
            "index": fold.get("index", place) + 1,
            "train": fold.get("train") or {},
            "test": fold.get("test") or {},
            "is_sharpe": fold.get("is_sharpe"),
            "oos_sharpe": fold.get("oos_sharpe"),
            "trades": fold.get("oos_trades"),
            "status": fold.get("status", "ok"),
            "reason": fold.get("reason") or fold.get("error") or "",
        }
        for place, fold in enumerate((wfv or {}).get("folds") or [])
    ]


def _spread(cpcv: dict[str, Any] | None) -> list[float]:
    """The out-of-sample Sharpe ratios of all splits or paths, the lowest first."""
    units = (cpcv or {}).get("units") or []
    return sorted(unit["sharpe"] for unit in units if unit.get("sharpe") is not None)


def _request(kind: str, result: ResultRow) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": result.request_id,
        "at": result.applied_at,
        "start": result.window_start,
        "end": result.window_end,
        "bars": result.window_bars,
        "digest": result.result_digest or "–",
        "provenance": result.provenance,
    }
