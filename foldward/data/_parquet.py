"""Parquet (magic bytes PAR1): the same columns under the same names; a place is a row number."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import polars as pl

from foldward.data import _advice
from foldward.data._columns import layout_of
from foldward.data._table import PRICES, Findings, Table
from foldward.data._times import is_compact_date, parse_time, unit_of
from foldward.data.findings import Place


def read_parquet(data: bytes, utc: bool, found: Findings, convert: bool = False) -> tuple[Table | None, int]:
    """The table of a Parquet file (None when no row can be read) and how many rows it has.

    convert: read integer times in milliseconds and smaller units as what they look like (still a finding).
    """
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError) as error:
        found.add("data.unreadable", Place(None, None, f"not a whole Parquet file: {str(error)[:120]}"))
        return None, 0
    except pl.exceptions.PanicException as error:  # the reader itself gives up on some damaged files
        found.add("data.unreadable", Place(None, None, f"not a whole Parquet file: {str(error)[:120]}"))
        return None, 0
    layout = layout_of(frame.columns, found, None)
    advice = _advice.columns(frame.columns) if "data.missing_column" in found.counts else None
    if advice is not None:
        found.hints["data.missing_column"] = advice
    if layout is None:
        return None, frame.height
    if frame.height == 0:
        found.add("data.no_rows", Place(None, None, "columns and nothing else"))
        return None, 0
    time, timed = _times(frame[frame.columns[layout.at["timestamp"]]], utc, convert, found)
    columns = {
        name: _floats(frame, frame.columns[layout.at[name]], name, found)
        if name in layout.at
        else np.zeros(frame.height)
        for name in (*PRICES, "volume")
    }
    bad = {"data.not_numeric", "data.not_finite", "data.missing_value"}
    whole = not bad & found.counts.keys()
    return Table(time, **columns, first_line=1, timed=timed, whole=whole), frame.height  # type: ignore[arg-type]


def _floats(frame: pl.DataFrame, column: str, name: str, found: Findings) -> np.ndarray:
    series = frame[column]
    if not series.dtype.is_numeric():
        found.extend_places(
            "data.not_numeric", [Place(None, None, f"column {name} holds {series.dtype}")], frame.height
        )
        return np.full(frame.height, np.nan)
    values = series.cast(pl.Float64).to_numpy().copy()
    empty = series.is_null().to_numpy()
    wild = ~np.isfinite(values) & ~empty
    _rows(found, "data.missing_value", empty, f"{name} is empty")
    _rows(found, "data.not_finite", wild, f"{name} is not finite")
    values[wild | empty] = np.nan
    return values


def _rows(found: Findings, code: str, mask: np.ndarray, detail: str) -> None:
    rows = np.flatnonzero(mask)
    found.extend_places(code, [Place(int(row) + 1, None, detail) for row in rows[:5]], len(rows))


def _times(
    series: pl.Series, utc: bool, convert: bool, found: Findings
) -> tuple[np.ndarray, np.ndarray | None]:
    empty = series.is_null().to_numpy()
    _rows(found, "data.missing_value", empty, "the time is empty")
    timed = None if not empty.any() else ~empty
    dtype: Any = series.dtype
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        if (dtype == pl.Date or dtype.time_zone is None) and not utc:
            found.extend_places(
                "data.naive_time",
                [Place(1, None, f"the time column holds {dtype} without a zone")],
                len(series),
            )
        moments = (
            series.cast(pl.Datetime("us"))
            if dtype == pl.Date
            else series.dt.convert_time_zone("UTC")
            if (dtype.time_zone is not None)
            else series
        )
        micros = moments.dt.timestamp("us").fill_null(0).to_numpy()
        return _in_range(micros, timed, found)
    if dtype.is_integer():
        return _unix(series.fill_null(0).cast(pl.Int64).to_numpy(), timed, convert, found)
    if dtype == pl.String:
        return _texts(series.to_list(), utc, found)
    found.extend_places(
        "data.bad_time", [Place(None, None, f"the time column holds {dtype}, not times")], len(series)
    )
    return np.zeros(len(series), dtype=np.int64), np.zeros(len(series), dtype=bool)


def _in_range(
    micros: np.ndarray, timed: np.ndarray | None, found: Findings
) -> tuple[np.ndarray, np.ndarray | None]:
    far = (micros > 9_000_000_000_000_000) | (micros < -9_000_000_000_000_000)
    if far.any():
        _rows(found, "data.bad_time", far, "the time is outside the years 1685 to 2255")
        timed = ~far if timed is None else timed & ~far
    return np.where(far, 0, micros) * 1000, timed


def _unix(
    values: np.ndarray, timed: np.ndarray | None, convert: bool, found: Findings
) -> tuple[np.ndarray, np.ndarray | None]:
    unit = unit_of(max(int(values.max()), -int(values.min())))
    compact = all(is_compact_date(int(value)) for value in values[:1000])
    if unit != "seconds" or compact:
        say = "reads as a date too" if compact else f"looks like {unit}; Unix seconds are expected"
        place = Place(1, None, f"{int(values[0])} {say}")
        found.extend_places("data.ambiguous_time", [place], len(values))
        if compact or not convert:
            return np.zeros(len(values), dtype=np.int64), np.zeros(len(values), dtype=bool)
        micros = {"milliseconds": values * 1000, "microseconds": values, "nanoseconds": values // 1000}
        return _in_range(micros[unit], timed, found)
    return _in_range(values * 1_000_000, timed, found)


def _texts(cells: list[str | None], utc: bool, found: Findings) -> tuple[np.ndarray, np.ndarray]:
    time = np.zeros(len(cells), dtype=np.int64)
    timed = np.zeros(len(cells), dtype=bool)
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        when = parse_time(cell)
        if when.code:
            found.add(when.code, Place(row + 1, None, when.why))
            continue
        if when.told == "naive" and not utc:
            found.add("data.naive_time", Place(row + 1, None, "no zone; read as UTC here"))
        time[row], timed[row] = when.ns, True
    return time, timed
