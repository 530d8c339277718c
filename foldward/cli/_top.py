"""`foldward top`: what is wrong, the queue, the tree and the newest events, live in a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widgets import Footer, RichLog, Static
from textual.widgets import Tree as TreeWidget
from textual.widgets.tree import TreeNode
from textual.worker import get_current_worker

from foldward.app.status import status
from foldward.cli._top_view import Seen, event_line, figure_text, label, routine, trouble_text, troubles
from foldward.console import Client
from foldward.contracts import clock
from foldward.contracts.errors import FoldwardError
from foldward.settings import Home

EVERY_S = 1.0
ASK_S = 2.0  # a core that takes longer to answer is shown as silent
TAIL = 16_384
KEPT = 500


class Top(App[None]):
    """What is wrong first, then figures, the tree (left) and events (right).

    q leaves, p pauses sending, r resumes, a shows every event, c folds what is well in the tree. One look is
    taken by a thread at a time, so that a core that hangs never holds up the keys.
    """

    TITLE = "Foldward"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #troubles { height: auto; padding: 0 1; border: round $surface; }
    #figures { height: auto; padding: 0 1; }
    #tree { width: 2fr; border: round $surface; min-width: 28; }
    #events { width: 3fr; border: round $surface; }
    """
    BINDINGS = [  # noqa: RUF012 - textual's own shape
        ("q", "quit", "Leave"),
        Binding("ctrl+c", "quit", "Leave", show=False, priority=True),  # textual's own only tells of ctrl+q
        ("p", "pause", "Pause"),
        ("r", "resume", "Resume"),
        ("a", "all_events", "All events"),
        ("c", "fold", "Fold"),
    ]

    def __init__(self, home: Home) -> None:
        super().__init__()
        self._home = home
        self._all = False
        self._folded = False
        self._tail = Tail(home.telemetry)
        self._lines: list[bytes] = []
        self._looking = False
        self.seen: Seen | None = None

    def compose(self) -> ComposeResult:
        troubles_pane = Static("looking for core …", id="troubles")
        troubles_pane.border_title = f"Foldward {self._home.root}"
        yield troubles_pane
        yield Static(id="figures")
        with Horizontal():
            tree: TreeWidget[str] = TreeWidget("no core", id="tree")
            tree.guide_depth = 2
            tree.border_title = "tree"
            yield tree
            events = RichLog(id="events", wrap=False, max_lines=KEPT)
            events.border_title = "events"
            yield events
        yield Footer()

    def on_mount(self) -> None:
        self.look()
        self.set_interval(EVERY_S, self.look)

    def look(self) -> None:
        """Take a look, unless one is under way."""
        if not self._looking:
            self._looking = True
            self._look()

    @work(thread=True, group="look")
    def _look(self) -> None:
        try:
            seen, lines = look(self._home), self._tail.new()
        finally:
            self._looking = False
        if not get_current_worker().is_cancelled:
            self.call_from_thread(self.show, seen, lines)

    def show(self, seen: Seen, lines: list[bytes]) -> None:
        """Put what was seen into the panes."""
        self.seen = seen
        pane = self.query_one("#troubles", Static)
        pane.update(trouble_text(troubles(seen), max(20, self.size.width - 4)))
        self.query_one("#figures", Static).update(figure_text(seen))
        self._show_tree(seen.tree)
        if lines:
            self._lines = [*self._lines, *lines][-KEPT:]
            self._write(lines)

    def _write(self, lines: list[bytes]) -> None:
        log = self.query_one("#events", RichLog)
        for line in lines:
            if self._all or not routine(line):
                log.write(event_line(line))

    def _show_tree(self, root: dict[str, Any] | None) -> None:
        widget = self.query_one("#tree", TreeWidget)
        if root is None:
            widget.root.set_label(Text("no core answers", style="red"))
            widget.root.remove_children()
            return
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
                    label(child),
                    data=child["id"],
                    expand=not self._folded,
                    allow_expand=bool(child.get("children")),
                )
            inner.set_label(label(child))
            self._match(inner, child.get("children", []))
        for gone in have.values():
            gone.remove()

    def action_all_events(self) -> None:
        """Every event, or only those that tell something new."""
        self._all = not self._all
        log = self.query_one("#events", RichLog)
        log.border_title = "all events" if self._all else "events"
        log.clear()
        self._write(self._lines)

    def action_fold(self) -> None:
        """Fold the tree to its first level, or unfold it."""
        self._folded = not self._folded
        for node in self.query_one("#tree", TreeWidget).root.children:
            if self._folded:
                node.collapse_all()
            else:
                node.expand_all()

    def action_pause(self) -> None:
        """Pause sending."""
        self._ask("pause")

    def action_resume(self) -> None:
        """Resume sending."""
        self._ask("resume")

    @work(thread=True, group="ask")
    def _ask(self, verb: str) -> None:
        try:
            Client(self._home, timeout=10).call(verb)
        except FoldwardError as error:
            self.call_from_thread(self.notify, error.line(), severity="error")
        else:
            self.call_from_thread(self.notify, f"{verb}: done")
        self.call_from_thread(self.look)


class Tail:
    """The lines that have come to a file since the last question; at the first, its newest."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset: int | None = None
        self._inode = 0

    def new(self) -> list[bytes]:
        """Whole lines, at most a megabyte of them; none when the file cannot be read."""
        try:
            with self._file.open("rb") as handle:
                stat = self._file.stat()
                if self._offset is None:
                    self._offset, self._inode = max(0, stat.st_size - TAIL), stat.st_ino
                    handle.seek(self._offset)
                    if self._offset:
                        self._offset += len(handle.readline())
                if stat.st_ino != self._inode or stat.st_size < self._offset:
                    self._offset, self._inode = 0, stat.st_ino
                handle.seek(self._offset)
                chunk = handle.read(1 << 20)
        except OSError:
            return []
        whole = chunk.rfind(b"\n") + 1
        self._offset += whole
        return chunk[:whole].splitlines()


def look(home: Home) -> Seen:
    """Everything that is shown, from database and core; what cannot be asked is said, never raised."""
    try:
        found = status(home, timeout=ASK_S)
    except FoldwardError as error:
        return Seen(_nothing(), error=error.line())
    tree, stuck, trouble = None, list[dict[str, Any]](), ""
    if found["core"]["running"] and not found["core"].get("error"):
        try:
            tree = Client(home, timeout=ASK_S).tree()
        except FoldwardError as error:
            trouble = error.line()
    if home.database.exists():
        from storage.reads import Reader

        try:
            with Reader(home.database) as reader:
                stuck = reader.stuck(clock.utc_us())
        except FoldwardError as error:
            trouble = trouble or error.line()
    return Seen(found, tree, stuck, trouble)


def _nothing() -> dict[str, Any]:
    """A status in which nothing is known."""
    times = {"count": 0, "p50_s": None, "p95_s": None, "p99_s": None}
    queue = {"pending": 0, "sent": 0, "retry": 0, "error": 0, "cancelled": 0, "oldest_age_s": None}
    core = {
        "running": False,
        "pid": None,
        "uptime_s": None,
        "paused": False,
        "draining": False,
        "error": None,
    }
    return {
        "core": core,
        "queue": queue,
        "latency": times,
        "counters": {"success": 0, "failure": 0},
        "dead_letters": {"held": 0, "by_reason": {}},
        "workers": [],
        "breakers": [],
        "supervision": {"restarts": 0, "zombies": 0},
    }
