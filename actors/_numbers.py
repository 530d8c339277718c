"""What is known about one strategy, in the form that gates are judged on.

Nothing here computes a statistic: it picks numbers out of results, and says for each that is missing why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from foldward.contracts.jobs import DATA_REMARKS

INVALID_SPLIT = ("invalid", "incomplete")


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One result: its measures (win rate and drawdown as ratios), reasons for None, and its faults."""

    request_id: str = ""
    result_digest: str | None = None
    sharpe: float | None = None
    profit_factor: float | None = None
    win_rate: float | None = None
    max_drawdown: float | None = None
    expectancy: float | None = None
    trades: int | None = None
    reasons: dict[str, str] = {}
    invalid: str | None = None
    synthetic: bool = False
    unverified: bool = False
    fingerprint: str = ""
    requested_us: int = 0
    remarks: tuple[str, ...] = ()


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A walk-forward, combinatorial or evidence result: the phase's own report, and its faults."""

    request_id: str = ""
    report: dict[str, Any] = {}
    invalid: str | None = None
    synthetic: bool = False
    fingerprint: str = ""
    requested_us: int = 0
    remarks: tuple[str, ...] = ()


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a verdict on a strategy rests on. None = not validated (yet).

    `missing` says why a kind has no result: waiting, refused, given up.
    """

    name: str
    generation: int = 0
    zero_cost: bool = False
    nondeterministic: bool = False
    backtest: Side | None = None
    oos: Side | None = None
    wfv: Split | None = None
    cpcv: Split | None = None
    evidence: Split | None = None
    missing: dict[str, str] = {}

    def result(self, kind: str) -> Side | Split | None:
        """The result of a kind: backtest, oos, wfv, cpcv or evidence."""
        found: Side | Split | None = getattr(self, kind)
        return found


def side(row: Any) -> Side:
    """From a row of `results` (storage.rows.ResultRow) of kind backtest or oos."""
    detail = row.detail or {}
    metrics = detail.get("metrics") or {}
    return Side(
        request_id=row.request_id,
        result_digest=row.result_digest,
        sharpe=finite(row.sharpe),
        profit_factor=finite(row.profit_factor),
        win_rate=finite(row.win_rate),
        max_drawdown=finite(row.max_drawdown),
        expectancy=finite(metrics.get("expectancy")),
        trades=row.trades,
        reasons=dict(detail.get("reasons") or {}),
        invalid=_fault(row),
        synthetic=row.provenance != "real",
        unverified=bool(row.unverified),
        fingerprint=row.fingerprint,
        requested_us=row.requested_us,
        remarks=_remarks(detail),
    )


def split(row: Any) -> Split:
    """From a row of `results` of kind wfv, cpcv or evidence."""
    report = dict(row.report or {})
    return Split(
        request_id=row.request_id,
        report=report,
        invalid=_fault(row) or _incomplete(report),
        synthetic=row.provenance != "real",
        fingerprint=row.fingerprint,
        requested_us=row.requested_us,
        remarks=_remarks(row.detail or {}),
    )


def data_remarks(numbers: Numbers) -> tuple[str, ...]:
    """What the data gate recorded about the candles that any of the results stand on, each once."""
    found = (numbers.backtest, numbers.oos, numbers.wfv, numbers.cpcv, numbers.evidence)
    return tuple(dict.fromkeys(text for one in found if one is not None for text in one.remarks))


def _remarks(detail: Mapping[str, Any]) -> tuple[str, ...]:
    notes = detail.get("notes") or ()
    return tuple(note for note in notes if isinstance(note, str) and note.startswith(DATA_REMARKS))


def finite(value: Any) -> float | None:
    """A number as a float, or None: text, NaN and infinity are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def flat(numbers: Numbers) -> dict[str, float | None]:
    """What is stored with a verdict and shown beside it, each number under its own name."""
    inside, outside = numbers.backtest, numbers.oos
    wfv = numbers.wfv.report if numbers.wfv else {}
    cpcv = numbers.cpcv.report if numbers.cpcv else {}
    evidence = numbers.evidence.report if numbers.evidence else {}
    return {
        "is_sharpe": inside.sharpe if inside else None,
        "oos_sharpe": outside.sharpe if outside else None,
        "degradation": degradation(numbers),
        "trades": finite(total_trades(numbers)),
        **{name: finite(evidence.get(name)) for name in _EVIDENCE},
        "pbo": pbo(numbers),
        "wfv_degradation": finite(wfv.get("degradation")),
        "wfv_efficiency": finite(wfv.get("efficiency")),
        "cpcv_pass_rate": finite(cpcv.get("pass_rate")),
        "cpcv_median_sharpe": finite(cpcv.get("median_sharpe")),
        "cpcv_median_maxdd": finite(cpcv.get("median_maxdd")),
    }


_EVIDENCE = (
    "psr",
    "dsr",
    "ruin_probability",
    "min_track_record_length",
    "sharpe_low",
    "sharpe_high",
    "n_trials",
    "effective_trials",
    "trials_sharpe_std",
    "expected_max_sharpe",
    "neighbourhood_stability",
)


def degradation(numbers: Numbers) -> float | None:
    """(in-sample − out-of-sample) / in-sample Sharpe; 0 when the in-sample Sharpe is not above 0.1."""
    if numbers.backtest is None or numbers.oos is None:
        return None
    inside, outside = numbers.backtest.sharpe, numbers.oos.sharpe
    if inside is None or outside is None:
        return None
    return (inside - outside) / inside if inside > 0.1 else 0.0


def total_trades(numbers: Numbers) -> int | None:
    """Trades of evidence: in sample and out of sample together."""
    counts = [s.trades for s in (numbers.backtest, numbers.oos) if s is not None and s.trades is not None]
    return sum(counts) if counts else None


def pbo(numbers: Numbers) -> float | None:
    """Probability of backtest overfitting: of the trials on these data, else of the strategy's own grid."""
    for found in (numbers.evidence, numbers.cpcv):
        value = finite(found.report.get("pbo")) if found else None
        if value is not None:
            return value
    return None


def _fault(row: Any) -> str | None:
    if row.conflicts:
        return "two answers to the same request differ"
    if row.verdict != "INVALID":
        return None
    faults = (row.detail or {}).get("faults") or []
    first = faults[0] if faults else {}
    return _words(first) or "the result is marked INVALID"


def _words(fault: Any) -> str:
    if isinstance(fault, Mapping):
        return ": ".join(str(fault[name]) for name in ("code", "message") if fault.get(name))
    return str(fault)


def _incomplete(report: Mapping[str, Any]) -> str | None:
    """A fold that crashed or is missing makes the whole INVALID: no averages over survivors."""
    if str(report.get("verdict", "")).upper() == "INVALID" or report.get("decision") in INVALID_SPLIT:
        return str(report.get("reason") or "the split is marked INVALID")
    failed = finite(report.get("failed"))
    if failed:
        planned = report.get("planned", "?")
        return f"{int(failed)} of {planned} folds failed"
    return None
