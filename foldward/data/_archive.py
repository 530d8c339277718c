"""The archive of an entry: its candles as one Parquet file (zstd), from which the columns can be made again.

Prices are decimals wherever they came from: 1.08215 is 108215 with five places. Columns for which that is
exact in both directions are stored so, in half the bytes and half the time; others stay floating point.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foldward.data import _sums
from foldward.data.bars import Floats, day_ends
from foldward.data.entries import Damaged
from foldward.data.identity import COLUMNS

_LEVEL = 1  # zstd: level 3 takes half as long again for a fifth less
_PLACES = 8
_SAMPLE = 1000
_BLOCK = 16_384  # rows whose passes stay in the second-level cache
_INT32, _EXACT = 10**9, 10**15  # Parquet keeps up to 9 digits in 4 bytes; 15 digits survive a double


def write_archive(path: Path, columns: Mapping[str, np.ndarray]) -> str:
    """Write the columns (without day_end, which follows from the times) and return the file's checksum."""
    series = [pl.Series("timestamp", columns["time"]).cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")]
    with ThreadPoolExecutor(2) as pool:
        series += pool.map(lambda name: _series(name, columns[name]), COLUMNS[1:-1])
    with _Summed(path) as file:
        sink: Any = file
        try:
            pl.DataFrame(series).write_parquet(
                sink, compression="zstd", compression_level=_LEVEL, statistics=False
            )
        except pl.exceptions.PolarsError as error:
            if file.fault is None:
                raise
            raise file.fault from error  # polars makes a text of it: a full disk must stay one
        return _sums.told(file.state)


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """All columns of an archive, of this form or of the former one (every column floating point).

    Raises Damaged when it is no such file, OSError when it cannot be read.
    """
    raw = io.BytesIO(path.read_bytes())
    try:
        frame = pl.read_parquet(raw)
        columns = {name: frame[name].cast(pl.Float64).to_numpy() for name in COLUMNS[1:-1]}
        columns["time"] = frame["timestamp"].to_physical().to_numpy()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise Damaged(f"{path.name} is no archive: {str(error)[:120]}") from error
    columns["day_end"] = day_ends(columns["time"])
    return columns


def places_of(column: Floats) -> tuple[int, int] | None:
    """(decimal places, digits) that hold every value of a column exactly, or None.

    Exact: the nearest integer to value x 10^places, divided by 10^places, is the same double again.
    """
    sample = column[:: max(1, len(column) // _SAMPLE)]
    for places in range(_PLACES + 1):
        if _digits(sample, places) and (digits := _digits(column, places)):
            return places, digits
    return None


def _digits(column: Floats, places: int) -> int:
    """9 or 15, whichever is enough for every value; 0 where a value is not exact."""
    scale = 10.0**places
    largest = 0.0
    for start in range(0, len(column), _BLOCK):
        part = column[start : start + _BLOCK]
        with np.errstate(over="ignore"):
            whole = np.rint(part * scale)
        # A volume of -0.0 is one of 0, but its bits are others, and the fingerprint is made of bits.
        if not (whole / scale == part).all() or np.signbit(whole).any():
            return 0
        largest = max(largest, float(np.abs(whole).max()))
    return 9 if largest < _INT32 else 15 if largest < _EXACT else 0


def _series(name: str, column: np.ndarray) -> pl.Series:
    fits = places_of(column)
    if fits is None:
        return pl.Series(name, column)
    places, digits = fits
    if places == 0:
        return pl.Series(name, column.astype(np.int32 if digits == 9 else np.int64))
    return pl.Series(name, column).cast(pl.Decimal(digits, places))


class _Summed(io.RawIOBase):
    """A file that is summed up while it is written, so that it need not be read again.

    Only appended to: a writer that went back would leave a checksum that is not the file's.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.state = _sums.state()
        self.fault: OSError | None = None
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - closed with this object

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        piece = memoryview(data).cast("B")
        self.state.update(piece)
        written = 0
        try:
            while written < len(piece):
                written += self._file.write(piece[written:])
        except OSError as error:
            self.fault = error
            raise
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()
