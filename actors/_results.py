"""Is this the answer to that request? The checks between a decoded result and the store (spec 1.4).

Each check names what it refuses with a dead-letter reason and a code; a refused answer keeps its bytes.
Nothing here can turn a missing number into 0.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from foldward.contracts.canonical import digest
from foldward.contracts.jobs import Result, Window, is_ours
from foldward.wire.names import strip_suffix

METRICS = ("pnl", "sharpe", "sortino", "max_drawdown", "win_rate", "profit_factor")
COUNTS = ("trades", "wins", "losses")
MEASURED = ("backtest", "oos")
_VALUES = (*COUNTS, *METRICS)


class Refused(msgspec.Struct, frozen=True):
    """Why an answer is not applied. ours: it is certainly about this request, so its attempt has failed."""

    reason: str  # schema | mismatch
    code: str
    error: str
    ours: bool = True


class Expected(msgspec.Struct, frozen=True):
    """What is known of the request that an answer must fit."""

    name: str
    kind: str
    fingerprint: str
    window: Window | None


def same_name(answered: str, asked: str) -> bool:
    """Whether an answer's name is the request's, with or without the link's suffix. Empty says nothing."""
    return not answered or answered == asked or strip_suffix(answered) == asked


def check(result: Result, expected: Expected) -> Refused | None:
    """The first thing that makes the answer not the answer, or None."""
    if not same_name(result.strategy_name, expected.name):
        return Refused(
            "mismatch",
            "wire.mismatch",
            f"the answer names {result.strategy_name!r}, the request {expected.name!r}",
            ours=False,
        )
    return _wrong_data(result, expected) or _wrong_window(result, expected) or _missing(result, expected)


def _wrong_data(result: Result, expected: Expected) -> Refused | None:
    if result.fingerprint and expected.fingerprint and result.fingerprint != expected.fingerprint:
        return Refused(
            "mismatch",
            "wire.mismatch",
            f"computed on candles {result.fingerprint}, asked for {expected.fingerprint}",
        )
    return None


def _wrong_window(result: Result, expected: Expected) -> Refused | None:
    if result.window is None or expected.window is None or result.window == expected.window:
        return None
    got, asked = result.window, expected.window
    return Refused(
        "mismatch",
        "wire.mismatch",
        f"the window used is {got.start}…{got.end} ({got.bars} bars),"
        f" asked for {asked.start}…{asked.end} ({asked.bars} bars)",
    )


def _missing(result: Result, expected: Expected) -> Refused | None:
    if result.verdict == "INVALID" and result.faults:
        return None
    if expected.kind not in MEASURED:
        if result.detail is None:
            return _absent("detail")
        return None
    reasons = result.reasons
    for name in _VALUES:
        value = getattr(result, name)
        if value is None:
            if not reasons.get(name):
                return _absent(name)
        elif not math.isfinite(value) or (name in COUNTS and value < 0):
            return Refused(
                "schema", "wire.invalid_field", f"result.{name} is {value}: not a number that can be"
            )
    wrong = _miscounted(result)
    if wrong is not None:
        return wrong
    for name, metric in result.metrics.items():
        if metric is None:
            if not reasons.get(name):
                return _absent(f"metrics.{name}")
        elif not math.isfinite(metric):
            return Refused("schema", "wire.invalid_field", f"result.metrics.{name} is {metric}")
    return None


def _miscounted(result: Result) -> Refused | None:
    """A trade is a win or a loss, never both. In our engine one at exactly 0 is a loss
    (docs/explanation/statistics.md); a foreign one may count it apart."""
    trades, wins, losses = result.trades, result.wins, result.losses
    if trades is None:
        return None
    both = (wins or 0) + (losses or 0)
    if both > trades:
        how = "are more than"
    elif both < trades and is_ours(result.engine) and wins is not None and losses is not None:
        how = "are not"
    else:
        return None
    return Refused(
        "schema", "wire.invalid_field", f"result.wins {wins} and losses {losses} {how} result.trades {trades}"
    )


def _absent(name: str) -> Refused:
    return Refused("schema", "wire.missing_field", f"result.{name} is missing and no reason is given")


def unverified(result: Result, expected: Expected) -> bool:
    """A legacy peer sends no window echo: accepted, marked, and never enough for a PASS."""
    return result.window is None and expected.kind in MEASURED


def may_mirror(result: Result, kind: str, hint: float | None) -> bool:
    """Whether a look at the stored in-sample Sharpe is needed: `hint` has been a decimal in between."""
    sharpe = result.sharpe
    if kind != "oos" or not sharpe:
        return False
    return hint is not None and math.isclose(sharpe, hint, rel_tol=1e-12)


def mirrors(result: Result, kind: str, is_sharpe: float | None) -> bool:
    """An out-of-sample Sharpe that equals a non-zero in-sample one bit by bit was copied, not measured."""
    return kind == "oos" and result.sharpe is not None and result.sharpe != 0.0 and result.sharpe == is_sharpe


def with_digest(result: Result) -> Result:
    """A legacy answer carries no digest: made here of its numbers, to compare a second answer."""
    if result.result_digest is not None:
        return result
    content: dict[str, Any] = {name: getattr(result, name) for name in _VALUES}
    content["reasons"] = result.reasons
    content["detail"] = result.detail
    content["metrics"] = result.metrics
    try:
        made = digest(content)
    except ValueError:
        made = digest(repr(content))
    return msgspec.structs.replace(result, result_digest=made)
