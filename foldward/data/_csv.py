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

from foldward.data import _advice
from foldward.data._columns import Layout, layout_of
from foldward.data._table import PRICES, Findings, Table
from foldward.data._times import LAST_NS, NS_IN, is_compact_date, parse_time, unit_of
from foldward.data.bars import NS
from foldward.data.findings import Place

_BOM = b"\xef\xbb\xbf"
_LONG = 100_000


@dataclass(frozen=True)
class Body:
    """A CSV file after its header, or a block of it: where rows begin, on which line, how to read them.

    skip: lines of `data` before the rows. last: the file ends with it. unix: how the file tells its times,
    when an earlier block has said so.
    """

    data: bytes
    offset: int
    first_line: int
    delimiter: str
    layout: Layout
    utc: bool
    convert: bool
    skip: int = 0
    last: bool = True
    unix: bool | None = None


def open_csv(data: bytes, utc: bool, convert: bool, found: Findings) -> tuple[Body | None, int]:
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
        return open_csv(data, utc, convert, found)
    try:
        text = header.decode()
    except UnicodeDecodeError as error:
        found.add("data.encoding", Place(line, None, f"byte 0x{header[error.start]:02x} is not UTF-8"))
        text = header.decode(errors="replace")
    delimiter = max("\t;,", key=text.count)
    cells = text.split(delimiter)
    layout = _layout(cells, delimiter, line, data, stop, found)
    if layout is None:
        return None, max(0, data.count(b"\n", stop) - (1 if data.endswith(b"\n") else 0))
    return Body(data, min(stop + 1, len(data)), line + 1, delimiter, layout, utc, convert, line), 0


def _layout(
    cells: list[str], delimiter: str, line: int, data: bytes, stop: int, found: Findings
) -> Layout | None:
    """The layout of the first line. Where it has none, the finding's hint is the exact way out."""
    if _advice.is_data(cells):
        seen = delimiter.join(cells)[:80]
        found.add("data.missing_column", Place(line, None, f"no header: the first line is a row: {seen}"))
        found.hints["data.missing_column"] = _advice.headerless(cells, delimiter)
        return None
    layout = layout_of(cells, found, line)
    if found.counts.keys() & {"data.missing_column", "data.duplicate_column"}:
        after = data[stop + 1 : stop + 5000].decode(errors="replace").split("\n")[:3]
        advice = _advice.header(cells, delimiter, line, [row.split(delimiter) for row in after if row])
        if advice is not None:
            found.hints |= dict.fromkeys(("data.missing_column", "data.duplicate_column"), advice)
    return layout


def fast(body: Body, found: Findings) -> Table | None:
    """The table of a body without a fault in its cells, or None: then nothing was found yet."""
    data, layout = body.data, body.layout
    end = data.find(b"\n", body.offset)
    first = data[body.offset : end if end >= 0 else len(data)].strip()
    cells = first.decode(errors="replace").split(body.delimiter)
    if len(cells) != layout.width or not (data.isascii() or _is_utf8(data)):
        return None
    if data.endswith((b"\n\n", b"\n\r\n")):
        if not body.last:  # an empty line between rows
            return None
        data = data.rstrip(b"\r\n")
    told = _told(cells, layout)
    if told is None or (body.unix is not None and body.unix != (told.format is None)):
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
            skip_rows=body.skip,
            schema=schema,
            separator=body.delimiter,
        )
        columns, time, unit = _columns(frame, layout, told)
    except pl.exceptions.PolarsError:
        return None
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
    table = Table(time, first_line=body.first_line, **columns)  # type: ignore[arg-type]
    if len(table) and told.naive and not body.utc:
        places = [table.place(row, "no zone; read as UTC here") for row in range(min(5, len(table)))]
        found.extend_places("data.naive_time", places, len(table))
    if len(table) and unit != "seconds":
        say = f"looks like {unit}; Unix seconds are expected"
        cells = frame[f"c{layout.at['timestamp']}"].head(5).to_list()
        places = [Place(table.line(row), None, f"{cell} {say}") for row, cell in enumerate(cells)]
        found.extend_places("data.ambiguous_time", places, len(table))
        if not body.convert:
            table.timed = np.zeros(len(table), dtype=bool)
    return table


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


def _columns(
    frame: pl.DataFrame, layout: Layout, told: _Told
) -> tuple[dict[str, np.ndarray | None], np.ndarray | None, str]:
    """Prices and volume by name (None where a cell is no finite number), then what `_times` says.

    polars and numpy copy and compare without the interpreter's lock: times are parsed meanwhile.
    """

    def numbers() -> dict[str, np.ndarray | None]:
        return {name: _floats(frame, layout.at.get(name)) for name in (*PRICES, "volume")}

    if frame.height < _LONG:
        return (numbers(), *_times(frame, layout, told))
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(numbers)
        time, unit = _times(frame, layout, told)
        return beside.result(), time, unit


def _times(frame: pl.DataFrame, layout: Layout, told: _Told) -> tuple[np.ndarray | None, str]:
    """Nanoseconds (None when a cell is no such time), and the unit that Unix times seem to have."""
    column = frame[f"c{layout.at['timestamp']}"]
    if told.format is None:
        values = column.rechunk().to_numpy()
        if column.null_count() or len(values) == 0:
            return (None if column.null_count() else values), "seconds"
        unit = unit_of(int(values.min()))
        size = NS if unit == "seconds" else NS_IN[unit]
        far = max(-int(values.min()), int(values.max())) * size > LAST_NS
        if far or unit_of(int(values.max())) != unit or is_compact_date(int(values[0])):
            return None, unit
        return values * size, unit
    if layout.clock is not None:
        column = (column + " " + frame[f"c{layout.clock}"]).alias("t")
    if column.null_count():
        return None, "seconds"
    widths = column.str.len_bytes()
    if len(column) and (widths.min() != told.length or widths.max() != told.length):
        return None, "seconds"
    micros = _moments(column, told.format)
    if micros is None or (len(micros) and max(-int(micros.min()), int(micros.max())) > LAST_NS // 1000):
        return None, "seconds"
    return micros * 1000, "seconds"


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
