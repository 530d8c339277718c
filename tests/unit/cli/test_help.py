"""Every command, argument and option says what it is."""

from collections.abc import Iterator
from typing import Any

import typer

from foldward.cli._app import app, run


def commands(node: Any, path: str = "foldward") -> Iterator[tuple[str, Any]]:
    for name, inner in getattr(node, "commands", {}).items():
        yield f"{path} {name}", inner
        yield from commands(inner, f"{path} {name}")


def test_nothing_is_without_a_line_of_help() -> None:
    silent = []
    for path, command in commands(typer.main.get_command(app)):
        if not (command.help or "").strip():
            silent.append(path)
        silent += [
            f"{path} {param.name}"
            for param in command.params
            if not (getattr(param, "help", None) or "").strip()
        ]
    assert silent == []


def test_the_operators_commands_are_all_there() -> None:
    known = {path.removeprefix("foldward ") for path, _ in commands(typer.main.get_command(app))}
    wanted = """init;run;core;web;worker;doctor;config check;config show;config reload;strategies import;
    strategies list;strategies show;strategies grid;strategies retire;backtest;oos submit;oos list;oos show;
    oos cancel;wfv start;wfv list;wfv show;wfv run;cpcv start;cpcv list;cpcv show;cpcv run;rank;verdicts;
    status;stuck;why;failures;latency;tree;restart;top;tail;pause;resume;drain;retry;dead list;dead show;
    dead replay;
    dead drop;data check;data import;data repair;data list;db fsck;db backup;db restore;db stats;report oos;
    report daily;report run;report strategy;replay;bench;chaos"""
    assert {word.strip() for word in wanted.split(";")} <= known


def test_help_is_printed_and_is_no_error(capsys: Any) -> None:
    assert run(["oos", "submit", "--help"]) == 0
    captured = capsys.readouterr()
    assert "--now" in captured.out
    assert captured.err == ""
