"""The writing half of the cache: hash a source's bytes and store what was accepted. Imports polars."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foldward.contracts import clock
from foldward.data._npy import verify_file, write_columns
from foldward.data.bars import Bars, day_ends
from foldward.data.entries import ARCHIVE, MANIFEST, Damaged, Entry, hex_of, manifest_bytes, series_folder
from foldward.data.findings import Report
from foldward.data.identity import COLUMNS, Identity, column_hashes
from foldward.files import atomic_folder

_LEVEL = 1  # zstd: 60 MB instead of 46 MB for two million rows, in two thirds of the time


class SideHash:
    """SHA-256 of pieces in the order they are fed, computed by a thread beside (hashlib lets others run)."""

    def __init__(self) -> None:
        self._state = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1)

    def feed(self, piece: memoryview) -> None:
        """Hash this next; its bytes must stay as they are."""
        self._thread.submit(self._state.update, piece)

    def hexdigest(self) -> str:
        """The digest of everything fed so far, once it is done."""
        return self._thread.submit(self._state.hexdigest).result()

    def __enter__(self) -> SideHash:
        return self

    def __exit__(self, *_error: object) -> None:
        self._thread.shutdown()


def folder_of(root: Path, bars: Bars) -> Path:
    """Where a series is stored."""
    return series_folder(root, bars.symbol, bars.timeframe) / str(hex_of(bars.fingerprint))


def store(root: Path, bars: Bars, identity: Identity, report: Report, source: str) -> Entry:
    """Write an entry folder and return its entry; one that another process stored meanwhile stays."""
    columns = {name: getattr(bars, name) for name in COLUMNS}
    entry = Entry(
        fingerprint=identity.fingerprint,
        symbol=bars.symbol,
        timeframe=bars.timeframe,
        rows=len(bars),
        first=bars.first(),
        last=bars.last(),
        provenance=bars.provenance,
        source=source,
        accepted=report.allowed,
        warnings=report.warnings,
        coverage=report.coverage,
        calendar=report.calendar,
        stored_us=clock.utc_us(),
        columns=identity.columns,
        archive="",
        folder=folder_of(root, bars),
    )
    return _write(entry, columns)


def restore(root: Path, archive: Path, entry: Entry) -> Entry:
    """Rebuild an entry from the archive that its manifest names. Raises Damaged when it is another."""
    verify_file(archive, entry.archive)
    frame = pl.read_parquet(io.BytesIO(archive.read_bytes()))
    columns = {name: frame[name].to_numpy() for name in COLUMNS[1:-1]}
    columns["time"] = frame["timestamp"].to_physical().to_numpy()
    columns["day_end"] = day_ends(columns["time"])
    if column_hashes(columns) != entry.columns:
        raise Damaged(f"{ARCHIVE} holds other candles")
    folder = series_folder(root, entry.symbol, entry.timeframe) / str(hex_of(entry.fingerprint))
    return _write(dataclasses.replace(entry, folder=folder), columns)


def _write(entry: Entry, columns: Mapping[str, np.ndarray]) -> Entry:
    try:
        with atomic_folder(entry.folder) as folder, ThreadPoolExecutor(1) as pool:
            archive = pool.submit(_write_archive, folder / ARCHIVE, columns)
            write_columns(folder, columns)
            entry = dataclasses.replace(entry, archive=archive.result())
            (folder / MANIFEST).write_bytes(manifest_bytes(entry))
    except FileExistsError:  # same name, same content: the first one won
        return entry
    return entry


def _write_archive(path: Path, columns: Mapping[str, np.ndarray]) -> str:
    data: dict[str, Any] = {"timestamp": columns["time"]}
    data |= {name: columns[name] for name in COLUMNS[1:-1]}
    frame = pl.DataFrame(data).with_columns(
        pl.col("timestamp").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
    )
    with _Hashed(path) as file:
        sink: Any = file
        try:
            frame.write_parquet(sink, compression="zstd", compression_level=_LEVEL, statistics=False)
        except pl.exceptions.PolarsError as error:
            if file.fault is None:
                raise
            raise file.fault from error  # polars makes a text of it: a full disk must stay one
        return file.state.hexdigest()


class _Hashed(io.RawIOBase):
    """A file that is hashed while it is written, so that it need not be read again.

    Only appended to: a writer that went back would leave a digest that is not the file's.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.state = hashlib.sha256()
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
