"""Progress on stderr: a bar on a terminal, a line every few seconds elsewhere, nothing with --json."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from foldward.contracts import clock

LINE_EVERY_S = 5.0


class Progress:
    """One stage after the other; use as a context manager."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Any = None
        self._task: Any = None
        self._title = ""
        self._total = 0
        self._done = 0
        self._last = 0.0

    def __enter__(self) -> Progress:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description:<20}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}", style="dim"),
                console=Console(stderr=True),
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def begin(self, title: str, total: int) -> None:
        """A new stage of `total` steps."""
        self._title, self._total, self._done = title, total, 0
        if self._bar is not None:
            self._task = self._bar.add_task(title, total=total, note="")
        elif not self._quiet:
            self._line("")

    def step(self) -> None:
        """One more step is done."""
        self.reach(self._done + 1)

    def reach(self, done: int, note: str = "") -> None:
        """So many steps of the stage are done."""
        changed = done != self._done
        self._done = done
        if self._bar is not None:
            self._bar.update(self._task, completed=done, note=note)
        elif not self._quiet and (
            clock.now() - self._last >= LINE_EVERY_S or (changed and done == self._total)
        ):
            self._line(note)

    def say(self, text: str) -> None:
        """A remark between the bars."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False)
        elif not self._quiet:
            sys.stderr.write(text + "\n")

    def _line(self, note: str) -> None:
        self._last = clock.now()
        sys.stderr.write(f"{self._title}: {self._done}/{self._total}{'  ' + note if note else ''}\n")
        sys.stderr.flush()
