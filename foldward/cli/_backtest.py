"""`foldward backtest`, `wfv run` and `cpcv run`: on a file, no core and no queue."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_json, print_table
from foldward.contracts import clock
from foldward.contracts.errors import ConfigError, RequestError
from foldward.contracts.jobs import MAX_SEED, Costs, Strategy

wfv = typer.Typer(help="Walk-forward validation.")
cpcv = typer.Typer(help="Combinatorial purged cross-validation.")

DataOption = Annotated[Path, typer.Option("--data", help="CSV, MT5 export or Parquet.", show_default=False)]
KindOption = Annotated[str, typer.Option("--kind", help="Kind of strategy, e.g. sma.", show_default=False)]
ParamOption = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="K=V", help="A parameter of the kind; repeatable."),
]
TimeframeOption = Annotated[
    str | None, typer.Option("--timeframe", "-t", metavar="TF", help="Minutes or H1, D1 …")
]
LevelOption = Annotated[str | None, typer.Option(metavar="X", help="Price units, `3%` or `2atr`.")]
SeedOption = Annotated[str, typer.Option("--seed", help="0 to 2^64-1.")]


class Common:
    """Options that the three commands share, as typer sees them."""

    sl = Annotated[
        str | None, typer.Option("--sl", metavar="X", help="Stop-loss: price units, `3%` or `2atr`.")
    ]
    tp = Annotated[
        str | None, typer.Option("--tp", metavar="X", help="Take-profit: price units, `3%` or `2atr`.")
    ]
    direction = Annotated[str, typer.Option("--direction", help="long, short or both.")]
    anchor = Annotated[
        str, typer.Option("--stop-anchor", help="Stops hang on the fill or on the signal's close.")
    ]
    bps = Annotated[
        float | None, typer.Option("--commission-bps", help="Per side, in basis points (default 1).")
    ]
    spread = Annotated[float | None, typer.Option("--spread", help="Full spread in price units.")]
    slippage = Annotated[float | None, typer.Option("--slippage", help="Price units lost at each fill.")]
    zero = Annotated[bool, typer.Option("--zero-cost", help="No costs at all: the verdict is not evidence.")]
    cash = Annotated[float, typer.Option("--cash", help="Equity at the start.")]
    units = Annotated[float, typer.Option("--units", help="Position size.")]
    profile = Annotated[str, typer.Option("--profile", help="next_open or peer.")]
    utc = Annotated[bool, typer.Option("--utc", help="Times without a zone are UTC.")]
    allow = Annotated[
        list[str] | None, typer.Option("--allow", metavar="CODE", help="Accept this data finding.")
    ]
    synthetic = Annotated[bool, typer.Option("--synthetic", help="Made, not observed: never evidence.")]


def register(app: typer.Typer) -> None:
    """Add `backtest` and the groups `wfv` and `cpcv`."""
    command(app, "backtest")(backtest)
    app.add_typer(wfv, name="wfv")
    app.add_typer(cpcv, name="cpcv")


def backtest(
    ctx: Context,
    data: DataOption,
    kind: KindOption,
    param: ParamOption = None,
    timeframe: TimeframeOption = None,
    sl: Common.sl = None,
    tp: Common.tp = None,
    start: Annotated[str | None, typer.Option("--start", help="Unix seconds or ISO-8601.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Unix seconds or ISO-8601, inclusive.")] = None,
    profile: Common.profile = "next_open",
    commission_bps: Common.bps = None,
    spread: Common.spread = None,
    slippage: Common.slippage = None,
    zero_cost: Common.zero = False,
    direction: Common.direction = "both",
    stop_anchor: Common.anchor = "fill",
    cash: Common.cash = 10_000.0,
    units: Common.units = 1.0,
    seed: SeedOption = "0",
    trades: Annotated[bool, typer.Option("--trades", help="List the trades.")] = False,
    calendar: Annotated[
        int | None, typer.Option("--calendar", help="365 or 252 days a year (default: inferred).")
    ] = None,
    utc: Common.utc = False,
    allow: Common.allow = None,
    synthetic: Common.synthetic = False,
) -> int:
    """Simulate one strategy on one file and print its metrics. Exit 1 when the run is INVALID."""
    from foldward.app.offline import simulate_file

    ctx.load_kinds()
    strategy = _strategy(
        kind,
        param,
        sl,
        tp,
        profile,
        (commission_bps, spread, slippage, zero_cost),
        direction,
        stop_anchor,
        cash,
        units,
    )
    with _busy(ctx, "reading and simulating"):
        answer = simulate_file(
            data,
            strategy,
            timeframe=timeframe,
            start=_moment("start", start),
            end=_moment("end", end),
            seed=_seed(seed),
            include_trades=trades,
            calendar=calendar,
            utc=utc,
            allow=_allowed(ctx, allow),
            synthetic=synthetic,
            cache=ctx.home.cache if ctx.home.cache.exists() else None,
        )
    if ctx.as_json:
        print_json(answer)
    else:
        _show_backtest(answer, data, strategy)
    return 1 if answer["verdict"] == "INVALID" else 0


def _show_backtest(answer: dict[str, Any], data: Path, strategy: Strategy) -> None:
    window = answer["window"]
    span = f"{clock.iso_s(window['start'])} … {clock.iso_s(window['end'])}, {window['bars']:,} bars"
    params = " ".join(f"{key}={value:g}" for key, value in answer["strategy"]["params"].items())
    print(f"{strategy.kind} {params} on {data.name}, {span}: {answer['verdict']}")
    for fault in answer["faults"]:
        print(f"  {fault['code']}: {fault['message']}")
    rows = [(name, value, answer["reasons"].get(name, "")) for name, value in answer["metrics"].items()]
    print_table("", ("metric", "value", "why there is none"), rows, empty="no metrics")
    if answer.get("trades") is not None:
        columns = ("entry_time", "exit_time", "direction", "entry_price", "exit_price", "pnl", "reason")
        print_table(
            f"{len(answer['trades'])} trades",
            columns,
            [[_cell(row, name) for name in columns] for row in answer["trades"]],
            empty="no trades",
        )
    print(f"result {answer['result_digest']}\ndata   {answer['fingerprint']}")


def _cell(row: dict[str, Any], name: str) -> Any:
    value = row.get(name)
    return clock.iso_s(value) if name.endswith("_time") and value is not None else value


def wfv_run(
    ctx: Context,
    data: DataOption,
    kind: KindOption,
    param: ParamOption = None,
    timeframe: TimeframeOption = None,
    classic: Annotated[bool, typer.Option("--classic", help="Newest 20 % out of sample.")] = False,
    train: Annotated[str | None, typer.Option("--train", help="Bars, or 90d, 12w, 6h.")] = None,
    test: Annotated[str | None, typer.Option("--test", help="Bars, or 30d.")] = None,
    step: Annotated[str | None, typer.Option("--step", help="Bars or a duration (default: test).")] = None,
    anchored: Annotated[
        bool, typer.Option("--anchored", help="Training always starts at the first bar.")
    ] = False,
    purge: Annotated[int, typer.Option("--purge", help="Bars removed before each test.")] = 0,
    embargo: Annotated[int, typer.Option("--embargo", help="Bars removed after each test.")] = 0,
    grid: Annotated[Path | None, typer.Option("--grid", help="TOML/JSON: parameter = [values].")] = None,
    generation: Annotated[int, typer.Option("--generation", help="Raises what classic demands.")] = 0,
    sl: Common.sl = None,
    tp: Common.tp = None,
    commission_bps: Common.bps = None,
    spread: Common.spread = None,
    slippage: Common.slippage = None,
    zero_cost: Common.zero = False,
    direction: Common.direction = "both",
    stop_anchor: Common.anchor = "fill",
    cash: Common.cash = 10_000.0,
    units: Common.units = 1.0,
    seed: SeedOption = "0",
    utc: Common.utc = False,
    allow: Common.allow = None,
    synthetic: Common.synthetic = False,
) -> int:
    """Walk forward over a file: each fold in and out of sample, degradation and decision."""
    from foldward.app.offline import split_file

    if classic == (train is not None):
        raise ConfigError(
            "config.usage", "give either --classic or --train and --test", hint="foldward wfv run --help"
        )
    plan: dict[str, Any] = {"mode": "classic", "generation": generation}
    if not classic:
        if test is None:
            raise ConfigError(
                "config.usage", "--train needs --test", hint="for example --train 90d --test 30d"
            )
        plan = {
            "mode": "anchored" if anchored else "rolling",
            "train": span(train or ""),
            "test": span(test),
            "purge": purge,
            "embargo": embargo,
        }
        if step is not None:
            plan["step"] = span(step)
    if grid is not None:
        plan["grid"] = _grid(grid)
    ctx.load_kinds()
    strategy = _strategy(
        kind,
        param,
        sl,
        tp,
        "next_open",
        (commission_bps, spread, slippage, zero_cost),
        direction,
        stop_anchor,
        cash,
        units,
        generation,
    )
    with _busy(ctx, "walking forward"):
        answer = split_file(
            "wfv", data, strategy, plan, timeframe=timeframe, seed=_seed(seed), utc=utc,
            allow=_allowed(ctx, allow), synthetic=synthetic,
            cache=ctx.home.cache if ctx.home.cache.exists() else None,
        )  # fmt: skip
    if ctx.as_json:
        print_json(answer)
    else:
        show_folds(answer)
    return 1 if answer.get("failed") or answer.get("verdict") == "INVALID" else 0


def show_folds(answer: dict[str, Any]) -> None:
    """A walk-forward's report for a person."""
    print_table(
        f"{answer['planned']} folds, {answer['failed']} failed: {answer['decision']}",
        ("train from", "to", "bars", "test from", "to", "bars", "IS Sharpe", "OOS Sharpe", "status"),
        [
            (
                clock.iso_s(fold["train"]["start"]),
                clock.iso_s(fold["train"]["end"]),
                fold["train"]["bars"],
                clock.iso_s(fold["test"]["start"]),
                clock.iso_s(fold["test"]["end"]),
                fold["test"]["bars"],
                fold["is_sharpe"],
                fold["oos_sharpe"],
                fold["status"],
            )
            for fold in answer["folds"]
        ],
        empty="no folds",
    )
    for name in ("degradation", "efficiency", "required_oos"):
        if answer.get(name) is not None:
            print(f"{name} {answer[name]:.3f}")


def cpcv_run(
    ctx: Context,
    data: DataOption,
    kind: KindOption,
    param: ParamOption = None,
    timeframe: TimeframeOption = None,
    groups: Annotated[int, typer.Option("--groups", help="N: contiguous groups of days.")] = 10,
    test_groups: Annotated[int, typer.Option("--test-groups", help="k: groups tested at once.")] = 2,
    purge: Annotated[int, typer.Option("--purge", help="Bars removed before each test group.")] = 0,
    embargo: Annotated[int, typer.Option("--embargo", help="Bars removed after each test group.")] = 0,
    grid: Annotated[Path | None, typer.Option("--grid", help="TOML/JSON: parameter = [values].")] = None,
    sl: Common.sl = None,
    tp: Common.tp = None,
    commission_bps: Common.bps = None,
    spread: Common.spread = None,
    slippage: Common.slippage = None,
    zero_cost: Common.zero = False,
    direction: Common.direction = "both",
    stop_anchor: Common.anchor = "fill",
    cash: Common.cash = 10_000.0,
    units: Common.units = 1.0,
    seed: SeedOption = "0",
    utc: Common.utc = False,
    allow: Common.allow = None,
    synthetic: Common.synthetic = False,
) -> int:
    """Combinatorial purged cross-validation over a file: C(N,k) splits, paths and whether they pass."""
    from foldward.app.offline import split_file

    plan: dict[str, Any] = {"groups": groups, "test_groups": test_groups, "purge": purge, "embargo": embargo}
    if grid is not None:
        plan["grid"] = _grid(grid)
    ctx.load_kinds()
    strategy = _strategy(
        kind,
        param,
        sl,
        tp,
        "next_open",
        (commission_bps, spread, slippage, zero_cost),
        direction,
        stop_anchor,
        cash,
        units,
    )
    with _busy(ctx, "combining splits"):
        answer = split_file(
            "cpcv", data, strategy, plan, timeframe=timeframe, seed=_seed(seed), utc=utc,
            allow=_allowed(ctx, allow), synthetic=synthetic,
            cache=ctx.home.cache if ctx.home.cache.exists() else None,
        )  # fmt: skip
    if ctx.as_json:
        print_json(answer)
    else:
        show_paths(answer)
    return 1 if answer.get("verdict") == "INVALID" else 0


def show_paths(answer: dict[str, Any]) -> None:
    """A CPCV's report for a person."""
    names = ("basis", "splits", "paths", "pass_rate", "median_sharpe", "median_maxdd", "pbo", "is_passed")
    reasons = answer.get("reasons") or {}
    rows = [(name, answer.get(name), reasons.get(name, "")) for name in names]
    print_table("", ("figure", "value", "why there is none"), rows, empty="")


command(wfv, "run")(wfv_run)
command(cpcv, "run")(cpcv_run)


def _strategy(
    kind: str,
    params: list[str] | None,
    sl: str | None,
    tp: str | None,
    profile: str,
    costs: tuple[float | None, float | None, float | None, bool],
    direction: str,
    stop_anchor: str,
    cash: float,
    units: float,
    generation: int = 0,
) -> Strategy:
    from foldward.app.strategy_files import strategy_from

    bps, spread, slippage, zero = costs
    if zero and any(item is not None for item in (bps, spread, slippage)):
        raise ConfigError(
            "config.usage", "--zero-cost contradicts the other costs", hint="leave one of them out"
        )
    defaults = Costs()
    priced = {
        "commission_bps": 0.0 if zero else defaults.commission_bps if bps is None else bps,
        "spread": spread or 0.0,
        "slippage": slippage or 0.0,
        "zero": zero,
    }
    return strategy_from(
        {
            "name": f"{kind}-cli",
            "kind": kind,
            "params": _pairs(params or ()),
            "sl": _level(sl),
            "tp": _level(tp),
            "profile": profile,
            "costs": priced,
            "direction": direction,
            "stop_anchor": stop_anchor,
            "cash": cash,
            "units": units,
            "generation": generation,
        }
    )


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
        return key.strip(), float(value)
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


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed <= MAX_SEED:
        raise RequestError("request.bad_seed", f"{text!r} is not a seed", field="seed")
    return seed


def _moment(name: str, text: str | None) -> int | None:
    """Unix seconds of `--start` or `--end`; ISO-8601 without a zone is UTC, a date alone its first second."""
    if text is None:
        return None
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    import datetime as dt

    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise RequestError(
            "request.bad_window", f"--{name} {text!r} is neither Unix seconds nor ISO-8601", field=name
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())


def span(text: str) -> int | str:
    """Bars as a number, a duration as it is."""
    return int(text) if text.isdigit() else text


def _grid(file: Path) -> dict[str, list[float]]:
    import json
    import tomllib

    try:
        text = file.read_text(encoding="utf-8")
        plain = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError("config.unreadable", f"{file} cannot be read: {error}", file=str(file)) from error
    axes = plain.get("grid", plain)
    for key, values in axes.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(
                "config.invalid", f"{key} in {file} is not a list of numbers", hint="period = [10, 20]"
            )
    return dict(axes)


def _allowed(ctx: Context, allow: list[str] | None) -> tuple[str, ...]:
    return tuple(allow or ctx.settings.data.allow)


def _busy(ctx: Context, what: str) -> Any:
    import contextlib
    import sys

    if ctx.as_json or not sys.stderr.isatty():
        return contextlib.nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(what)
