"""`foldward bench` and `foldward chaos`: front ends of the benchmarks and of the kill test."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import typer

from foldward.cli._command import guarded
from foldward.contracts.errors import ConfigError

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def register(app: typer.Typer) -> None:
    """Add the commands; every word after them goes to the program itself, --help too."""
    app.command("bench", context_settings=PASS_ON, add_help_option=False)(bench)
    app.command("chaos", context_settings=PASS_ON, add_help_option=False)(chaos)


def bench(context: typer.Context) -> None:
    """Measure this machine beside its peers (in a checkout; see `foldward bench --help`)."""
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "run.py"

    def work() -> int:
        if not script.is_file():
            raise ConfigError(
                "config.usage",
                "the benchmarks are not installed with the package",
                hint="run it in a checkout: ./scripts/bench",
            )
        return _run([str(script), *context.args])

    raise typer.Exit(guarded(work))


def chaos(context: typer.Context) -> None:
    """Kill core and peers under load, then prove that nothing was lost (see `foldward chaos --help`)."""

    def work() -> int:
        if importlib.util.find_spec("foldward.testing") is None:
            raise ConfigError(
                "config.usage",
                "the kill test is not installed with this package",
                hint="install Foldward whole, or run it in a checkout: ./scripts/chaos",
            )
        return _run(["-m", "foldward.testing.chaos", *context.args])

    raise typer.Exit(guarded(work))


def _run(line: list[str]) -> int:
    return subprocess.run([sys.executable, *line], check=False).returncode
