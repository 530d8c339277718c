"""`foldward db fsck|backup|restore|stats`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_json, print_table, say
from foldward.cli._target import ForceOption, spare
from foldward.contracts.errors import StorageError, SupervisionError

group = typer.Typer(help="The database: check, back up, restore, count.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="db")


def _existing(ctx: Context) -> Path:
    if not ctx.home.database.exists():
        raise StorageError(
            "storage.open", f"{ctx.home.database} does not exist", hint="foldward core makes it"
        )
    return ctx.home.database


def fsck(ctx: Context) -> int:
    """Check the file, every row's checksum and the queue's invariants. Exit 1 when something is wrong."""
    from storage.maintenance import fsck as check

    found = check(_existing(ctx))
    if ctx.as_json:
        print_json(found)
    else:
        for violation in found["violations"]:
            print(violation if isinstance(violation, str) else f"{violation}")
        print("ok" if found["ok"] else f"{len(found['violations'])} violation(s)")
    return 0 if found["ok"] else 1


def backup(
    ctx: Context,
    file: Annotated[Path, typer.Argument(help="Where the copy goes.", show_default=False)],
    force: ForceOption = False,
) -> None:
    """Copy the database while it runs; the copy is checked before it counts."""
    from storage.maintenance import backup as copy

    database = _existing(ctx)
    spare(file, force, database)
    done = copy(database, file)
    with suppress(SupervisionError):  # without a core nobody keeps the telemetry file: the copy stands anyway
        ctx.client().call("backed_up", path=str(file.absolute()))
    if ctx.as_json:
        print_json(done)
    else:
        say(f"{file} written and checked")


def restore(
    ctx: Context, file: Annotated[Path, typer.Argument(help="A backup.", show_default=False)]
) -> None:
    """Replace the database by a checked backup; the old one is kept beside it. Core must be down."""
    from storage.maintenance import restore as bring_back

    holder = ctx.home.holder()
    if holder is not None:
        raise SupervisionError(
            "supervision.core_running",
            f"core (pid {holder.get('pid')}) uses {ctx.home.database}",
            hint="stop core first",
        )
    ctx.home.make()
    lock = ctx.home.lock()
    try:
        done = bring_back(ctx.home.database, file)
    finally:
        lock.release()
    if ctx.as_json:
        print_json(done)
    else:
        say(f"{ctx.home.database} restored from {file}")


def stats(ctx: Context) -> None:
    """Rows, sizes and versions."""
    from storage.maintenance import stats as count

    found = count(_existing(ctx))
    if ctx.as_json:
        print_json(found)
        return
    print_table("", ("figure", "value"), [(key, str(value)) for key, value in found.items()], empty="")


for word, function in (("fsck", fsck), ("backup", backup), ("restore", restore), ("stats", stats)):
    command(group, word)(function)
