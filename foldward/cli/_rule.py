"""The rule and the candles that `backtest`, `wfv run` and `cpcv run` are about: the options they share.

A command takes them as one parameter, `rule: Rule`, under the decorator `with_rule`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from foldward.cli._context import Context
from foldward.cli._words import seed_of
from foldward.contracts.errors import ConfigError
from foldward.contracts.jobs import Costs, Strategy


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What was said on the command line; each field is an option."""

    data: Annotated[Path, typer.Option("--data", help="CSV, MT5 export or Parquet.", show_default=False)]
    kind: Annotated[str, typer.Option("--kind", help="Kind of strategy, e.g. sma.", show_default=False)]
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="K=V", help="A parameter of the kind; repeatable."),
    ] = None
    timeframe: Annotated[
        str | None, typer.Option("--timeframe", "-t", metavar="TF", help="Minutes or H1, D1 …")
    ] = None
    sl: Annotated[
        str | None, typer.Option("--sl", metavar="X", help="Stop-loss: price units, `3%` or `2atr`.")
    ] = None
    tp: Annotated[
        str | None, typer.Option("--tp", metavar="X", help="Take-profit: price units, `3%` or `2atr`.")
    ] = None
    filter: Annotated[
        str | None,
        typer.Option("--filter", metavar="TF:SIDE:N", help="Entries only while, e.g., H4:above:50 holds."),
    ] = None
    commission_bps: Annotated[
        float | None, typer.Option("--commission-bps", help="Per side, in basis points (default 1).")
    ] = None
    spread: Annotated[float | None, typer.Option("--spread", help="Full spread in price units.")] = None
    slippage: Annotated[float | None, typer.Option("--slippage", help="Price units lost at each fill.")] = (
        None
    )
    zero_cost: Annotated[
        bool, typer.Option("--zero-cost", help="No costs at all: the verdict is not evidence.")
    ] = False
    direction: Annotated[str, typer.Option("--direction", help="long, short or both.")] = "both"
    stop_anchor: Annotated[
        str, typer.Option("--stop-anchor", help="Stops hang on the fill or on the signal's close.")
    ] = "fill"
    cash: Annotated[float, typer.Option("--cash", help="Equity at the start.")] = 10_000.0
    units: Annotated[float, typer.Option("--units", help="Position size.")] = 1.0
    seed: Annotated[str, typer.Option("--seed", help="0 to 2^64-1.")] = "0"
    utc: Annotated[bool, typer.Option("--utc", help="Times without a zone are UTC.")] = False
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="CODE", help="Accept this data finding.")
    ] = None
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Made, not observed: never evidence.")] = (
        False
    )

    def strategy(self, *, profile: str = "next_open", generation: int = 0) -> Strategy:
        """The strategy that is meant. Raises ConfigError and RequestError."""
        from foldward.app.strategy_files import strategy_from

        return strategy_from(
            {
                "name": f"{self.kind}-cli",
                "kind": self.kind,
                "params": _pairs(self.param or ()),
                "sl": _level(self.sl),
                "tp": _level(self.tp),
                "filter": _filter(self.filter),
                "profile": profile,
                "costs": self._costs(),
                "direction": self.direction,
                "stop_anchor": self.stop_anchor,
                "cash": self.cash,
                "units": self.units,
                "generation": generation,
            }
        )

    def terms(self, ctx: Context) -> dict[str, Any]:
        """What `foldward.app.offline` takes beside the file and the strategy."""
        return {
            "timeframe": self.timeframe,
            "seed": seed_of(self.seed),
            "utc": self.utc,
            "allow": tuple(self.allow or ctx.settings.data.allow),
            "synthetic": self.synthetic,
            "cache": ctx.home.cache if ctx.home.cache.exists() else None,
        }

    def _costs(self) -> dict[str, Any]:
        given = (self.commission_bps, self.spread, self.slippage)
        if self.zero_cost and any(item is not None for item in given):
            raise ConfigError(
                "config.usage", "--zero-cost contradicts the other costs", hint="leave one of them out"
            )
        usual = Costs().commission_bps if self.commission_bps is None else self.commission_bps
        return {
            "commission_bps": 0.0 if self.zero_cost else usual,
            "spread": self.spread or 0.0,
            "slippage": self.slippage or 0.0,
            "zero": self.zero_cost,
        }


def with_rule(fn: Callable[..., int]) -> Callable[..., int]:
    """The command with `rule: Rule` spread out into its options, which come first."""
    signature = inspect.signature(fn, eval_str=True)
    options = inspect.signature(Rule, eval_str=True).parameters
    names = {field.name for field in dataclasses.fields(Rule)}

    @functools.wraps(fn)
    def spread_out(ctx: Context, **given: Any) -> int:
        rule = Rule(**{name: given.pop(name) for name in names})
        return fn(ctx, rule=rule, **given)

    context, *own = (p for p in signature.parameters.values() if p.name != "rule")
    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*options.values(), *own)]
    spread_out.__signature__ = signature.replace(parameters=[context, *keyword])  # type: ignore[attr-defined]
    return spread_out


def _pairs(params: Sequence[str]) -> dict[str, float]:
    given: dict[str, float] = {}
    for item in params:
        key, value = _pair(item)
        if given.setdefault(key, value) != value:
            raise ConfigError(
                "config.usage",
                f"--param {key} is given twice: {given[key]:g} and {value:g}",
                hint="leave one out",
            )
    return given


def _pair(text: str) -> tuple[str, float]:
    key, equals, value = text.partition("=")
    try:
        if not equals:
            raise ValueError
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
        return key.strip(), number
    except ValueError:
        raise ConfigError(
            "config.usage", f"--param {text!r} is not NAME=NUMBER", hint="for example -p period=14"
        ) from None


def _level(text: str | None) -> float | str | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _filter(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    timeframe, _, rest = text.partition(":")
    side, _, period = rest.partition(":")
    if side not in ("above", "below") or not period.isdigit():
        raise ConfigError(
            "config.usage",
            f"--filter {text!r} is not TIMEFRAME:above|below:PERIOD",
            hint="--filter H4:above:50",
        )
    return {"timeframe": timeframe, "period": int(period), "logic": f"PRICE_{side.upper()}_SMA"}


def busy(ctx: Context, what: str) -> Any:
    """A sign of life on a terminal while something is computed."""
    if ctx.as_json or not sys.stderr.isatty():
        return contextlib.nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(what)
