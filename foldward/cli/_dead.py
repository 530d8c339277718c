"""`foldward dead list|show|replay|drop|cancel`: payloads that could not be processed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from foldward.cli._choices import LETTER_REASONS, LETTER_STATES, one_of
from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_json, print_table, say
from foldward.cli._words import seconds
from foldward.contracts.errors import ConfigError, RequestError

group = typer.Typer(help="Dead letters: list, show with their exact bytes, replay, drop, end a replay.")

Ids = Annotated[list[int] | None, typer.Argument(help="Ids of dead letters.", show_default=False)]
ReasonOption = Annotated[str | None, typer.Option(help="Only this reason, e.g. schema.")]
StrategyOption = Annotated[str | None, typer.Option(help="Only this strategy.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="dead")


def list_letters(
    ctx: Context,
    state: Annotated[str | None, typer.Option(help="held, replayed, dropped or all.")] = "held",
    reason: ReasonOption = None,
    strategy: StrategyOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, oldest first.")] = 200,
) -> None:
    """List dead letters (held ones unless --state says otherwise)."""
    from foldward.console.letters import letter

    state = one_of("--state", state, LETTER_STATES)
    reason = one_of("--reason", reason, LETTER_REASONS)
    wanted = None if state in (None, "all") else state
    rows = [
        letter(row)
        for row in ctx.reader().dead_letters(state=wanted, reason=reason, strategy=strategy, limit=limit)
    ]
    if ctx.as_json:
        print_json(rows)
        return
    print_table(
        "",
        ("id", "reason", "code", "strategy", "count", "bytes", "last seen", "state", "error"),
        [
            (
                row["id"],
                row["reason"],
                row["code"],
                row["strategy"],
                row["count"],
                row["size"],
                row["last_seen"],
                row["state"],
                row["error"],
            )
            for row in rows
        ],
        empty="no dead letters",
    )


def show(
    ctx: Context,
    dead_id: Annotated[int, typer.Argument(metavar="ID", help="Id of a dead letter.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", help="Write the exact bytes to this file.")] = None,
) -> None:
    """Show one dead letter with its payload, exactly as received."""
    from foldward.console.letters import find, letter

    row = find(ctx.reader(), dead_id)
    if row is None:
        raise RequestError(
            "request.unknown_id", f"no dead letter {dead_id}", hint="foldward dead list --state all"
        )
    if out is not None:
        out.write_bytes(row.payload or b"")
    plain = letter(row)
    if ctx.as_json:
        print_json(plain)
        return
    print_table(
        "",
        ("field", "value"),
        [(key, str(value)) for key, value in plain.items() if key != "payload_base64"],
        empty="",
    )
    print((row.payload or b"").decode("utf-8", "backslashreplace"))


def replay(
    ctx: Context,
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Every held letter.")] = False,
    reason: ReasonOption = None,
    strategy: StrategyOption = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="SPAN",
            help="Only those last seen so long ago: 90 (seconds), 30m, 24h, 7d.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be replayed.")] = False,
    rate: Annotated[float, typer.Option(min=0.1, help="Letters a second.")] = 50.0,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    note: Annotated[str, typer.Option(help="Kept with each letter.")] = "",
    edit: Annotated[
        str | None,
        typer.Option(
            "--edit",
            metavar="JSON|FILE",
            help="Changes to the request, e.g. '{\"seed\": 3}': it becomes a new one, the letter's stays.",
        ),
    ] = None,
) -> int:
    """Replay held letters with today's decoder; each keeps its own outcome."""
    if not ids and not every and reason is None and strategy is None and older_than is None:
        raise ConfigError(
            "config.usage", "name ids, --all, --reason, --strategy or --older-than", hint="foldward dead list"
        )
    reason = one_of("--reason", reason, LETTER_REASONS)
    changes = None if edit is None else _edit(edit)
    older_than_s = None if older_than is None else seconds(older_than, "--older-than")
    _must_exist(ctx, ids or ())
    done = ctx.client(timeout=600).call(
        "dead_replay",
        ids=ids or [],
        all=every,
        reason=reason,
        strategy=strategy,
        older_than_s=older_than_s,
        dry_run=dry_run,
        rate=rate,
        limit=limit,
        note=note,
        edit=changes,
    )
    return _settled(ctx, done, "replayed")


def cancel(ctx: Context) -> None:
    """End the replays that run now; what they have not reached stays held."""
    ended = ctx.client().call("dead_cancel")
    if ctx.as_json:
        print_json(ended)
    else:
        say(f"{ended['cancelled']} replays ended")


def _edit(text: str) -> dict[str, Any]:
    """A JSON object, or the file that holds one. Raises ConfigError."""
    source = text
    if not text.lstrip().startswith("{"):
        try:
            source = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                "config.usage", f"--edit {text!r} is neither a JSON object nor a file of one: {error}"
            ) from error
    try:
        changes = json.loads(source)
    except ValueError as error:
        raise ConfigError("config.usage", f"--edit is not JSON: {error}") from error
    if not isinstance(changes, dict):
        raise ConfigError("config.usage", f"--edit is no JSON object: {source.strip()[:60]}")
    return changes


def drop(
    ctx: Context,
    ids: Annotated[list[int], typer.Argument(metavar="ID…", help="Ids of dead letters.", show_default=False)],
    note: Annotated[str, typer.Option(help="Why.")] = "",
) -> int:
    """Close letters without replay; their bytes stay until retention."""
    _must_exist(ctx, ids)
    return _settled(ctx, ctx.client(timeout=60).call("dead_drop", ids=ids, note=note), "dropped")


def _must_exist(ctx: Context, ids: Sequence[int]) -> None:
    """Raise supervision.core_down first: without a core nothing can be done about any letter."""
    from foldward.console.letters import find

    _ = ctx.client().core
    reader = ctx.reader() if ids else None
    for one in ids:
        if reader is not None and find(reader, one) is None:
            raise RequestError(
                "request.unknown_id", f"no dead letter {one}", hint="foldward dead list --state all"
            )


def _settled(ctx: Context, done: dict[str, Any], word: str) -> int:
    if ctx.as_json:
        print_json(done)
    else:
        say(f"{done['replayed']} {word}, {done['failed']} failed, {done['skipped']} skipped")
        rows = [(item["id"], item["outcome"], item.get("error") or "") for item in done["items"]]
        print_table("", ("id", "outcome", "error"), rows, empty="nothing to do")
    if done["failed"]:
        return 6 if done["replayed"] else 1
    return 0


command(group, "list")(list_letters)
command(group, "show")(show)
command(group, "replay")(replay)
command(group, "drop")(drop)
command(group, "cancel")(cancel)
