"""What is told of a walk-forward or combinatorial run: (event, run's id, data). Pure."""

from __future__ import annotations

from typing import Any

from actors._schedule import Pending, parts, split_ratio
from foldward.contracts.facts import FinishWfv, StartWfv

Told = tuple[str, str, dict[str, Any]]
_CPCV_FIGURES = ("paths", "basis")
_WFV_FIGURES = ("is_bars", "oos_bars", "folds")
_CPCV = ("passed", "pass_rate", "median_sharpe", "median_maxdd", "is_passed")
_WFV = ("required_oos", "degradation", "is_sharpe", "oos_sharpe")


def started(fact: StartWfv, figures: dict[str, Any]) -> list[Told]:
    """A run's row is committed. figures: how its plan splits its candles, as far as that is known."""
    if fact.kind == "cpcv":
        data: dict[str, Any] = {"cpcv_id": fact.wfv_id, "strategy": fact.name}
    else:
        data = _who(fact.wfv_id, fact.name, fact.plan)
    data |= {name: figures.get(name) for name in (_CPCV_FIGURES if fact.kind == "cpcv" else _WFV_FIGURES)}
    return [(f"{fact.kind}.started", fact.wfv_id, data)]


def ended(
    fact: FinishWfv, run: Pending, plan: dict[str, Any] | None, generation: int | None, now: float
) -> list[Told]:
    """A run's end is committed: its parts and its result, or that it expired. now: Unix seconds."""
    report = fact.detail
    if run.kind == "cpcv" and fact.decision is not None:
        data: dict[str, Any] = {"cpcv_id": run.wfv_id, "strategy": run.name}
        data |= {name: report.get(name) for name in _CPCV}
        return [("cpcv.result", run.wfv_id, data)]
    who = _who(run.wfv_id, run.name, plan)
    if fact.decision is None and fact.state != "done":
        data = {**who, "reason": report.get("reason"), "age_sec": max(0.0, now - run.started_at)}
        return [("wfv.expired", run.wfv_id, data)]
    told: list[Told] = [
        ("wfv.part_received", run.wfv_id, {**who, "part": part, "sharpe": sharpe})
        for part, sharpe in parts(report)
    ]
    data = {**who, **{name: report.get(name) for name in _WFV}}
    data |= {"generation": generation, "decision": fact.decision}
    return [*told, ("wfv.result", run.wfv_id, data)]


def _who(wfv_id: str, name: str, plan: dict[str, Any] | None) -> dict[str, Any]:
    return {"wfv_id": wfv_id, "strategy": name, "split_ratio": split_ratio(plan)}
