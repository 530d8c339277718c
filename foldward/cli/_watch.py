"""`foldward tree|restart|top|tail`: the living tree, and the events as they come."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import typer

from foldward.cli._choices import no_child
from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_json, say
from foldward.contracts.durations import age
from foldward.contracts.errors import ConfigError, SupervisionError

WatchOption = Annotated[
    float | None,
    typer.Option("--watch", metavar="SECONDS", min=0, max=86_400, help="Again and again, until Ctrl-C."),
]
STATE_STYLE = {
    "running": "green",
    "backoff": "yellow",
    "starting": "yellow",
    "stopped": "dim",
    "hung": "red",
    "failed": "red",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for function in (tree, restart, tail, top):
        command(app)(function)


def repeat(once: Callable[[], None], seconds: float | None) -> None:
    """Do it once, or again and again until interrupted."""
    once()
    pause = threading.Event()
    while seconds is not None:
        pause.wait(max(0.1, seconds))
        if sys.stdout.isatty():
            sys.stdout.write("\x1b[H\x1b[2J")
        once()


def tree(ctx: Context, watch: WatchOption = None) -> None:
    """The supervision tree of the running core: states, restarts, mailboxes, last errors."""

    def once() -> None:
        found = ctx.client().tree()
        if ctx.as_json:
            print_json(found)
        else:
            _show_tree(found)

    repeat(once, watch)


def _show_tree(root: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    def label(node: dict[str, Any]) -> Text:
        text = Text(node["id"], style="bold")
        text.append(f"  {node['state']}", style=STATE_STYLE.get(node["state"], ""))
        place = f"pid {node['pid']}" if node.get("pid") else ""
        budget = node.get("budget")
        if node["kind"] == "supervisor" and budget:
            spent = f"{budget['used']}/{budget['max']} in {budget['period_s']:g} s"
            place = f"{node.get('strategy') or ''} {spent}".strip()
        facts = [place, f"up {age(node['uptime_s'])}" if node.get("uptime_s") is not None else ""]
        if node["restarts"]:
            facts.append(f"{node['restarts']} restarts")
        if node.get("mailbox"):
            facts.append(f"mailbox {node['mailbox']:,}")
        if node.get("handled"):
            facts.append(f"{node['handled']:,} handled")
        text.append("  " + " · ".join(fact for fact in facts if fact), style="dim")
        if error := node.get("last_error"):
            text.append(f"\n{error['code']}: {error['message']}", style="red")
        return text

    def grow(branch: Tree, node: dict[str, Any]) -> None:
        for child in node.get("children", ()):
            grow(branch.add(label(child)), child)

    shown = Tree(label(root))
    grow(shown, root)
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(shown)


def restart(
    ctx: Context,
    child: Annotated[
        str, typer.Argument(metavar="CHILD", help="Its id in the tree, e.g. reporter.", show_default=False)
    ],
) -> None:
    """Stop one child of the tree and start it again."""
    client = ctx.client(timeout=30)
    try:
        answer = client.call("restart", id=child)
    except SupervisionError as error:
        if error.code != "supervision.not_found":
            raise
        raise no_child(child, client.tree()) from error
    if ctx.as_json:
        print_json(answer)
    else:
        say(f"{child} was restarted")


def tail(
    ctx: Context,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="So many of the newest first.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as events come.")] = False,
    event: Annotated[str | None, typer.Option(help="Only types that start so, e.g. oos.")] = None,
) -> None:
    """The newest telemetry events, also while core is down. With --follow, --json prints one a line."""
    file = ctx.home.telemetry
    shown = _tail(file, lines, event)
    if ctx.as_json and not follow:
        print_json([msgspec.Raw(line.encode()) for line in shown if _event(line) is not None])
        return
    for line in shown:
        _print_event(ctx, line)
    if not follow:
        return
    pause = threading.Event()
    position, inode = (file.stat().st_size, file.stat().st_ino) if file.exists() else (0, 0)
    while True:
        pause.wait(0.25)
        if not file.exists():
            continue
        stat = file.stat()
        if stat.st_ino != inode or stat.st_size < position:
            position, inode = 0, stat.st_ino
        with file.open("rb") as handle:
            handle.seek(position)
            chunk = handle.read()
        whole = chunk.rfind(b"\n") + 1
        position += whole
        for raw in chunk[:whole].splitlines():
            line = raw.decode("utf-8", "replace")
            if _wanted(line, event):
                _print_event(ctx, line)


def _tail(file: Any, lines: int, event: str | None) -> list[str]:
    found: list[str] = []
    older = [file.with_name(f"{file.name}.{number}") for number in range(1, 6)]
    for part in [file, *older]:
        if len(found) >= lines or not part.exists():
            break
        text = part.read_bytes().decode("utf-8", "replace").split("\n")
        chosen = [line for line in text if line.strip() and _wanted(line, event)]
        found = chosen[-(lines - len(found)) :] + found if lines > len(found) else found
    return found[-lines:] if lines else []


def _wanted(line: str, event: str | None) -> bool:
    return event is None or f'"event_type":"{event}' in line


def _print_event(ctx: Context, line: str) -> None:
    plain = _event(line)
    if plain is None:  # half a line, or a stranger's: a person may see it, a program would fail on it
        if not ctx.as_json:
            print(line, flush=True)
        return
    if ctx.as_json:
        print(line, flush=True)
        return
    facts = " ".join(f"{key}={value}" for key, value in plain["data"].items() if value is not None)
    print(f"{plain['timestamp']} {plain['severity']:<8} {plain['event_type']:<28} {facts}", flush=True)


def _event(line: str) -> dict[str, Any] | None:
    """The event of a line; None when it is none, as after a power cut in the middle of one."""
    try:
        plain = json.loads(line)
    except ValueError:
        return None
    if not isinstance(plain, dict) or not isinstance(plain.get("data"), dict):
        return None
    words = all(isinstance(plain.get(key), str) for key in ("timestamp", "severity", "event_type"))
    return plain if words else None


def top(ctx: Context) -> None:
    """A live terminal view of the tree, the queue and the newest events."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("config.usage", "top needs a terminal", hint="foldward status --watch 2")
    from foldward.cli._top import Top

    Top(ctx.home).run()
