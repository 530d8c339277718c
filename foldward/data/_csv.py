"""CSV, the fast way: polars with a schema and an explicit time format, for files without a fault.

Anything unexpected (a cell that does not parse, a null, another number of cells, a second time format) ends
the attempt, and the careful reader goes through the file line by line to name every fault.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from foldward.data import _csv_careful
from foldward.data._columns import Layout, layout_of
from foldward.data._table import PRICES, Findings, Table
from foldward.data._times import SECONDS_LIMIT, is_compact_date, parse_time
from foldward.data.findings import Place

_BOM = b"\xef\xbb\xbf"
_LONG = 100_000
_US_LIMIT = 9_000_000_000_000_000  # microseconds: nanoseconds in int64 end in 2262


@dataclass(frozen=True)
class Body:
    """A CSV file after its header: where the rows begin, on which line, and how to read them."""

    data: bytes
    offset: int
    first_line: int
    delimiter: str
    layout: Layout
    utc: bool
    convert: bool


def read_csv(data: bytes, utc: bool, found: Findings, convert: bool = False) -> tuple[Table | None, int]:
    """The table of a CSV file (None when no row can be read) and how many rows the file has.

    convert: read times in milliseconds and smaller units as what they look like (still a finding).
    """
    body, rows = _open(data, utc, convert, found)
    if body is None:
        return None, rows
    table = _fast(body)
    if table is None:
        table = _csv_careful.read(body, found)
    if len(table) == 0 and "data.cell_count" not in found.counts:
        found.add("data.no_rows", Place(None, None, "a header and nothing else"))
    return table, len(table)


def _open(data: bytes, utc: bool, convert: bool, found: Findings) -> tuple[Body | None, int]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        found.add("data.encoding", Place(1, None, "the file begins as UTF-16"))
        return None, 0
    start = len(_BOM) if data.startswith(_BOM) else 0
    line = 1
    while True:
        stop = data.find(b"\n", start)
        stop = len(data) if stop < 0 else stop
        header = data[start:stop].strip()
        if header or stop == len(data):
            break
        start, line = stop + 1, line + 1
    if not header:
        found.add("data.empty", Place(None, None, "nothing but white space"))
        return None, 0
    if b"\r" in header:  # line ends of the last century: let the careful reader split them
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return _open(data, utc, convert, found)
    try:
        text = header.decode()
    except UnicodeDecodeError as error:
        found.add("data.encoding", Place(line, None, f"byte 0x{header[error.start]:02x} is not UTF-8"))
        text = header.decode(errors="replace")
    delimiter = max("\t;,", key=text.count)
    layout = layout_of(text.split(delimiter), found, line)
    if layout is None:
        return None, max(0, data.count(b"\n", stop) - (1 if data.endswith(b"\n") else 0))
    return Body(data, min(stop + 1, len(data)), line + 1, delimiter, layout, utc, convert), 0


def _fast(body: Body) -> Table | None:
    data, layout = body.data, body.layout
    end = data.find(b"\n", body.offset)
    first = data[body.offset : end if end >= 0 else len(data)].strip()
    cells = first.decode(errors="replace").split(body.delimiter)
    if len(cells) != layout.width or not (data.isascii() or _is_utf8(data)):
        return None
    if data.endswith((b"\n\n", b"\n\r\n")):
        data = data.rstrip(b"\r\n")
    told = _told(cells, layout)
    if told is None or (told.naive and not body.utc):
        return None
    schema: dict[str, Any] = {f"c{index}": pl.String for index in range(layout.width)}
    for name in (*PRICES, "volume"):
        if name in layout.at:
            schema[f"c{layout.at[name]}"] = pl.Float64
    if layout.ticks is not None:
        schema[f"c{layout.ticks}"] = pl.Float64
    if told.format is None:
        schema[f"c{layout.at['timestamp']}"] = pl.Int64
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            skip_rows=body.first_line - 1,
            schema=schema,
            separator=body.delimiter,
        )
        time = _times(frame, layout, told)
    except pl.exceptions.PolarsError:
        return None
    columns = {name: _floats(frame, layout.at.get(name)) for name in (*PRICES, "volume")}
    if time is None or any(column is None for column in columns.values()):
        return None
    # a lone quote may have swallowed line ends: count them when there are quotes at all
    if b'"' in data and data.count(b"\n", body.offset) + (not data.endswith(b"\n")) != len(time):
        return None
    volume = columns["volume"]
    if layout.ticks is not None and volume is not None and not volume.any():
        columns["volume"] = _floats(frame, layout.ticks)
        if columns["volume"] is None:
            return None
    return Table(time, first_line=body.first_line, **columns)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Told:
    """How the first row tells its time; format None means Unix seconds. length: bytes of each cell."""

    format: str | None
    naive: bool
    length: int


def _told(cells: list[str], layout: Layout) -> _Told | None:
    cell = cells[layout.at["timestamp"]].strip()
    if layout.clock is not None:
        cell = f"{cell} {cells[layout.clock].strip()}"
    bare = cell.strip('"')
    when = parse_time(bare)
    if when.code:
        return None
    if when.told == "unix":
        return _Told(None, False, 0) if bare.lstrip("-").isdigit() else None
    mark = bare[4]
    shape = f"%Y{mark}%m{mark}%d"
    if len(bare) > 10:
        clock = bare[11:]
        zone = clock[-1:] if clock[-1:] in "Zz" else ""
        steps = {5: "%H:%M", 8: "%H:%M:%S"}.get(len(clock) - len(zone))
        if steps is None:
            return None  # fractions and offsets: rare enough for the careful reader
        shape += bare[10] + steps + zone
    elif when.told == "zoned":
        return None
    return _Told(shape, when.told == "naive", len(bare))


def _times(frame: pl.DataFrame, layout: Layout, told: _Told) -> np.ndarray | None:
    column = frame[f"c{layout.at['timestamp']}"]
    if told.format is None:
        if column.null_count():
            return None
        seconds = column.rechunk().to_numpy()
        if len(seconds) and (seconds.min() <= -SECONDS_LIMIT or seconds.max() * 1e6 >= _US_LIMIT):
            return None
        if len(seconds) and is_compact_date(int(seconds[0])):
            return None
        return seconds * 1_000_000_000
    if layout.clock is not None:
        column = (column + " " + frame[f"c{layout.clock}"]).alias("t")
    if column.null_count():
        return None
    widths = column.str.len_bytes()
    if len(column) and (widths.min() != told.length or widths.max() != told.length):
        return None
    micros = _moments(column, told.format)
    if micros is None or (len(micros) and max(-int(micros.min()), int(micros.max())) > _US_LIMIT):
        return None
    return micros * 1000


def _moments(column: pl.Series, shape: str) -> np.ndarray | None:
    """Microseconds of every text, or None when one is no time. A long column is parsed in two halves at once.

    polars parses times in one thread and lets Python's other threads run meanwhile.
    """

    def parse(part: pl.Series) -> np.ndarray | None:
        parsed = part.str.to_datetime(shape, time_unit="us", strict=True, cache=False)
        return None if parsed.null_count() else parsed.to_physical().rechunk().to_numpy()

    if len(column) < _LONG:
        return parse(column)
    half = len(column) // 2
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(parse, column[:half])
        second = parse(column[half:])
        parts = [first.result(), second]
    whole = [part for part in parts if part is not None]
    return np.concatenate(whole) if len(whole) == 2 else None


def _floats(frame: pl.DataFrame, index: int | None) -> np.ndarray | None:
    if index is None:
        return np.zeros(frame.height)
    column = frame[f"c{index}"]
    if column.null_count():
        return None
    values = column.rechunk().to_numpy()
    if len(values) and not (math.isfinite(values.min()) and math.isfinite(values.max())):
        return None
    return values


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
