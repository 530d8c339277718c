"""`foldward core|web|worker`: the processes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_error, print_json, say
from foldward.contracts.errors import ConfigError, FoldwardError

BOOT_FAILED = 2  # as `supervision.run` says it; service managers do not start again after it


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "core")(core)
    command(app, "web")(web)
    app.command(
        "worker",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
        add_help_option=False,
    )(worker)


def core(
    ctx: Context,
    workers: Annotated[int | None, typer.Option(help="Worker processes (default: as many as cores).")] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="DIR", help="A data root; repeatable.")
    ] = None,
) -> int:
    """Run the supervised tree in the foreground, until SIGTERM or Ctrl-C."""
    from foldward.app.boot import run_core

    if workers is not None:
        ctx.flags["core.workers"] = workers
    for root in data or ():
        if not Path(root).is_dir():
            raise ConfigError(
                "config.usage",
                f"--data {root} is not a folder",
                hint="name the folder that holds SYMBOL_TF.csv",
            )
    if data:
        ctx.flags["core.data_roots"] = data
    ctx.load_kinds()
    try:
        return run_core(ctx.home, ctx.snapshot, ctx.recheck)
    except FoldwardError as error:
        if error.retryable:  # a full disk, a share that is away: the service manager shall try again
            raise
        print_error(error)
        return BOOT_FAILED


def web(
    ctx: Context,
    host: Annotated[str | None, typer.Option(help="Address to bind (default 127.0.0.1).")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port (default 8710; 0 takes a free one).")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Pages only: no buttons.")] = False,
    login: Annotated[
        bool, typer.Option("--login", help="Print the address that signs you in to the running dashboard.")
    ] = False,
) -> int:
    """Serve the dashboard; reads the database and core's socket, works while core is down."""
    from foldward.app import logging
    from foldward.app.status import status
    from foldward.web.serve import login_address, serve

    if login:
        address = login_address(ctx.home, ctx.settings.web)
        if ctx.as_json:
            print_json({"login": address})
        else:
            print(address)
        return 0
    if host is not None:
        ctx.flags["web.host"] = host
    if port is not None:
        ctx.flags["web.port"] = port
    if read_only:
        ctx.flags["web.read_only"] = True
    settings = ctx.settings.web
    logs = ctx.home.logs
    logging.configure("web", logs / "web.log" if logs.is_dir() else None, stderr_level="WARNING")

    def ready(url: str) -> None:
        say(f"dashboard: {url}")
        if settings.read_only:
            say("read-only: no buttons")
        elif sys.stderr.isatty():  # a log keeps no token
            say(f"sign in to act: {login_address(ctx.home, settings)}")
        else:
            say(f"sign in to act: foldward web --login --home {ctx.home.root}")

    return serve(ctx.home, settings, lambda: status(ctx.home, timeout=2), ready=ready)


def worker(typer_context: typer.Context) -> None:
    """Compute requests for a core: `foldward worker --connect ENDPOINT` (see `foldward worker --help`)."""
    from foldward.worker.main import main

    raise typer.Exit(main(list(typer_context.args)))
