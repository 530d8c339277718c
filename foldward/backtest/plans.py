"""What a split plan may say, which folds it gives on given bars, and the candidates that its grid spans.

Loads no compiler: the console asks here whether a plan can be carried out before it is queued.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from foldward.backtest.strategy import validate_strategy
from foldward.contracts.errors import RequestError, suggestion
from foldward.contracts.jobs import Fault, Strategy
from foldward.data.bars import NS, Bars
from foldward.splits import CombinatorialPurged, Fold, Range, WalkForward, classic, holdout

MAX_GRID = 10_000
MAX_MEASURED = 500_000
MODES = ("classic", "holdout", "rolling", "anchored")
WFV_KEYS = ("mode", "train", "test", "step", "anchored", "purge", "embargo", "grid", "days")
CPCV_KEYS = ("groups", "test_groups", "purge", "embargo", "grid")
_WINDOWS = ("train", "test", "step", "purge", "embargo")
Plan = Mapping[str, Any]


def read_walk(plan: Plan) -> tuple[str, WalkForward | None]:
    """(mode, its windows) of a walk-forward plan; classic and holdout have no windows.

    Raises RequestError `request.bad_plan` for what no data could mend.
    """
    check_keys(plan, WFV_KEYS)
    if plan.get("grid") is not None:
        grid_axes(plan["grid"])
    mode = plan.get("mode") or ("rolling" if "train" in plan else "classic")
    if mode not in MODES:
        raise bad_plan(f"mode is {shown(mode)}; {suggestion(str(mode)[:80], MODES)}", "mode")
    anchored = plan.get("anchored")
    if not isinstance(anchored, bool | None):
        raise bad_plan(f"anchored is {shown(anchored)}; it is true or false", "anchored")
    if mode in ("classic", "holdout"):
        extra = [key for key in _WINDOWS if key in plan]
        if extra:
            raise bad_plan(f"mode {mode!r} has no {', '.join(extra)}; use mode rolling or anchored", extra[0])
        return mode, None
    missing = [key for key in ("train", "test") if plan.get(key) is None]
    if missing:
        raise bad_plan(f"mode {mode!r} needs {' and '.join(missing)}, in bars or as 90d", missing[0])
    walk = WalkForward(
        plan["train"],
        plan["test"],
        plan.get("step"),
        anchored=mode == "anchored" or bool(anchored),
        purge=plan.get("purge", 0),
        embargo=plan.get("embargo", 0),
    )
    return "anchored" if walk.anchored else "rolling", walk


def read_combinatorial(plan: Plan) -> CombinatorialPurged:
    """The splits of a CPCV plan. Raises RequestError `request.bad_plan` for what no data could mend."""
    check_keys(plan, CPCV_KEYS)
    if plan.get("grid") is not None:
        grid_axes(plan["grid"])
    return CombinatorialPurged(
        plan.get("groups", 10), plan.get("test_groups", 2), plan.get("purge", 0), plan.get("embargo", 0)
    )


def plan_folds(bars: Bars, plan: Plan) -> tuple[str, list[Fold]]:
    """(mode, folds) of a walk-forward plan on these bars. Raises RequestError `request.bad_plan`."""
    mode, walk = read_walk(plan)
    if mode == "classic":
        return mode, [classic(bars)]
    times = bars.time.view("datetime64[ns]")  # bare numbers of 1970 could be of any unit
    return mode, [holdout(times, plan.get("days", 180))] if walk is None else walk.ranges(times)


def plan_splits(bars: Bars, plan: Plan) -> tuple[CombinatorialPurged, list[Fold], list[Range]]:
    """(the splits' rule, the splits, what is measured) of a CPCV plan on these bars.

    Measured are the groups, and with a grid the pieces that candidates learn from, after them. Raises
    RequestError `request.bad_plan`.
    """
    purged = read_combinatorial(plan)
    groups = purged.groups(len(bars), bars.day_end)
    splits = list(purged.ranges(len(bars), bars.day_end))
    pieces = (
        sorted({piece for fold in splits for piece in fold.train}) if plan.get("grid") is not None else []
    )
    return purged, splits, [*groups, *pieces]


def check_plan(kind: str, strategy: Strategy, plan: Plan, bars: Bars) -> None:
    """Raises what `walk_forward` (kind wfv) or `cpcv` would raise for this work before it computes."""
    refuse_peer(strategy)
    windows = 2 * len(plan_folds(bars, plan)[1]) if kind == "wfv" else len(plan_splits(bars, plan)[2])
    check_size(len(candidates(strategy, plan.get("grid"))), windows)


def check_keys(plan: Plan, known: Sequence[str]) -> None:
    """Raises RequestError `request.bad_plan` for a key that the plan does not have, naming the nearest."""
    if not isinstance(plan, Mapping):
        raise bad_plan(f"a plan is a table of settings, not {shown(plan)}", "plan")
    for key in plan:
        if key not in known:
            raise bad_plan(f"a plan has no {shown(key)}: {suggestion(str(key)[:80], known)}", str(key)[:80])


def shown(value: object) -> str:
    """A value as it was given, cut where nobody would read on."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


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


def grid_axes(grid: object) -> dict[str, list[Any]]:
    """{parameter: its values}. Raises RequestError `request.bad_plan`: no table, no values, over MAX_GRID."""
    if not isinstance(grid, Mapping) or not grid:
        raise bad_plan(f"grid is {shown(grid)}; it is a table of parameter = [values]", "grid")
    axes: dict[str, list[Any]] = {}
    for name, values in grid.items():
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise bad_plan(f"grid.{name} is {shown(values)}; it is a list of values", f"grid.{name}")
        axes[str(name)] = list(values)
        if not axes[str(name)]:
            raise bad_plan(f"grid.{name} has no values", f"grid.{name}")
    size = math.prod(len(axis) for axis in axes.values())
    if size > MAX_GRID:
        many = f"{size:,}" if size < 10**15 else f"far more than {MAX_GRID:,}"
        raise bad_plan(
            f"the grid has {many} combinations; the limit is {MAX_GRID:,}: give fewer values", "grid"
        )
    return axes


def candidates(strategy: Strategy, grid: object) -> list[dict[str, float]]:
    """Every combination of the grid's values over the strategy's own parameters, in the grid's order.

    grid: {parameter: [values]} or None (one candidate: the strategy as it is). Combinations that the kind
    refuses (a short average above the long one) are left out; an unknown parameter, an empty list, or a grid
    of more than MAX_GRID combinations is refused, RequestError `request.bad_plan`.
    """
    if grid is None:
        return [dict(strategy.params)]
    axes = grid_axes(grid)
    found: dict[tuple[float, ...], dict[str, float]] = {}
    refused: RequestError | None = None
    for values in itertools.product(*axes.values()):
        params = {**strategy.params, **dict(zip(axes, values, strict=True))}
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
