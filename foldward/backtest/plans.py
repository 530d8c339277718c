"""What a split plan may say, and the candidates that its grid spans."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from foldward.backtest.engine import Prepared, prepare
from foldward.backtest.filters import Aux
from foldward.backtest.strategy import validate_strategy
from foldward.contracts.errors import RequestError, suggestion
from foldward.contracts.jobs import Fault, Strategy, Swap
from foldward.data.bars import NS, Bars

MAX_GRID = 10_000
MAX_MEASURED = 500_000
Plan = Mapping[str, Any]


def check_keys(plan: Plan, known: Sequence[str]) -> None:
    """Raises RequestError `request.bad_plan` for a key that the plan does not have, naming the nearest."""
    if not isinstance(plan, Mapping):
        raise bad_plan(f"a plan is a table of settings, not {plan!r}", "plan")
    for key in plan:
        if key not in known:
            raise bad_plan(f"a plan has no {key!r}: {suggestion(str(key), known)}", str(key))


def bad_plan(message: str, field: str) -> RequestError:
    """The error for a plan that cannot be carried out."""
    return RequestError("request.bad_plan", message, field=field)


def check_size(candidates_: int, windows: int) -> None:
    """Refuse more window measurements than a worker should hold and wait for, `request.bad_plan`."""
    if candidates_ * windows > MAX_MEASURED:
        raise bad_plan(
            f"{candidates_:,} candidates on {windows:,} windows are {candidates_ * windows:,} measurements; "
            f"the limit is {MAX_MEASURED:,}: use a coarser grid, a longer step or fewer groups",
            "grid",
        )


def refuse_peer(strategy: Strategy) -> None:
    """Splits need the block statistics that only the default profile has."""
    if strategy.profile == "peer":
        raise RequestError(
            "request.bad_strategy",
            "profile: this is computed with profile 'next_open'; 'peer' serves single backtests",
            field="profile",
        )


def candidates(strategy: Strategy, grid: object) -> list[dict[str, float]]:
    """Every combination of the grid's values over the strategy's own parameters, in the grid's order.

    grid: {parameter: [values]} or None (one candidate: the strategy as it is). Combinations that the kind
    refuses (a short average above the long one) are left out; an unknown parameter, an empty list, or a grid
    of more than MAX_GRID combinations is refused, RequestError `request.bad_plan`.
    """
    if grid is None:
        return [dict(strategy.params)]
    if not isinstance(grid, Mapping) or not grid:
        raise bad_plan(f"grid is {grid!r}; it is a table of parameter = [values]", "grid")
    axes: list[Sequence[Any]] = []
    for name, values in grid.items():
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise bad_plan(f"grid.{name} is {values!r}; it is a list of values", f"grid.{name}")
        axes.append(list(values))
        if not axes[-1]:
            raise bad_plan(f"grid.{name} has no values", f"grid.{name}")
    size = math.prod(len(axis) for axis in axes)
    if size > MAX_GRID:
        raise bad_plan(
            f"the grid has {size:,} combinations; the limit is {MAX_GRID:,}: give fewer values", "grid"
        )
    found: dict[tuple[float, ...], dict[str, float]] = {}
    refused: RequestError | None = None
    for values in itertools.product(*axes):
        params = {**strategy.params, **dict(zip(grid, values, strict=True))}
        try:
            checked = validate_strategy(msgspec.structs.replace(strategy, params=params))
        except RequestError as error:
            if error.code == "request.unknown_param":
                raise bad_plan(f"grid: {error}", "grid") from error
            refused = error
            continue
        found.setdefault(tuple(checked.params.values()), checked.params)
    if not found:
        raise bad_plan(f"no combination of the grid is allowed: {refused}", "grid")
    return list(found.values())


def prepare_each(
    bars: Bars,
    strategy: Strategy,
    params: Sequence[Mapping[str, float]],
    *,
    seed: int,
    calendar: int | None,
    aux: Aux | None,
    swaps: Iterable[Swap] | None,
) -> Iterable[Prepared]:
    """One Prepared per candidate, made when it is asked for: signals of thousands need not live at once."""
    history = None if swaps is None else tuple(swaps)
    for chosen in params:
        yield prepare(
            bars,
            msgspec.structs.replace(strategy, params=dict(chosen)),
            seed=seed,
            calendar=calendar,
            aux=aux,
            swaps=history,
        )


def span(bars: Bars, lo: int, hi: int) -> dict[str, int | None]:
    """A range as {start, end, bars}: first and last bar's time in Unix seconds, None where it is empty."""
    if hi <= lo:
        return {"start": None, "end": None, "bars": 0}
    return {"start": int(bars.time[lo]) // NS, "end": int(bars.time[hi - 1]) // NS, "bars": hi - lo}


def fault_rows(faults: Iterable[Fault]) -> list[dict[str, str]]:
    """Faults as plain rows, each once."""
    return [
        {"code": code, "message": text} for code, text in dict.fromkeys((f.code, f.message) for f in faults)
    ]
