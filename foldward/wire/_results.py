"""Reading a BACKTEST_RESULT: aliases, required metrics, what has no value and why."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from foldward.contracts.jobs import Backtest, Heartbeat, Result
from foldward.wire._misfit import Misfit

Message = Backtest | Result | Heartbeat

METRICS = (
    "trades",
    "wins",
    "losses",
    "pnl",
    "sharpe",
    "sortino",
    "max_drawdown",
    "win_rate",
    "profit_factor",
)
ALIASES = {
    "sharpe_ratio": "sharpe",
    "total_trades": "trades",
    "total_profit": "pnl",
    "winrate": "win_rate",
    "pf": "profit_factor",
    "max_dd": "max_drawdown",
    "drawdown": "max_drawdown",
}
MOST = 2**53  # beyond it a double, and thus JSON elsewhere, loses counts
NOT_FINITE = "not finite"
_FIELDS = frozenset(field.name for field in msgspec.structs.fields(Result))
_COUNTS = ("trades", "wins", "losses", "seed", "attempt")
# null means "not given"; metrics and what may be None keep their null
_NULLABLE = frozenset(
    (*METRICS, "window", "result_digest", "fingerprint", "seed", "trade_list", "equity", "blocks", "detail")
) | {"worker", "error", "code", "retry_after"}


def read_result(plain: Any, *, absent: bool = False) -> Result:
    """A result from plain data. Raises Misfit.

    Unknown fields are left out: a newer peer may say more. absent: a metric that is NaN or infinite becomes
    None with a reason (S-expressions, in which peers print such numbers); otherwise it needs the peer's own
    reason, as null does.
    """
    from foldward.wire._messages import convert, finite, whole

    if not isinstance(plain, dict):
        raise Misfit("result", "is missing", "wire.missing_field")
    out = {k: v for k, v in plain.items() if k in _FIELDS and (v is not None or k in _NULLABLE)}
    for alias, name in ALIASES.items():
        if plain.get(alias) is not None and out.get(name) is None:
            out[name] = plain[alias]
    if out.get("request_id") is None:
        # A legacy peer that sends none is matched by its full strategy name, and "" can be no one's id.
        if not out.get("strategy_name"):
            raise Misfit("result.request_id", "is missing", "wire.missing_field")
        out["request_id"] = ""
    if out.get("error") is not None:
        if not isinstance(out["error"], str) or not out["error"].strip():
            raise Misfit("result.error", f"is {out['error']!r}, not a text")
        _drop_broken_metrics(out)
    else:
        _not_finite_metrics(out, absent)
    whole(out, *_COUNTS)
    if isinstance(out.get("window"), dict):
        whole(out["window"], "start", "end", "bars")
    finite(out, "result")
    result: Result = convert(out, Result, "result")
    complete(result)
    return result


def complete(result: Result) -> None:
    """Raise Misfit unless every metric has a value or a reason, and the values are possible ones."""
    if result.error is not None:
        return
    reasons = result.reasons
    for name in METRICS:
        value = getattr(result, name)
        if value is None:
            if not reasons.get(name):
                why = "is missing" if name not in reasons else "is null without a reason"
                raise Misfit(f"result.{name}", why, "wire.missing_field")
        elif value < 0 and name not in ("pnl", "sharpe", "sortino"):
            raise Misfit(f"result.{name}", f"is {value}, below 0")
        elif value > MOST and name in _COUNTS:
            raise Misfit(f"result.{name}", f"is {value}, which nobody can count")
    if result.metrics:
        for name, number in result.metrics.items():
            if number is None and not reasons.get(name):
                raise Misfit(f"result.metrics.{name}", "is null without a reason", "wire.missing_field")
    if result.win_rate is not None and result.win_rate > 100:
        raise Misfit("result.win_rate", f"is {result.win_rate}, not a percentage")
    if result.attempt < 1:
        raise Misfit("result.attempt", f"is {result.attempt}, not ≥ 1")


def _not_finite_metrics(out: dict[str, Any], absent: bool) -> None:
    reasons = out.get("reasons")
    metrics = out.get("metrics")
    for place, table in (("result", out), ("result.metrics", metrics)):
        if not isinstance(table, dict):
            continue
        for name in METRICS if table is out else list(table):
            value = table.get(name)
            if type(value) is not float or math.isfinite(value):
                continue
            known = isinstance(reasons, dict) and reasons.get(name)
            if not absent and not known:
                raise Misfit(f"{place}.{name}", f"is {NOT_FINITE} ({value})")
            table[name] = None
            if not known:
                reasons = out["reasons"] = {**(reasons or {}), name: f"{NOT_FINITE}: the peer sent {value}"}


def _drop_broken_metrics(out: dict[str, Any]) -> None:
    """An error is a runtime failure, never a metric: numbers beside it mean nothing."""
    for name in METRICS:
        out.pop(name, None)
    for name in ("metrics", "reasons"):
        out.pop(name, None)
