"""`foldward replay RUN_ID`: compute a stored run again and say what differs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_json, print_table, say
from foldward.cli._report import find_run


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "replay")(replay)


def replay(
    ctx: Context,
    run_id: Annotated[
        str,
        typer.Argument(metavar="RUN_ID", help="A run's id, or its beginning.", show_default=False),
    ],
) -> int:
    """Recompute every result of a run and compare. Exit 0 when identical, 1 with the differences named."""
    from loguru import logger

    from foldward.app.progress import Progress
    from foldward.app.replay import replay_run

    logger.disable("foldward.worker")  # its lines are a worker's log; here they would drown the answer
    reader = ctx.reader()
    found = find_run(reader, run_id)
    ctx.load_kinds()
    with Progress(quiet=ctx.as_json) as progress:
        answer = replay_run(reader, found, ctx.home, ctx.snapshot.config_hash, progress)
    if ctx.as_json:
        print_json(answer)
    else:
        _show(answer)
    return 0 if answer["identical"] else 1


def _show(answer: dict[str, Any]) -> None:
    counts = answer["results"]
    say(f"{counts['recomputed']} results recomputed, {counts['identical']} identical")
    print("identical" if answer["identical"] else f"{len(answer['differences'])} difference(s)")
    rows = [
        (
            item["kind"],
            item["what"],
            _short(item.get("then")),
            _short(item.get("now")),
            item.get("message", ""),
        )
        for item in answer["differences"]
    ]
    if rows:
        print_table("", ("kind", "what", "then", "now", ""), rows, empty="")
    for item in answer["changed"]:
        say(f"changed since, without effect: {item['kind']}: {item['what']}: {item['then']} → {item['now']}")


def _short(value: object) -> object:
    """The beginning of a digest is enough for a person."""
    return f"{value[:19]}…" if isinstance(value, str) and value.startswith("sha256:") else value
