"""How much of a result survives dearer trading, a late decision, and neighbouring parameters.

R. Pardo, The Evaluation and Optimization of Trading Strategies (2008), ch. 10: a robust rule is on a plateau.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from foldward.backtest._kind import Param
from foldward.backtest._signals import flags
from foldward.backtest.engine import Prepared, prepare, run, window_range
from foldward.backtest.filters import Aux
from foldward.backtest.kinds import find_kind
from foldward.backtest.metrics import sharpe
from foldward.backtest.outcome import Outcome
from foldward.backtest.plans import refuse_peer
from foldward.backtest.strategy import validate_strategy
from foldward.contracts.errors import RequestError
from foldward.contracts.jobs import Costs, Strategy, Swap
from foldward.data.bars import Bars

_SHOWN = ("sharpe", "pnl", "profit_factor", "max_drawdown", "trades")


def sensitivity(
    bars: Bars,
    strategy: Strategy,
    start: int | None = None,
    end: int | None = None,
    *,
    seed: int = 0,
    calendar: int | None = None,
    aux: Aux | None = None,
    swaps: Iterable[Swap] | None = None,
    factors: Sequence[float] = (1.0, 2.0, 3.0),
    step: float = 0.1,
) -> dict[str, Any]:
    """The result again under changed conditions; a plain dict.

    costs: [{factor, sharpe, pnl …}], commission, spread and slippage times each factor. delay: the same with
    every decision one bar later. neighbours: the daily (not annualised) Sharpe ratios of the sets in which a
    parameter is `step` lower or higher (integers by at least 1), None where it has none: what
    `foldward.stats.evidence` takes under that name. verdict INVALID with faults when the strategy breaks a
    rule. Raises as `simulate`.
    """
    strategy = validate_strategy(strategy)
    refuse_peer(strategy)
    history = None if swaps is None else tuple(swaps)
    lo, hi = window_range(bars, start, end)

    def made(changed: Strategy) -> Prepared:
        return prepare(bars, changed, seed=seed, calendar=calendar, aux=aux, swaps=history)

    base = made(strategy)
    first = run(base, lo, hi)
    report: dict[str, Any] = {
        "verdict": first.verdict,
        "faults": msgspec.to_builtins(first.faults),
        "costs": [],
        "delay": None,
        "neighbours": [],
        "neighbour_params": [],
    }
    if first.faults:
        return report
    for factor in factors:
        outcome = run(made(msgspec.structs.replace(strategy, costs=_dearer(strategy.costs, factor))), lo, hi)
        report["costs"].append({"factor": float(factor), **_shown(outcome)})
    late = np.zeros(len(bars), dtype=np.uint8)
    late[1:] = base.signals[:-1]
    report["delay"] = _shown(run(replace(base, signals=flags(late), warmup=base.warmup + 1), lo, hi))
    for params in neighbours(strategy.kind, strategy.params, step):
        try:
            # A neighbour that needs more bars than there are makes no trade, and that is its answer.
            outcome = run(made(msgspec.structs.replace(strategy, params=params)), lo, hi, check_rows=False)
        except RequestError:  # beyond the kind's limits there is no neighbour
            continue
        report["neighbour_params"].append(params)
        report["neighbours"].append(
            None if outcome.faults else sharpe(np.ascontiguousarray(outcome.blocks["ret"]), 1)
        )
    return report


def neighbours(kind: str, params: Mapping[str, float], step: float) -> list[dict[str, float]]:
    """The parameter sets one step away in one parameter, lower then higher, in the kind's order."""
    found: list[dict[str, float]] = []
    for name, param in find_kind(kind).params.items():
        for sign in (-1, 1):
            value = _moved(params[name], sign * step, param)
            if value is not None:
                found.append({**params, name: value})
    return found


def _moved(value: float, share: float, param: Param) -> float | None:
    moved = value * (1.0 + share)
    if param.integer:
        moved = round(moved)
        if moved == value:
            moved = value + (1 if share > 0 else -1)
    return moved if param.low <= moved <= param.high and moved != value else None


def _dearer(costs: Costs, factor: float) -> Costs:
    if costs.zero:
        return costs
    return msgspec.structs.replace(
        costs,
        commission_bps=costs.commission_bps * factor,
        spread=costs.spread * factor,
        slippage=costs.slippage * factor,
    )


def _shown(outcome: Outcome) -> dict[str, float | None]:
    return {name: outcome.metrics[name] for name in _SHOWN}
