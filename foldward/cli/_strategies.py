"""`foldward strategies import|list|show|grid|retire` and `foldward verdicts`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from foldward.cli._choices import RANKS, VERDICTS, one_of
from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._known import known_strategy, not_retired, tell_undone
from foldward.cli._output import print_json, print_table, say
from foldward.cli._watch import WatchOption, repeat
from foldward.contracts.errors import ConfigError, RequestError
from foldward.contracts.timeframe import timeframe_label

StrategyName = Annotated[str, typer.Argument(metavar="NAME", help="A strategy's name.", show_default=False)]

group = typer.Typer(help="Strategies: import a set, list, show one, make a grid, retire.")

NO_VERDICTS = "no verdicts yet: foldward oos submit NAME, or foldward run"
VERDICT_STYLE = {"PASS": "green", "FAIL": "red", "INVALID": "magenta", "BLOCKED": "yellow"}


def register(app: typer.Typer) -> None:
    """Add the group and `verdicts`."""
    app.add_typer(group, name="strategies")
    command(app, "verdicts")(verdicts)


def import_file(
    ctx: Context, file: Annotated[Path, typer.Argument(help="TOML, JSON or CSV.", show_default=False)]
) -> int:
    """Import a set: valid ones are stored, each wrong one is refused by name with its reason (exit 6)."""
    from foldward.app.admin import import_strategies
    from foldward.app.strategy_files import read_strategies

    ctx.load_kinds()
    chosen = read_strategies(file)
    done = import_strategies(ctx.home, ctx.snapshot, chosen.accepted)
    done["refused"] = chosen.refused + done["refused"]
    if ctx.as_json:
        print_json(done)
    else:
        same = f"{done['unchanged']} unchanged, " if done["unchanged"] else ""
        say(f"{done['imported']} imported, {done['updated']} updated, {same}{len(done['refused'])} refused")
        for item in done["refused"]:
            say(f"  {item['name']}: {item['code']}: {item['message']}")
    taken = done["imported"] + done["updated"] + done.get("unchanged", 0)
    if not done["refused"]:
        return 0
    return 6 if taken else 2


def list_all(
    ctx: Context,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    rank: Annotated[str | None, typer.Option(help="Only this rank.")] = None,
) -> None:
    """List strategies with their rank and both Sharpe ratios."""
    every = ctx.reader().strategies()
    rank = one_of("--rank", rank, RANKS)
    if kind is not None:
        from foldward.backtest import KINDS

        ctx.load_kinds()
        kind = one_of("--kind", kind, {*KINDS, *(row.kind for row in every)})
    rows = [
        _listed(row)
        for row in every
        if (kind is None or row.kind == kind) and (rank is None or row.rank == rank)
    ]
    if ctx.as_json:
        print_json(rows)
        return
    print_table(
        f"{len(rows)} strategies" if rows else "",
        ("name", "kind", "symbol", "tf", "rank", "verdict", "IS Sharpe", "OOS Sharpe", "generation"),
        [
            (
                row["name"],
                row["kind"],
                row["symbol"],
                timeframe_label(row["timeframe"]),
                row["rank"],
                row["verdict"],
                row["is_sharpe"],
                row["oos_sharpe"],
                row["generation"],
            )
            for row in rows
        ],
        empty="no strategy fits" if every else "no strategies yet: foldward strategies import FILE",
    )


def _listed(row: Any) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "params": row.params,
        "symbol": row.symbol,
        "timeframe": row.timeframe,
        "rank": row.rank,
        "generation": row.generation,
        "verdict": row.verdict,
        "is_sharpe": row.is_sharpe,
        "oos_sharpe": row.oos_sharpe,
        "updated_at": row.updated_at,
    }


def show(ctx: Context, name: StrategyName) -> None:
    """Show one strategy: definition, both sides' numbers, verdict and its gates."""
    reader = ctx.reader()
    row = known_strategy(reader, name)
    plain = msgspec.to_builtins(row)
    if ctx.as_json:
        print_json(plain)
        return
    show_strategy(row)


def show_strategy(row: Any) -> None:
    """One strategy for a person."""
    plain = msgspec.to_builtins(row)
    print(f"{row.name}: {row.kind} on {row.symbol} {timeframe_label(row.timeframe)}, rank {row.rank}")
    print_table(
        "",
        ("", "in sample", "out of sample"),
        [
            (figure, plain.get(f"is_{figure}"), plain.get(f"oos_{figure}"))
            for figure in ("sharpe", "sortino", "profit_factor", "win_rate", "max_drawdown", "pnl", "trades")
        ],
        empty="",
    )
    print_table(
        f"verdict {row.verdict or 'none yet'} at stage {row.stage or '–'}",
        ("gate", "value", "threshold", "passed"),
        [(gate["name"], gate["value"], gate["threshold"], gate["passed"]) for gate in row.gates],
        empty="no gate was looked at yet",
    )
    for reason in row.reasons:
        print(f"  {reason}")


def grid(
    ctx: Context,
    kind: Annotated[str, typer.Option("--kind", help="Kind of strategy, e.g. sma.", show_default=False)],
    symbol: Annotated[str, typer.Option("--symbol", help="Symbol of its candles.", show_default=False)],
    timeframe: Annotated[
        str, typer.Option("--timeframe", "-t", metavar="TF", help="Minutes or H1, D1 …", show_default=False)
    ],
    param: Annotated[
        list[str],
        typer.Option("--param", "-p", metavar="K=V,V,…", help="An axis; repeatable.", show_default=False),
    ],
    name: Annotated[str | None, typer.Option(help="Base name (default: KIND-SYMBOL).")] = None,
) -> None:
    """Print a strategies file with every combination of the given parameter values."""
    from foldward.app.strategy_files import grid as expand
    from foldward.app.strategy_files import strategy_from

    axes: dict[str, list[float]] = {}
    for item in param:
        key, _, values = item.partition("=")
        try:
            axes[key.strip()] = [float(value) for value in values.split(",")]
        except ValueError:
            raise RequestError("request.bad_param", f"--param {item!r} is not K=V,V,…", field=key) from None
    base = {"name": name or f"{kind}-{symbol}", "kind": kind, "symbol": symbol, "timeframe": timeframe}
    ctx.load_kinds()
    made = [strategy_from(plain) for plain in expand(base, axes)]
    if ctx.as_json:
        print_json([msgspec.to_builtins(strategy) for strategy in made])
        return
    for strategy in made:
        params = ", ".join(f"{key} = {value:g}" for key, value in strategy.params.items())
        label = timeframe_label(strategy.timeframe)
        print(
            f'[[strategy]]\nname = "{strategy.name}"\nkind = "{strategy.kind}"\n'
            f'symbol = "{strategy.symbol}"\ntimeframe = "{label}"\nparams = {{ {params} }}\n'
        )


def retire(
    ctx: Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Strategy names.", show_default=False)],
) -> int:
    """Retire strategies: their open requests are cancelled, nothing will resurrect them.

    Exit 4 when none could be retired, 6 when only some.
    """
    from foldward.app.admin import retire_strategies

    names = list(dict.fromkeys(names))
    changed = retire_strategies(ctx.home, ctx.snapshot, names)
    missing = [name for name in names if name not in changed]
    if ctx.as_json:
        print_json({"retired": changed, "unchanged": missing})
    elif changed:
        say(f"{len(changed)} of {len(names)} retired")
    tell_undone(missing, not_retired, ctx.reader())
    return 0 if not missing else 6 if changed else 4


command(group, "import")(import_file)
command(group, "list")(list_all)
command(group, "show")(show)
command(group, "grid")(grid)
command(group, "retire")(retire)


def verdicts(
    ctx: Context,
    passed: Annotated[bool, typer.Option("--passed", help="Only PASS.")] = False,
    verdict: Annotated[str | None, typer.Option(help="Only PASS, FAIL, INVALID or BLOCKED.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N.")] = None,
    watch: WatchOption = None,
) -> None:
    """The league table: every strategy's verdict, its numbers and the reasons."""
    wanted = "PASS" if passed else one_of("--verdict", verdict, VERDICTS)
    if passed and verdict is not None and verdict.upper() != "PASS":
        raise ConfigError("config.usage", f"--passed contradicts --verdict {verdict}", hint="leave one out")
    repeat(lambda: _verdicts(ctx, wanted, limit), watch)


def _verdicts(ctx: Context, wanted: str | None, limit: int | None) -> None:
    from foldward.console.league import league

    every = league(ctx.reader())
    rows = [row for row in every if wanted is None or row["verdict"] == wanted][:limit]
    if ctx.as_json:
        print_json(rows)
        return
    show_league(rows, empty=f"no strategy has {wanted} among {len(every)} verdicts" if every else NO_VERDICTS)


def show_league(rows: list[dict[str, Any]], title: str = "", empty: str = NO_VERDICTS) -> None:
    """The table of `verdicts` for a person."""
    print_table(
        title,
        ("#", "strategy", "verdict", "rank", "IS Sharpe", "OOS Sharpe", "trades", "DSR", "PBO", "why"),
        [
            (
                number,
                row["strategy"],
                row["verdict"],
                row["rank"],
                row["is_sharpe"],
                row["oos_sharpe"],
                row["trades"],
                row["dsr"],
                row["pbo"],
                "; ".join(row["reasons"][:2]) + (" …" if len(row["reasons"]) > 2 else ""),
            )
            for number, row in enumerate(rows, 1)
        ],
        empty=empty,
        style=lambda row: VERDICT_STYLE.get(row[2]),
    )
