"""`foldward crashes`: the crash reports of a running core, as OTP's SASL prints them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from foldward.cli._choices import no_child
from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_json, print_table
from foldward.contracts import clock
from foldward.contracts.errors import SupervisionError

COLUMNS = ("at", "supervisor", "child", "context", "reason", "code", "up s", "inbox")


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "crashes")(crashes)


def crashes(
    ctx: Context,
    child: Annotated[
        str | None, typer.Argument(metavar="CHILD", help="Only this child's, with the newest stack.")
    ] = None,
) -> None:
    """What crashed since core started: the last 20 reports of each child, oldest first."""
    client = ctx.client()
    try:
        reports = client.call("crashes", id=child)
    except SupervisionError as error:
        if error.code != "supervision.not_found":
            raise
        raise no_child(str(child), client.tree()) from error
    if ctx.as_json:
        print_json(reports)
        return
    print_table("", COLUMNS, [_row(report) for report in reports], empty="nothing has crashed")
    stack = reports[-1]["stack"].strip() if child is not None and reports else ""
    if stack:
        print(f"\n{stack}")


def _row(report: dict[str, Any]) -> tuple[Any, ...]:
    return (
        clock.iso_ms(report["at_us"]),
        report["supervisor"],
        f"{report['child']}#{report['incarnation']}",
        report["context"],
        report["reason"],
        report["code"],
        round(report["uptime_s"], 1),
        report["inbox_depth"],
    )
