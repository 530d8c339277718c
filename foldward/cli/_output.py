"""What a person or a program gets: JSON alone on stdout with --json, tables and colours otherwise."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from foldward.contracts.errors import CATALOGUE, DataError, FoldwardError
from foldward.contracts.masking import mask_text

WHOLE = frozenset({"request", "strategy", "at", "status"})
READABLE = 16  # a column of text is not folded narrower


def print_json(value: Any) -> None:
    """One JSON document on stdout; indented for a terminal, one line for a pipe."""
    try:
        raw = msgspec.json.encode(value, enc_hook=_plain).decode()
    except UnicodeEncodeError:  # a file name whose bytes are no UTF-8 (PEP 383): escaped, still JSON
        raw = json.dumps(msgspec.to_builtins(value, enc_hook=_plain))
    sys.stdout.write((msgspec.json.format(raw, indent=2) if sys.stdout.isatty() else raw) + "\n")
    sys.stdout.flush()


def prepare_streams() -> None:
    """Whatever the locale, what we print is UTF-8, and a name that is none is shown escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # started with the stream closed
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the process's life
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def drop_stdout() -> None:
    """After a broken pipe: what Python flushes at its end goes nowhere, and raises no second error."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _plain(value: Any) -> Any:
    for name in ("to_dict", "as_dict"):
        if hasattr(value, name):
            return getattr(value, name)()
    if hasattr(value, "item"):
        return value.item()
    return str(value)


def print_error(error: FoldwardError) -> None:
    """The one line on stderr; its code in red on a terminal."""
    shown = _innermost(error)
    line = mask_text(shown.line().replace("\n", " "))
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        line = line.replace(f"error {shown.code}", f"\x1b[31merror {shown.code}\x1b[0m", 1)
    sys.stderr.write(line + "\n")


def _innermost(error: FoldwardError) -> FoldwardError:
    """A refusal of the data gate as the broken rule behind it: that names what to mend."""
    cause = error.context.get("cause")
    if error.code != "data.refused" or cause not in CATALOGUE:
        return error
    return DataError(cause, error.message.removeprefix(f"{cause}: "), hint=error.hint)


def say(text: str) -> None:
    """A remark for the person, on stderr, so that stdout stays data."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    empty: str,
    style: Callable[[Sequence[Any]], str | None] | None = None,
) -> None:
    """A table for a person: numbers right-aligned, `–` for what has no value, a sentence when it is empty."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    filled = [list(row) for row in rows]
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    if not filled:
        console.print(empty)
        return
    shown = [[cell(item) for item in row] for row in filled]
    numeric = [
        all(row[index] is None or isinstance(row[index], int | float) for row in filled)
        for index in range(len(columns))
    ]
    # An id or a number that is broken over two lines, or cut, cannot be read.
    whole = [name in WHOLE or number for name, number in zip(columns, numeric, strict=True)]
    if least_width(columns, shown, whole) > console.width:
        _print_records(console, title, columns, shown, [style(row) if style else None for row in filled])
        return
    table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name, number, one_line in zip(columns, numeric, whole, strict=True):
        table.add_column(name, justify="right" if number else "left", overflow="fold", no_wrap=one_line)
    for row, plain in zip(filled, shown, strict=True):
        table.add_row(*map(Text, plain), style=style(row) if style else None)
    console.print(table)


def least_width(columns: Sequence[str], shown: Sequence[Sequence[str]], whole: Sequence[bool]) -> int:
    """Columns of a terminal that the table needs: what is whole on one line, the rest folded to READABLE."""
    from rich.cells import cell_len

    total = 3 * (len(columns) - 1) + 2  # between two columns, and at both ends
    for index, name in enumerate(columns):
        lines = "\n".join([name, *(row[index] for row in shown)]).split("\n")
        widest = max(map(cell_len, lines))
        total += widest if whole[index] else min(widest, READABLE)
    return total


def _print_records(
    console: Any,
    title: str,
    columns: Sequence[str],
    shown: Sequence[Sequence[str]],
    styles: Sequence[str | None],
) -> None:
    """Each row as a block of `name  value` lines: for a terminal that is too narrow for the table."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    if title:
        console.print(Text(title, style="italic"))
    for row, style in zip(shown, styles, strict=True):
        block = Table.grid(padding=(0, 2))
        block.add_column(no_wrap=True)
        block.add_column(overflow="fold")
        for name, text in zip(columns, row, strict=True):
            if text:
                block.add_row(Text(name, style="dim"), Text(text, style=style or ""))
        console.print(Padding(block, (1, 0, 0, 1)))
    console.print()


def cell(value: Any) -> str:
    """One value as a person reads it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
