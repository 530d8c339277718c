"""Verdicts: numbers and thresholds in, PASS, FAIL, INVALID or BLOCKED out, with every gate (spec 8.6).

Pure. INVALID wins over everything, a failed gate over a blocked one; a needed number that is null, a
threshold that is not configured and evidence that does not count (synthetic data, zero costs, a window that
the peer did not confirm) BLOCK. Final PASS = the A gates and the deflated Sharpe, and for rank S the S gates.
Boundaries are inclusive as written: `>=` and `<=` include the threshold, `<` and `>` do not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import msgspec

from actors._numbers import Numbers, data_remarks, finite, flat, pbo, total_trades
from foldward.settings import GatesTable, GateTable

Verdict = Literal["PASS", "FAIL", "INVALID", "BLOCKED"]
State = Literal["pass", "fail", "blocked"]
Stage = Literal["backtest", "oos", "final"]

_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<": operator.lt,
    "<=": operator.le,
    "is": operator.eq,
}


class _Measure(msgspec.Struct, frozen=True):
    """A gate's measure: how it is compared, where its number comes from, and its plain name."""

    test: str
    kind: str
    words: str
    report: str = ""  # name in an evidence report, for its reason


# In the order they are judged and shown.
MEASURES: dict[str, _Measure] = {
    "sharpe": _Measure(">=", "backtest", "in-sample Sharpe"),
    "profit_factor": _Measure(">=", "backtest", "profit factor"),
    "win_rate": _Measure(">=", "backtest", "win rate"),
    "max_drawdown": _Measure("<", "backtest", "largest drawdown"),
    "expectancy": _Measure(">", "backtest", "expectancy after costs"),
    "oos_sharpe": _Measure(">=", "oos", "out-of-sample Sharpe"),
    "trades": _Measure(">=", "oos", "trades of evidence"),
    "ruin": _Measure("<=", "evidence", "probability of ruin", "ruin_probability"),
    "dsr": _Measure(">=", "evidence", "deflated Sharpe", "dsr"),
    "pbo": _Measure("<=", "evidence", "probability of overfitting", "pbo"),
    "cpcv": _Measure("is", "cpcv", "combinatorial validation"),
}
# What a rank needs whatever is configured: a threshold that is missing here BLOCKS.
NEEDED: dict[str, tuple[str, ...]] = {
    "B": ("sharpe", "profit_factor", "win_rate", "max_drawdown"),
    "A": (
        "sharpe",
        "profit_factor",
        "win_rate",
        "max_drawdown",
        "expectancy",
        "oos_sharpe",
        "trades",
        "ruin",
    ),
    "S": ("sharpe", "profit_factor", "win_rate", "max_drawdown", "dsr", "pbo", "cpcv"),
}
RESULT_WORDS = {
    "backtest": "the in-sample backtest",
    "oos": "the out-of-sample run",
    "wfv": "the walk-forward run",
    "cpcv": "the combinatorial run",
    "evidence": "the evidence against luck",
}


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One threshold: `passed` is None when it could not be judged; margin ≥ 0 is on the good side."""

    name: str
    rank: str
    test: str
    value: float | bool | None
    threshold: float | bool | None
    passed: bool | None
    margin: float | None
    reason: str

    @property
    def state(self) -> State:
        """pass, fail or blocked."""
        return "blocked" if self.passed is None else "pass" if self.passed else "fail"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with everything that led to it.

    gates: those that decided. reasons: plain sentences. ranks: for B, A and S whether its own gates pass.
    numbers: what is stored and shown beside the verdict.
    """

    verdict: Verdict
    stage: Stage
    gates: tuple[Gate, ...]
    reasons: tuple[str, ...]
    ranks: dict[str, State]
    numbers: dict[str, float | None]

    def gate_rows(self) -> tuple[dict[str, Any], ...]:
        """The gates as plain data."""
        return tuple(msgspec.to_builtins(gate) for gate in self.gates)


def judge(numbers: Numbers, settings: GatesTable) -> Judgement:
    """The verdict on what is known of a strategy."""
    tables = {"B": settings.B, "A": settings.A, "S": settings.S}
    gates = {rank: _gates(rank, table, numbers) for rank, table in tables.items()}
    final = _gate("final", "dsr", settings.final_dsr, numbers, "rank.gates.final_dsr")
    doubts = _doubts(numbers)
    faults = _faults(numbers)
    ranks: dict[str, State] = {rank: _all(found) for rank, found in gates.items()}
    if doubts or faults:
        # Such numbers may fail a strategy; they never carry it above B.
        ranks |= {rank: "blocked" for rank in ("A", "S") if ranks[rank] == "pass"}
    deciding, stage = _deciding(gates, final, ranks)
    verdict, reasons = _verdict(numbers, deciding, stage, faults, doubts)
    return Judgement(
        verdict=verdict,
        stage=stage,
        gates=deciding,
        reasons=(*reasons, *_beyond(verdict, gates["S"]), *data_remarks(numbers)),
        ranks=ranks,
        numbers=flat(numbers),
    )


def _deciding(
    gates: dict[str, tuple[Gate, ...]], final: Gate, ranks: dict[str, State]
) -> tuple[tuple[Gate, ...], Stage]:
    """The gates that decide at the stage that the strategy has reached."""
    if ranks["B"] != "pass":
        return gates["B"], "backtest"
    middle = gates["A"]
    if any(gate.name == "oos_sharpe" and gate.value is None for gate in middle):
        return middle, "oos"
    whole = (*middle, final)
    if _all(whole) == "pass" and ranks["S"] == "pass":
        return (*whole, *gates["S"]), "final"
    return whole, "final"


def _verdict(
    numbers: Numbers, gates: tuple[Gate, ...], stage: Stage, faults: list[str], doubts: list[str]
) -> tuple[Verdict, tuple[str, ...]]:
    if faults:
        return "INVALID", tuple(faults)
    failed = [gate.reason for gate in gates if gate.state == "fail"]
    blocked = _unique(_blocker(gate, numbers) for gate in gates if gate.state == "blocked")
    if failed:
        return "FAIL", (*failed, *doubts)
    if blocked or doubts or stage != "final":
        return "BLOCKED", (*blocked, *doubts)
    return "PASS", (f"all {len(gates)} gates pass", *_remarks(numbers))


def _gates(rank: str, table: GateTable, numbers: Numbers) -> tuple[Gate, ...]:
    return tuple(
        [_gate(rank, name, limit, numbers, setting) for name, limit, setting in _thresholds(rank, table)]
    )


@lru_cache(64)
def _thresholds(rank: str, table: GateTable) -> tuple[tuple[str, float | bool | None, str], ...]:
    """(measure, threshold, name of its setting) of the gates that a rank has."""
    given = table.model_dump()
    return tuple(
        (name, given.get(name), f"rank.gates.{rank}.{name}")
        for name in MEASURES
        if name in NEEDED[rank] or given.get(name) is not None
    )


def _gate(rank: str, name: str, threshold: float | bool | None, numbers: Numbers, setting: str) -> Gate:
    measure = MEASURES[name]
    value = _value(name, numbers)
    passed, margin = None, None
    if threshold is None:
        reason = f"the threshold {setting} is not configured"
    elif value is None:
        reason = f"{measure.words} is not known: {_why(name, measure, numbers)}"
    else:
        passed = _TESTS[measure.test](value, threshold)
        margin = _margin(measure.test, value, threshold)
        reason = _sentence(measure, rank, value, threshold, passed)
    return Gate(
        name=name,
        rank=rank,
        test=measure.test,
        value=value,
        threshold=threshold,
        passed=passed,
        margin=margin,
        reason=reason,
    )


def _value(name: str, numbers: Numbers) -> float | bool | None:
    if name == "trades":
        if numbers.backtest is None or numbers.oos is None:
            return None
        return finite(total_trades(numbers))
    if name == "oos_sharpe":
        return numbers.oos.sharpe if numbers.oos else None
    if name == "pbo":
        return pbo(numbers)
    if name == "cpcv":
        known = numbers.cpcv.report.get("is_passed") if numbers.cpcv else None
        return known if isinstance(known, bool) else None
    report = MEASURES[name].report
    if report:
        return finite(numbers.evidence.report.get(report)) if numbers.evidence else None
    return getattr(numbers.backtest, name) if numbers.backtest else None


def _why(name: str, measure: _Measure, numbers: Numbers) -> str:
    """Why a number is missing: no result, or a result that gives a reason."""
    for kind in ("backtest", "oos") if name == "trades" else (measure.kind,):
        if numbers.result(kind) is None:
            return numbers.missing.get(kind) or f"{RESULT_WORDS[kind]} has no result yet"
    found = numbers.result(measure.kind)
    reasons = found.reasons if hasattr(found, "reasons") else found.report.get("reasons")  # type: ignore[union-attr]
    key = measure.report or name.removeprefix("oos_")
    why = reasons.get(key) if isinstance(reasons, dict) else None
    return str(why) if why else "the result gives none"


def _blocker(gate: Gate, numbers: Numbers) -> str:
    """Why a gate is blocked; many gates that lack one result are one reason."""
    kind = MEASURES[gate.name].kind
    if gate.threshold is not None and numbers.result(kind) is None and gate.value is None:
        return f"{RESULT_WORDS[kind]} has no result: {numbers.missing.get(kind, 'not validated yet')}"
    return gate.reason


def _margin(test: str, value: float | bool, threshold: float | bool) -> float | None:
    if test == "is":
        return None
    return float(value - threshold) if test in (">=", ">") else float(threshold - value)


def _sentence(measure: _Measure, rank: str, value: Any, threshold: Any, passed: bool) -> str:
    if measure.test == "is":
        return f"{measure.words} {'passed' if value else 'did not pass'}"
    wanted = f"{measure.test} {_shown(threshold)}"
    level = "the final verdict" if rank == "final" else f"rank {rank}"
    verb = "meets" if passed else "misses"
    return f"{measure.words} {_shown(value)} {verb} {wanted} for {level}"


def _shown(value: float) -> str:
    """Four significant digits: a person compares it with the threshold, the gate holds the exact value."""
    return f"{value:.4g}"


def _faults(numbers: Numbers) -> list[str]:
    """Why nothing about this strategy may be believed."""
    found = []
    if numbers.nondeterministic:
        found.append("the same request gave two different results")
    for kind, words in RESULT_WORDS.items():
        result = numbers.result(kind)
        if result is not None and result.invalid:
            found.append(f"{words} is invalid: {result.invalid}")
    return _unique(found)


def _doubts(numbers: Numbers) -> list[str]:
    """Why good numbers are no evidence."""
    found = []
    if numbers.zero_cost:
        found.append("zero costs are not evidence: give the strategy a cost model")
    results = [result for kind in RESULT_WORDS if (result := numbers.result(kind)) is not None]
    if any(result.synthetic for result in results):
        found.append("synthetic data is not evidence: validate on real prices")
    if any(side.unverified for side in (numbers.backtest, numbers.oos) if side is not None):
        found.append("the peer did not confirm which bars it used (window_unverified)")
    # Walk-forward is left out: it is analysis and decides no gate.
    prints = {result.fingerprint for result in results if result.fingerprint and result is not numbers.wfv}
    if len(prints) > 1:
        found.append("the results come from different data: validate again on the newest")
    return found


def _remarks(numbers: Numbers) -> list[str]:
    """What a person should know about a PASS. Walk-forward is analysis only: it never changes a verdict."""
    decision = numbers.wfv.report.get("decision") if numbers.wfv else None
    return [f"walk-forward calls it {decision}"] if decision in ("overfit", "weak") else []


def _beyond(verdict: Verdict, gates: tuple[Gate, ...]) -> list[str]:
    """After a PASS: what keeps it from rank S."""
    if verdict != "PASS":
        return []
    return [f"not yet rank S: {gate.reason}" for gate in gates if gate.state != "pass"]


def _all(gates: tuple[Gate, ...]) -> State:
    states = {gate.state for gate in gates}
    return "fail" if "fail" in states else "blocked" if "blocked" in states else "pass"


def _unique(items: Any) -> list[str]:
    return list(dict.fromkeys(items))
