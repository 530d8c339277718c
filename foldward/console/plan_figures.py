"""How a plan splits a strategy's candles, in numbers: what `wfv.started` and `cpcv.started` say."""

from __future__ import annotations

from typing import Any, Protocol

from actors._candles import GateResult
from foldward.backtest.plans import plan_folds, read_combinatorial
from foldward.contracts.jobs import Strategy
from foldward.data.bars import Bars

Plan = dict[str, Any]


class Series(Protocol):
    """Candles by strategy and by fingerprint: `foldward.app.candles.Candles`."""

    def gate(self, strategy: Strategy, /) -> GateResult: ...
    def bars(self, fingerprint: str, /) -> Bars: ...


class PlanFigures:
    """Asked by the WFVScheduler when a run starts. The splits' own constructors answer, as in the worker."""

    def __init__(self, series: Series) -> None:
        self._series = series

    def __call__(self, kind: str, strategy: Strategy, plan: Plan) -> dict[str, Any]:
        """kind wfv: is_bars and oos_bars of the first fold, and how many folds; kind cpcv: paths and basis.

        Empty when the gate refuses the candles. Raises RequestError `request.bad_plan` and DataError.
        """
        if kind == "cpcv":
            basis = "test_sets" if plan.get("grid") is None else "paths"
            return {"paths": read_combinatorial(plan).n_paths, "basis": basis}
        gate = self._series.gate(strategy)
        if not gate.ok:
            return {}
        _, folds = plan_folds(self._series.bars(gate.fingerprint), plan)
        first = folds[0]
        return {"is_bars": first.train_size(), "oos_bars": first.test_size(), "folds": len(folds)}
