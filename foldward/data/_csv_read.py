"""CSV: the fast reader for what is clean, the careful one for the blocks that are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from foldward.data import _csv_careful
from foldward.data._csv import Body, fast, open_csv
from foldward.data._table import PRICES, Findings, Table
from foldward.data._times import parse_time
from foldward.data.findings import Place

BLOCK = 1 << 20


def read_csv(data: bytes, utc: bool, found: Findings, convert: bool = False) -> tuple[Table | None, int]:
    """The table of a CSV file (None when no row can be read) and how many rows the file has.

    convert: read times in milliseconds and smaller units as what they look like (still a finding).
    """
    body, rows = open_csv(data, utc, convert, found)
    if body is None:
        return None, rows
    table = fast(body, found)
    if table is None and len(data) > 2 * BLOCK and body.layout.ticks is None:
        table = _joined([_block(part, found) for part in _blocks(body)])
    elif table is None:
        table = _csv_careful.read(body, found)
    if len(table) == 0 and "data.cell_count" not in found.counts:
        found.add("data.no_rows", Place(None, None, "a header and nothing else"))
    return table, len(table)


def _block(body: Body, found: Findings) -> Table:
    table = fast(body, found)
    return _csv_careful.read(body, found) if table is None else table


def _blocks(body: Body) -> Iterator[Body]:
    """The body in pieces of whole lines: one bad cell must not send two million rows the slow way."""
    data, start, line = body.data, body.offset, body.first_line
    unix = None
    while start < len(data):
        stop = data.find(b"\n", min(start + BLOCK, len(data)))
        stop = len(data) if stop < 0 else stop + 1
        if not data[stop : stop + 4096].strip() and not data[stop:].strip():
            stop = len(data)  # an empty end belongs to the last block
        part = data[start:stop]
        if unix is None:
            unix = _tells_unix(part, body)
        yield replace(body, data=part, offset=0, first_line=line, skip=0, last=stop == len(data), unix=unix)
        line += part.count(b"\n")
        start = stop


def _tells_unix(part: bytes, body: Body) -> bool | None:
    """How the first readable time is told: what the rest of the file is held to."""
    for raw in part.split(b"\n", 100)[:100]:
        cells = raw.decode(errors="replace").split(body.delimiter)
        at = body.layout.at["timestamp"]
        when = parse_time(cells[at]) if at < len(cells) else None
        # A time in another unit says nothing about the rest, unless it is read as what it looks like.
        if when is not None and when.told and (not when.code or body.convert):
            return when.told == "unix"
    return None


def _joined(tables: list[Table]) -> Table:
    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(table, name) for table in tables])

    timed = np.concatenate(
        [np.ones(len(table), dtype=bool) if table.timed is None else table.timed for table in tables]
    )
    lines = [
        table.first_line + np.arange(len(table)) if table.lines is None else table.lines for table in tables
    ]
    return Table(
        time=column("time"),
        open=column(PRICES[0]),
        high=column(PRICES[1]),
        low=column(PRICES[2]),
        close=column(PRICES[3]),
        volume=column("volume"),
        lines=np.concatenate(lines),
        timed=None if timed.all() else timed,
        whole=all(table.whole for table in tables),
    )
