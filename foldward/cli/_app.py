"""The tree of commands, and the one place where their ends become exit codes."""

from __future__ import annotations

import functools
import sys
from typing import Annotated, Any

import typer

from foldward.cli import (
    _backtest,
    _config,
    _core,
    _crashes,
    _data,
    _db,
    _dead,
    _folds,
    _keys,
    _oos,
    _queue,
    _replay,
    _report,
    _run,
    _split,
    _strategies,
    _tools,
    _watch,
)
from foldward.cli._command import ConfigOption, HomeOption, JsonOption, guarded
from foldward.cli._output import print_error
from foldward.contracts.errors import ConfigError

app = typer.Typer(
    name="foldward",
    help="Validates trading strategies out of sample: a supervised tree of actors over a durable queue.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# typer carries its own click, which has no public name: the parent of BadParameter is click's UsageError.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"foldward {version('foldward')}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and leave.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    context.obj = {"home": home, "config": config, "as_json": as_json}


MODULES = (
    _run,
    _core,
    _watch,
    _crashes,
    _strategies,
    _queue,
    _oos,
    _backtest,
    _split,
    _folds,
    _dead,
    _report,
    _replay,
    _data,
    _db,
    _config,
    _keys,
    _tools,
)
for module in MODULES:
    module.register(app)


@functools.cache
def _command() -> Any:
    """The tree of all commands, built from their signatures once a process."""
    return typer.main.get_command(app)


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    # A command guards itself; what is left is printed before one begins: help, the version.
    return guarded(lambda: _dispatch(arguments))


def _dispatch(arguments: list[str] | None) -> int:
    try:
        given = sys.argv[1:] if arguments is None else arguments
        result = _command()(args=given, prog_name="foldward", standalone_mode=False)
    except _UsageError as error:
        return _refuse(error)
    except typer.Abort:
        sys.stderr.write("interrupted\n")
        return 130
    return result if isinstance(result, int) else 0


def _refuse(error: BaseException) -> int:
    """A line that click refuses, told as our own errors are."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "foldward"
    message = getattr(error, "format_message", lambda: str(error))()
    if not message:  # a group without a command shows its help on its own
        return 2
    print_error(ConfigError("config.usage", message, hint=f"{path} --help"))
    return 2
