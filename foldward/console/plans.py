"""Whether a split plan can be carried out, asked before it is queued: by itself, then on a strategy's data.

The splits' own constructors answer, so a plan is refused here with the words that the worker would have used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from actors._candles import GateResult
from actors._wfv_starts import PLANS
from foldward.backtest.plans import check_plan, read_combinatorial, read_walk
from foldward.contracts.errors import CATALOGUE, FoldwardError
from foldward.contracts.jobs import Strategy
from foldward.contracts.messages import SubmitOutcome
from foldward.data.bars import Bars
from storage.reads import Reader

Plan = dict[str, Any]
_definition = msgspec.json.Decoder(Strategy)


class Series(Protocol):
    """Candles by strategy and by fingerprint: `foldward.app.candles.Candles`."""

    def gate(self, strategy: Strategy, /) -> GateResult: ...
    def bars(self, fingerprint: str, /) -> Bars: ...


def read_plan(kind: str, plan: Plan | None) -> Plan:
    """The plan that will be carried out. Raises RequestError `request.bad_plan`: what no data could mend."""
    plan = dict(PLANS[kind]) if plan is None else plan
    if kind == "wfv":
        read_walk(plan)
    else:
        read_combinatorial(plan)
    return plan


class PlanDoor:
    """Asks for each strategy whether its own candles can carry a plan."""

    def __init__(self, database: Path | str, series: Series) -> None:
        self._database = Path(database)
        self._series = series

    def refusals(self, kind: str, names: tuple[str, ...], plan: Plan) -> dict[str, SubmitOutcome]:
        """The names that are refused, with the reason. Unknown and retired ones are left to the queue."""
        refused: dict[str, SubmitOutcome] = {}
        # Strategies of one kind on one series are judged alike, so a large order is judged quickly.
        judged: dict[tuple[str, str, int, str], FoldwardError | None] = {}
        with Reader(self._database) as reader:
            for name in dict.fromkeys(names):
                row = reader.definition(name)
                if row is None or row.rank == "retired":
                    continue
                try:
                    strategy = _definition.decode(row.definition)
                except msgspec.MsgspecError:
                    continue
                like = (strategy.kind, strategy.symbol, strategy.timeframe, strategy.profile)
                if like not in judged:
                    judged[like] = self._judge(kind, strategy, plan)
                error = judged[like]
                if error is not None:
                    refused[name] = _outcome(name, error)
        return refused

    def _judge(self, kind: str, strategy: Strategy, plan: Plan) -> FoldwardError | None:
        gate = self._series.gate(strategy)
        if not gate.ok:
            return None  # the queue refuses it, counts it and tells the operator
        try:
            check_plan(kind, strategy, plan, self._series.bars(gate.fingerprint))
        except FoldwardError as error:
            return error
        return None


Refuses = Callable[[str, tuple[str, ...], Plan], dict[str, SubmitOutcome]]


def _outcome(name: str, error: FoldwardError) -> SubmitOutcome:
    hint = error.hint or CATALOGUE[error.code].hint
    return SubmitOutcome(name=name, status="refused", code=error.code, message=error.message, hint=hint)
