"""`foldward config check|show|reload` and `foldward doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_json, print_table, say
from foldward.contracts.errors import ConfigError

group = typer.Typer(
    help="Settings: check a file, show what is in force and where each value comes from, reload."
)


def register(app: typer.Typer) -> None:
    """Add the group and `doctor`."""
    app.add_typer(group, name="config")
    command(app, "doctor")(doctor)
    command(app, "init")(init)


def check_file(
    ctx: Context,
    file: Annotated[Path | None, typer.Argument(help="A foldward.toml.", show_default=False)] = None,
) -> int:
    """Check a settings file (and the environment): all faults at once, with line and nearest name."""
    from foldward.settings import check

    target = file or ctx.config_file
    try:
        snapshot, findings = check(target)
    except ConfigError as error:
        if not ctx.as_json:
            raise
        print_json(
            {
                "ok": False,
                "file": str(target),
                "findings": [{"path": "", "line": error.context.get("line"), "message": str(error)}],
            }
        )
        return 2
    if ctx.as_json:
        rows = [finding.to_dict() for finding in findings]
        print_json({"ok": snapshot is not None, "file": str(target) if target else None, "findings": rows})
    elif snapshot is not None:
        print(f"{target or 'defaults and environment'}: ok")
    else:
        print_table(
            f"{target}: {len(findings)} fault(s)",
            ("line", "setting", "fault", "did you mean"),
            [(item.line, item.path, item.message, item.did_you_mean) for item in findings],
            empty="",
        )
    return 0 if snapshot is not None else 2


def show(ctx: Context) -> None:
    """Show every setting in force and its origin (flag, env, file, default); secrets are masked."""
    snapshot = ctx.snapshot
    values, origins = snapshot.values(), dict(snapshot.origins)
    if ctx.as_json:
        print_json(
            {"values": values, "origins": origins, "file": snapshot.file, "config_hash": snapshot.config_hash}
        )
        return
    rows = []
    for path, origin in origins.items():
        value: object = values
        for part in path.split("."):
            value = value[part]  # type: ignore[index]
        rows.append((path, str(value), origin))
    print_table(
        f"Settings from {snapshot.file or 'defaults and environment'}",
        ("setting", "value", "origin"),
        rows,
        empty="",
        style=lambda row: None if row[2] == "default" else "bold",
    )


def reload(ctx: Context) -> int:
    """Have core read its settings anew: what can change at once does, what needs a restart is named."""
    answer = ctx.client(timeout=30).call("reload")
    if ctx.as_json:
        print_json(answer)
    elif not answer["ok"]:
        print_table(
            f"refused, the settings in force stay: {len(answer['findings'])} fault(s)",
            ("line", "setting", "fault", "did you mean"),
            [
                (item.get("line"), item["path"], item["message"], item.get("did_you_mean"))
                for item in answer["findings"]
            ],
            empty="",
        )
    elif not answer["changed"]:
        say("ok: nothing has changed")
    else:
        if answer["applied"]:
            say(f"ok: in force now: {', '.join(answer['applied'])}")
        if answer["restart_needed"]:
            say(f"ok, in force after a restart of core: {', '.join(answer['restart_needed'])}")
    return 0 if answer["ok"] else 2


command(group, "check")(check_file)
command(group, "show")(show)
command(group, "reload")(reload)


def doctor(ctx: Context) -> int:
    """Check this machine and installation: packages, SQLite, disk, home, clock, engine."""
    from foldward.app.doctor import examine

    checks = examine(ctx.home, ctx.config_file)
    good = all(item.ok for item in checks)
    if ctx.as_json:
        print_json({"ok": good, "checks": [item.to_dict() for item in checks]})
    else:
        print_table(
            "",
            ("", "check", "found", "what to do"),
            [
                ("ok" if item.ok else "BAD", item.name, item.detail, "" if item.ok else item.hint)
                for item in checks
            ],
            empty="",
            style=lambda row: None if row[0] == "ok" else "red",
        )
    return 0 if good else 1


def init(ctx: Context) -> None:
    """Make a home: its directories and a foldward.toml with every setting, its default and its meaning."""
    from foldward.app.initial import write_settings

    ctx.home.make()
    file = ctx.home.root / "foldward.toml"
    written = write_settings(file)
    if ctx.as_json:
        print_json({"home": str(ctx.home.root), "settings": str(file), "written": written})
    else:
        say(f"{ctx.home.root} is a home; {file} {'was written' if written else 'was there and is unchanged'}")
        say("next: foldward strategies import FILE; foldward core")
