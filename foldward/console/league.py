"""The league table: one row a strategy, best first, as `foldward verdicts --json` prints it."""

from __future__ import annotations

from typing import Any

from storage.reads import Reader
from storage.rows import StrategyRow

ORDER = {"PASS": 0, "FAIL": 1, "BLOCKED": 2, "INVALID": 3}
RANKS = {"legend": 0, "S": 1, "A": 2, "B": 3, "incubator": 4, "graveyard": 5, "retired": 6}


def league(reader: Reader) -> list[dict[str, Any]]:
    """All strategies that have a verdict: by verdict, rank, out-of-sample and in-sample Sharpe."""
    rows = [row for row in reader.strategies() if row.verdict is not None]
    rows.sort(key=_place)
    return [league_row(row) for row in rows]


def league_row(row: StrategyRow) -> dict[str, Any]:
    """One row with the keys of the acceptance surface."""
    numbers = row.numbers
    return {
        "strategy": row.name,
        "kind": row.kind,
        "symbol": row.symbol,
        "timeframe": row.timeframe,
        "rank": row.rank,
        "verdict": row.verdict,
        "stage": row.stage,
        "gates": row.gates,
        # As judged: an answer that was stored already feeds the verdict, not the strategy's newest figures.
        "is_sharpe": numbers.get("is_sharpe", row.is_sharpe),
        "oos_sharpe": numbers.get("oos_sharpe", row.oos_sharpe),
        "degradation": numbers.get("degradation"),
        "psr": numbers.get("psr"),
        "dsr": numbers.get("dsr"),
        "pbo": numbers.get("pbo"),
        "trades": row.is_trades,
        "profit_factor": row.is_profit_factor,
        "max_drawdown": row.is_max_drawdown,
        "result_digest": row.oos_result_digest or row.is_result_digest,
        "reasons": row.reasons,
    }


def _place(row: StrategyRow) -> tuple[Any, ...]:
    # A missing number sorts last, never as zero.
    return (
        ORDER.get(row.verdict or "", 9),
        RANKS.get(row.rank, 9),
        -(row.oos_sharpe if row.oos_sharpe is not None else -1e9),
        -(row.is_sharpe if row.is_sharpe is not None else -1e9),
        row.name,
    )
