"""What makes a strategy's definition valid, and its one canonical form."""

from __future__ import annotations

import math

import msgspec

from foldward.backtest.kinds import resolve_params
from foldward.backtest.levels import parse_level
from foldward.contracts.errors import RequestError, suggestion
from foldward.contracts.jobs import Costs, Filter, Strategy
from foldward.contracts.timeframe import parse_timeframe

_MAX_NAME = 200


def validate_strategy(strategy: Strategy) -> Strategy:
    """The canonical form: parameters resolved, sl and tp normalised, every field checked.

    Two spellings of the same rule give equal structs, so that they share one identity. Raises RequestError
    (`request.bad_strategy`, `request.bad_param`, `request.unknown_kind`, `request.unknown_param`) whose
    context names the field.
    """
    name = strategy.name
    if not isinstance(name, str) or not name.strip() or len(name) > _MAX_NAME:
        raise _bad("name", f"must be 1 to {_MAX_NAME} characters, not {name!r}")
    _one_of("profile", strategy.profile, ("next_open", "peer"))
    _one_of("direction", strategy.direction, ("long", "short", "both"))
    _one_of("stop_anchor", strategy.stop_anchor, ("fill", "signal"))
    peer = strategy.profile == "peer"
    params = resolve_params(strategy.kind, strategy.params, profile=strategy.profile)
    timeframe = parse_timeframe(strategy.timeframe)
    sl = parse_level(strategy.sl, name="sl", zero=peer)
    tp = parse_level(strategy.tp, name="tp", zero=peer)
    if peer:
        if strategy.direction != "both" or strategy.stop_anchor != "fill":
            raise _bad("profile", "'peer' trades both directions and anchors stops on the fill")
        if {level.unit for level in (sl, tp) if level} == {"price", "atr"} or any(
            level.unit == "percent" for level in (sl, tp) if level
        ):
            raise _bad("sl", "with profile 'peer', sl and tp are both price units or both ATR multiples")
    units = _positive("units", strategy.units)
    cash = _positive("cash", strategy.cash)
    atr_period = strategy.atr_period
    if isinstance(atr_period, bool) or not isinstance(atr_period, int) or not 1 <= atr_period <= 100_000:
        raise _bad("atr_period", f"must be a whole number from 1 to 100000, not {atr_period!r}")
    if isinstance(strategy.generation, bool) or strategy.generation < 0:
        raise _bad("generation", f"must be a whole number ≥ 0, not {strategy.generation!r}")
    return msgspec.structs.replace(
        strategy,
        params=params,
        timeframe=timeframe,
        sl=None if sl is None else sl.canonical(),
        tp=None if tp is None else tp.canonical(),
        units=units,
        cash=cash,
        costs=_costs(strategy.costs),
        filter=_filter(strategy.filter, timeframe),
    )


def _costs(costs: Costs) -> Costs:
    for field in ("commission_bps", "spread", "slippage"):
        value = getattr(costs, field)
        if not _finite(value) or value < 0:
            raise _bad(f"costs.{field}", f"must be a number ≥ 0, not {value!r}")
    for field in ("swap_long", "swap_short"):
        if not _finite(getattr(costs, field)):
            raise _bad(f"costs.{field}", f"must be a finite number, not {getattr(costs, field)!r}")
    if costs.commission_bps >= 10_000:
        raise _bad("costs.commission_bps", f"{costs.commission_bps:g} would take the whole notional")
    if costs.zero:
        if costs.spread or costs.slippage or costs.swap_long or costs.swap_short:
            raise _bad("costs.zero", "asks for no costs, and costs are given")
        # The default commission is not a contradiction, only what `zero` switches off.
        return Costs(commission_bps=0.0, zero=True)
    if not (costs.commission_bps or costs.spread or costs.slippage):
        raise _bad("costs", "a cost model is mandatory; trading for free needs the explicit flag zero")
    return Costs(
        commission_bps=float(costs.commission_bps),
        spread=float(costs.spread),
        slippage=float(costs.slippage),
        swap_long=float(costs.swap_long),
        swap_short=float(costs.swap_short),
    )


def _filter(value: Filter | None, timeframe: int) -> Filter | None:
    if value is None:
        return None
    try:
        filter_timeframe = parse_timeframe(value.timeframe)
    except RequestError as error:
        raise _bad("filter.timeframe", str(error)) from error
    if filter_timeframe < timeframe:
        raise _bad("filter.timeframe", f"{filter_timeframe} is below the strategy's {timeframe} minutes")
    if (
        isinstance(value.period, bool)
        or not isinstance(value.period, int)
        or not 1 <= value.period <= 100_000
    ):
        raise _bad("filter.period", f"must be a whole number from 1 to 100000, not {value.period!r}")
    _one_of("filter.logic", value.logic, ("PRICE_ABOVE_SMA", "PRICE_BELOW_SMA"))
    return Filter(timeframe=filter_timeframe, period=value.period, logic=value.logic)


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _positive(field: str, value: object) -> float:
    if not _finite(value) or not float(value) > 0:  # type: ignore[arg-type]
        raise _bad(field, f"must be a number > 0, not {value!r}")
    return float(value)  # type: ignore[arg-type]


def _one_of(field: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise _bad(field, f"{value!r}: {suggestion(str(value), allowed)}")


def _bad(field: str, message: str) -> RequestError:
    return RequestError("request.bad_strategy", f"{field}: {message}", field=field)
