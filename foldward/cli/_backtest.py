"""`foldward backtest`: one simulation of one file, no core and no queue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_json, print_table
from foldward.cli._rule import Rule, busy, with_rule
from foldward.cli._words import moment_of
from foldward.contracts import clock
from foldward.contracts.jobs import Strategy


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "backtest")(backtest)


@with_rule
def backtest(
    ctx: Context,
    rule: Rule,
    start: Annotated[str | None, typer.Option("--start", help="Unix seconds or ISO-8601.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Unix seconds or ISO-8601, inclusive.")] = None,
    profile: Annotated[str, typer.Option("--profile", help="next_open or peer.")] = "next_open",
    trades: Annotated[bool, typer.Option("--trades", help="List the trades.")] = False,
    calendar: Annotated[
        int | None, typer.Option("--calendar", help="365 or 252 days a year (default: inferred).")
    ] = None,
) -> int:
    """Simulate one strategy on one file and print its metrics. Exit 1 when the run is INVALID."""
    from foldward.app.offline import simulate_file

    ctx.load_kinds()
    strategy = rule.strategy(profile=profile)
    with busy(ctx, "reading and simulating"):
        answer = simulate_file(
            rule.data,
            strategy,
            start=moment_of("start", start),
            end=moment_of("end", end),
            include_trades=trades,
            calendar=calendar,
            **rule.terms(ctx),
        )
    if ctx.as_json:
        print_json(answer)
    else:
        _show(answer, rule.data, strategy)
    return 1 if answer["verdict"] == "INVALID" else 0


def _show(answer: dict[str, Any], data: Path, strategy: Strategy) -> None:
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
