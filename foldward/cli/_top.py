"""`foldward top`: the tree, the queue and the newest events, live in a terminal."""

from __future__ import annotations

import json
from typing import Any

from rich.text import Text
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.widgets import Footer, Header, RichLog, Static
from textual.widgets import Tree as TreeWidget
from textual.widgets.tree import TreeNode

from foldward.app.status import status
from foldward.cli._output import cell
from foldward.console import Client
from foldward.contracts.durations import age
from foldward.contracts.errors import FoldwardError
from foldward.settings import Home

EVERY_S = 1.0
COLOURS = {
    "running": "green",
    "backoff": "yellow",
    "starting": "yellow",
    "stopping": "yellow",
    "hung": "red",
    "failed": "red",
}


class Top(App[None]):
    """Three panes: figures above, the tree left, events right. q leaves, p pauses, r resumes."""

    TITLE = "Foldward"
    CSS = """
    #figures { height: auto; padding: 0 1; border: round $surface; }
    #tree { width: 2fr; border: round $surface; }
    #events { width: 3fr; border: round $surface; }
    """
    BINDINGS = [("q", "quit", "Leave"), ("p", "pause", "Pause sending"), ("r", "resume", "Resume")]  # noqa: RUF012

    def __init__(self, home: Home) -> None:
        super().__init__()
        self._home = home
        self._offset: int | None = None
        self._inode = 0

    def compose(self) -> ComposeResult:
        yield Header(show_clock=True)
        yield Static("looking for core …", id="figures")
        with Horizontal():
            tree: TreeWidget[str] = TreeWidget("root", id="tree")
            tree.guide_depth = 2
            yield tree
            yield RichLog(id="events", wrap=True, max_lines=2000)
        yield Footer()

    def on_mount(self) -> None:
        self.sub_title = str(self._home.root)
        self.refresh_all()
        self.set_interval(EVERY_S, self.refresh_all)

    def refresh_all(self) -> None:
        """One look at everything; each pane keeps what it has when its source does not answer."""
        self.query_one("#figures", Static).update(figures(status(self._home, timeout=1)))
        try:
            self._show_tree(Client(self._home, timeout=1).tree())
        except FoldwardError as error:
            self.query_one("#tree", TreeWidget).root.set_label(Text(error.line(), style="red"))
        self._show_events()

    def _show_tree(self, root: dict[str, Any]) -> None:
        widget = self.query_one("#tree", TreeWidget)
        widget.root.set_label(label(root))
        self._match(widget.root, root.get("children", []))
        widget.root.expand()

    def _match(self, node: TreeNode[str], children: list[dict[str, Any]]) -> None:
        # Nodes are kept where they are, so that the cursor and what is folded stay.
        have = {str(child.data): child for child in node.children}
        for child in children:
            inner = have.pop(child["id"], None)
            if inner is None:
                inner = node.add(
                    label(child), data=child["id"], expand=True, allow_expand=bool(child.get("children"))
                )
            inner.set_label(label(child))
            self._match(inner, child.get("children", []))
        for gone in have.values():
            gone.remove()

    def _show_events(self) -> None:
        file = self._home.telemetry
        if not file.exists():
            return
        stat = file.stat()
        if self._offset is None:
            self._offset, self._inode = max(0, stat.st_size - 8192), stat.st_ino
        if stat.st_ino != self._inode or stat.st_size < self._offset:
            self._offset, self._inode = 0, stat.st_ino
        with file.open("rb") as handle:
            handle.seek(self._offset)
            chunk = handle.read(1 << 20)
        whole = chunk.rfind(b"\n") + 1
        self._offset += whole
        log = self.query_one("#events", RichLog)
        for line in chunk[:whole].splitlines()[-200:]:
            log.write(event_line(line))

    def action_pause(self) -> None:
        self._ask("pause")

    def action_resume(self) -> None:
        self._ask("resume")

    def _ask(self, verb: str) -> None:
        try:
            Client(self._home, timeout=5).call(verb)
        except FoldwardError as error:
            self.notify(error.line(), severity="error")
        else:
            self.notify(f"{verb}: done")
        self.refresh_all()


def figures(found: dict[str, Any]) -> Text:
    """Two lines: core and queue, latency and trouble."""
    core, queue, times = found["core"], found["queue"], found["latency"]
    text = Text()
    if not core["running"]:
        text.append("core is not running", style="bold red")
    elif core.get("error"):
        text.append(f"core does not answer: {core['error']['message']}", style="bold red")
    else:
        state = "paused" if core["paused"] else "running"
        text.append(f"core {state}", style="bold yellow" if core["paused"] else "bold green")
        text.append(f"  pid {core['pid']}  up {age(core['uptime_s'])}  {len(found['workers'])} workers")
    text.append(
        f"   waiting {cell(queue['pending'] + queue['retry'])}  in work {cell(queue['sent'])}"
        f"  applied {cell(found['counters']['success'])}  given up {cell(queue['error'])}\n"
    )
    if times["count"]:
        text.append(
            f"latency p50 {times['p50_s']:.3f} s  p95 {times['p95_s']:.3f} s  p99 {times['p99_s']:.3f} s   "
        )
    held = found["dead_letters"]["held"]
    text.append(f"dead letters {held}", style="red" if held else "")
    text.append(f"   restarts {found['supervision']['restarts']}")
    return text


def label(node: dict[str, Any]) -> Text:
    """A child's line: name, state, and what stands out."""
    text = Text(node["id"], style="bold")
    text.append(f" {node['state']}", style=COLOURS.get(node["state"], "dim"))
    if node.get("pid"):
        text.append(f" pid {node['pid']}", style="dim")
    if node["restarts"]:
        text.append(f" {node['restarts']} restarts", style="yellow")
    if node.get("mailbox"):
        text.append(f" mailbox {node['mailbox']}", style="dim")
    if node.get("last_error"):
        text.append(f" {node['last_error']['code']}", style="red")
    return text


def event_line(line: bytes) -> Text:
    """One telemetry line as a person reads it; a line that is no JSON is shown as it is."""
    try:
        plain = json.loads(line)
        facts = " ".join(f"{key}={value}" for key, value in plain["data"].items() if value is not None)
        text = Text(f"{plain['timestamp'][11:23]} ", style="dim")
        text.append(
            plain["event_type"], style="red" if plain["severity"] in ("error", "critical") else "cyan"
        )
        text.append(f" {facts}")
    except (ValueError, KeyError, TypeError):
        return Text(line.decode("utf-8", "replace"))
    return text
