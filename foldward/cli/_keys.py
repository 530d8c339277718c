"""`foldward keys core|worker|allow|revoke|list`: who may connect from other machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_json, print_table, say

group = typer.Typer(help="Keys of workers on other machines (CURVE): make, allow, revoke, list.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="What the key is called.", show_default=False)]
RESTART = "core takes it over at its next start"


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="keys")


def core(
    ctx: Context,
    renew: Annotated[
        bool, typer.Option("--renew", help="Make a new pair: every worker needs its public key then.")
    ] = False,
) -> None:
    """Make core's pair (once) and print its public key, which workers need."""
    from foldward.app.keys import KeyRing

    ring = KeyRing(ctx.home)
    pair, made = ring.make_core(renew=renew)
    if ctx.as_json:
        print_json({"public_key": pair.public, "file": str(ring.core_file), "made": made})
        return
    print(pair.public)
    say(f"{ring.core_file} {'made' if made else 'is there'}; {RESTART}")


def worker(
    ctx: Context,
    name: Name,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where its key file goes (default: ./NAME.keys)."),
    ] = None,
    server_key: Annotated[
        str,
        typer.Option(
            "--server-key",
            metavar="KEY",
            help="Core's public key, when this is the worker's machine: the secret key then never travels.",
        ),
    ] = "",
) -> None:
    """Make a worker's key file, and allow it in; with --server-key it is made on the worker's own machine."""
    from foldward.app.keys import KeyRing

    file = out or Path(f"{name}.keys")
    made = KeyRing(ctx.home).make_worker(name, file, server_key)
    if ctx.as_json:
        print_json({"name": name, "public_key": made.public, "file": str(file), "allowed": not server_key})
        return
    print(made.public)
    say(f"{file} made: foldward worker --connect tcp://HOST:PORT --keys {file}")
    if server_key:
        say(f"let it in where core runs: foldward keys allow {name} '{made.public}'")
    else:
        say(f"{name} is allowed in; {RESTART}. Carry the file over a safe way (scp), then remove it here")


def allow(
    ctx: Context,
    name: Name,
    public_key: Annotated[
        str, typer.Argument(metavar="PUBLIC_KEY", help="40 characters.", show_default=False)
    ],
) -> None:
    """Let a worker's public key in."""
    from foldward.app.keys import KeyRing

    ring = KeyRing(ctx.home)
    ring.allow(name, public_key)
    ring.make_core()
    if ctx.as_json:
        print_json({"name": name, "public_key": public_key})
    else:
        say(f"{name} is allowed in; {RESTART}")


def revoke(ctx: Context, name: Name) -> None:
    """Let a key in no more."""
    from foldward.app.keys import KeyRing

    KeyRing(ctx.home).revoke(name)
    if ctx.as_json:
        print_json({"name": name, "revoked": True})
    else:
        say(f"{name} is revoked; {RESTART}: until then a worker that is connected stays so")


def show(ctx: Context) -> None:
    """Core's public key and the keys that are allowed in; secret keys are never shown."""
    from foldward.app.keys import KeyRing

    ring = KeyRing(ctx.home)
    pair, allowed = ring.core(), ring.allowed()
    if ctx.as_json:
        print_json({"core": pair.public if pair else None, "allowed": allowed})
        return
    print(f"core {pair.public if pair else '– (foldward keys core makes it)'}")
    print_table("", ("worker", "public key"), list(allowed.items()), empty="no worker is allowed in")


for word, function in (
    ("core", core),
    ("worker", worker),
    ("allow", allow),
    ("revoke", revoke),
    ("list", show),
):
    command(group, word)(function)
