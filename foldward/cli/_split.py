"""`foldward wfv run` and `foldward cpcv run`: a split of one file, no core and no queue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_json, print_table
from foldward.cli._rule import Rule, busy, with_rule
from foldward.cli._words import grid_of, span
from foldward.contracts import clock
from foldward.contracts.errors import ConfigError

wfv = typer.Typer(help="Walk-forward validation.")
cpcv = typer.Typer(help="Combinatorial purged cross-validation.")

Purge = Annotated[int, typer.Option("--purge", help="Bars removed before each test part.")]
Embargo = Annotated[int, typer.Option("--embargo", help="Bars removed after each test part.")]
Grid = Annotated[Path | None, typer.Option("--grid", help="TOML/JSON: each parameter a list of values.")]


def register(app: typer.Typer) -> None:
    """Add the groups `wfv` and `cpcv`."""
    app.add_typer(wfv, name="wfv")
    app.add_typer(cpcv, name="cpcv")


@with_rule
def wfv_run(
    ctx: Context,
    rule: Rule,
    classic: Annotated[bool, typer.Option("--classic", help="Newest 20 % out of sample.")] = False,
    train: Annotated[str | None, typer.Option("--train", help="Bars, or 90d, 12w, 6h.")] = None,
    test: Annotated[str | None, typer.Option("--test", help="Bars, or 30d.")] = None,
    step: Annotated[str | None, typer.Option("--step", help="Bars or a duration (default: test).")] = None,
    anchored: Annotated[
        bool, typer.Option("--anchored", help="Training always starts at the first bar.")
    ] = False,
    purge: Purge = 0,
    embargo: Embargo = 0,
    grid: Grid = None,
    generation: Annotated[int, typer.Option("--generation", help="Raises what classic demands.")] = 0,
) -> int:
    """Walk forward over a file: each fold in and out of sample, degradation and decision."""
    if classic == (train is not None):
        raise ConfigError(
            "config.usage", "give either --classic or --train and --test", hint="foldward wfv run --help"
        )
    plan: dict[str, Any] = {"mode": "classic"}
    if train is not None:
        if test is None:
            raise ConfigError(
                "config.usage", "--train needs --test", hint="for example --train 90d --test 30d"
            )
        plan = {
            "mode": "anchored" if anchored else "rolling",
            "train": span(train),
            "test": span(test),
            "purge": purge,
            "embargo": embargo,
        }
        if step is not None:
            plan["step"] = span(step)
    answer = _split(ctx, "wfv", rule, plan, grid, generation)
    if ctx.as_json:
        print_json(answer)
    else:
        show_folds(answer)
    return 1 if answer.get("failed") or answer.get("verdict") == "INVALID" else 0


@with_rule
def cpcv_run(
    ctx: Context,
    rule: Rule,
    groups: Annotated[int, typer.Option("--groups", help="N: contiguous groups of days.")] = 10,
    test_groups: Annotated[int, typer.Option("--test-groups", help="k: groups tested at once.")] = 2,
    purge: Purge = 0,
    embargo: Embargo = 0,
    grid: Grid = None,
) -> int:
    """Combinatorial purged cross-validation over a file: C(N,k) splits, paths and whether they pass."""
    plan = {"groups": groups, "test_groups": test_groups, "purge": purge, "embargo": embargo}
    answer = _split(ctx, "cpcv", rule, plan, grid)
    if ctx.as_json:
        print_json(answer)
    else:
        show_paths(answer)
    return 1 if answer.get("verdict") == "INVALID" else 0


def _split(
    ctx: Context, what: str, rule: Rule, plan: dict[str, Any], grid: Path | None, generation: int = 0
) -> dict[str, Any]:
    from foldward.app.offline import split_file

    if grid is not None:
        plan["grid"] = grid_of(grid)
    ctx.load_kinds()
    strategy = rule.strategy(generation=generation)
    with busy(ctx, "walking forward" if what == "wfv" else "combining splits"):
        return split_file(what, rule.data, strategy, plan, **rule.terms(ctx))


def show_folds(answer: dict[str, Any]) -> None:
    """A walk-forward's report for a person; with a grid, what each fold chose."""
    chose = answer.get("candidates", 1) > 1
    why = (answer.get("reasons") or {}).get("decision")
    decision = answer["decision"] or "no decision" + (f" ({why})" if why else "")
    print_table(
        f"{answer['planned']} folds, {answer['failed']} failed: {decision}",
        (
            *("train from", "to", "bars", "test from", "to", "bars", "IS Sharpe", "OOS Sharpe", "status"),
            *(("chosen",) if chose else ()),
        ),
        [
            (
                *_reach(fold["train"]),
                *_reach(fold["test"]),
                fold["is_sharpe"],
                fold["oos_sharpe"],
                fold["status"],
                *((_params(fold["params"]),) if chose else ()),
            )
            for fold in answer["folds"]
        ],
        empty="no folds",
    )
    for name in ("degradation", "efficiency", "required_oos"):
        if answer.get(name) is not None:
            print(f"{name} {answer[name]:.3f}")


def _reach(window: dict[str, Any]) -> tuple[str | None, str | None, int]:
    """From, to, bars; a window of the calendar that holds no bar has neither end."""
    ends = (None if window[end] is None else clock.iso_s(window[end]) for end in ("start", "end"))
    first, last = ends
    return first, last, window["bars"]


def _params(params: dict[str, float]) -> str:
    return " ".join(f"{name}={value:g}" for name, value in params.items())


def show_paths(answer: dict[str, Any]) -> None:
    """A CPCV's report for a person."""
    names = ("basis", "splits", "paths", "pass_rate", "median_sharpe", "median_maxdd", "pbo", "is_passed")
    reasons = answer.get("reasons") or {}
    rows = [(name, answer.get(name), reasons.get(name, "")) for name in names]
    print_table("", ("figure", "value", "why there is none"), rows, empty="")


command(wfv, "run")(wfv_run)
command(cpcv, "run")(cpcv_run)
