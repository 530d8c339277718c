"""`foldward run`: the whole job on a folder of prices and a set of strategies, with its own core."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_json, say
from foldward.cli._words import seed_of
from foldward.contracts.errors import ConfigError

if TYPE_CHECKING:
    from foldward.app.session import RunDone
    from foldward.settings import Home


def register(app: typer.Typer) -> None:
    """Add `run`."""
    command(app, "run")(run)


def run(
    ctx: Context,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with SYMBOL_TF.csv files.", show_default=False)
    ] = None,
    strategies: Annotated[
        Path | None, typer.Option("--strategies", help="TOML, JSON or CSV.", show_default=False)
    ] = None,
    seed: Annotated[str, typer.Option("--seed", help="0 to 2^64-1.")] = "0",
    workers: Annotated[int | None, typer.Option(help="Worker processes (default: as many as cores).")] = None,
    until_idle: Annotated[
        bool, typer.Option("--until-idle/--stay", help="Leave when every strategy has its verdict.")
    ] = True,
    demo: Annotated[bool, typer.Option("--demo", help="Bundled real prices and 135 strategies.")] = False,
    faults: Annotated[
        bool, typer.Option("--faults", help="Add a bad CSV, a poison result and a killed worker.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Where to write report.html.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows of the league table that are printed.")] = 30,
    dashboard: Annotated[
        bool, typer.Option("--dashboard/--no-dashboard", help="Serve the dashboard meanwhile.")
    ] = True,
) -> int:
    """Validate every strategy in and out of sample, print the league table, write report.html."""
    if demo:
        from foldward.app.demo import demo_inputs

        bundled, chosen = demo_inputs()
        data, strategies = data or bundled, strategies or chosen
        report = report or Path("report.html")
    if data is None or strategies is None:
        raise ConfigError(
            "config.usage",
            "run needs --data DIR and --strategies FILE, or --demo",
            hint="foldward run --demo",
        )
    if not data.is_dir():
        raise ConfigError(
            "config.usage", f"--data {data} is not a folder", hint="name the folder that holds SYMBOL_TF.csv"
        )
    if report is not None:
        _require_place(report)
    from foldward.app.session import RunWish, run_session

    if workers is not None:
        ctx.flags["core.workers"] = workers
    ctx.load_kinds()
    wish = RunWish(
        data=data,
        strategies=strategies,
        seed=seed_of(seed),
        until_idle=until_idle,
        faults=faults,
        report=report,
        quiet=ctx.as_json,
        dashboard=_dashboard(ctx) if dashboard and not ctx.as_json else None,
        spoken=ctx.spoken,
    )
    done = run_session(ctx.home, ctx.snapshot, wish)
    if ctx.as_json:
        print_json(done.answer)
    else:
        _show(ctx, done, limit)
    return done.exit_code


def _require_place(report: Path) -> None:
    """What is computed for minutes must not fail at its last step."""
    from foldward.files import require_writable

    try:
        require_writable(report)
    except OSError as error:
        raise ConfigError(
            "config.usage",
            f"--report {report}: {error.strerror or error}",
            hint="name a file in a folder that you may write to",
        ) from error


def _dashboard(ctx: Context) -> Callable[[Home], str]:
    from foldward.app.status import status
    from foldward.web.serve import serve_in_thread

    return lambda home: serve_in_thread(home, ctx.settings.web, lambda: status(home, timeout=2))


def _show(ctx: Context, done: RunDone, limit: int) -> None:
    from foldward.cli._strategies import show_league

    answer, league = done.answer, done.league
    show_league(league[:limit], f"The best {min(limit, len(league))} of {len(league)} strategies")
    counts = ", ".join(f"{count} {name}" for name, count in answer["verdicts"].items())
    say(f"{answer['strategies']} strategies in {answer['seconds']:.1f} s: {counts}")
    for item in done.refused[:10]:
        say(f"  refused: {item['name']}: {item['code']}: {item['message']}")
    say(f"result {answer['result_digest']} (seed {answer['seed']}, run {answer['run_id']})")
    say(f"report {answer['report']}")
    if league:
        say(f"the reasons of one: {ctx.spoken('strategies show ' + shlex.quote(league[0]['strategy']))}")
    if len(league) > limit:
        say(f"the whole table: {ctx.spoken('verdicts')}")
