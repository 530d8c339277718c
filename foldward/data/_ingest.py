"""The writing half of the cache: store what was accepted, and restore it from its archive. Imports polars."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from foldward.contracts import clock
from foldward.data._archive import read_archive, write_archive
from foldward.data._npy import verify_file, write_columns
from foldward.data.bars import Bars
from foldward.data.entries import ARCHIVE, MANIFEST, Damaged, Entry, hex_of, manifest_bytes, series_folder
from foldward.data.findings import Report
from foldward.data.identity import COLUMNS, Identity, column_hashes
from foldward.files import atomic_folder


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
        sums={},
        folder=folder_of(root, bars),
    )
    return _write(entry, columns)


def restore(root: Path, archive: Path, entry: Entry) -> Entry:
    """Rebuild an entry from the archive that its manifest names. Raises Damaged when it is another."""
    verify_file(archive, entry.sums[ARCHIVE])
    columns = read_archive(archive)
    if column_hashes(columns) != entry.columns:
        raise Damaged(f"{ARCHIVE} holds other candles")
    folder = series_folder(root, entry.symbol, entry.timeframe) / str(hex_of(entry.fingerprint))
    return _write(dataclasses.replace(entry, folder=folder), columns)


def _write(entry: Entry, columns: Mapping[str, np.ndarray]) -> Entry:
    try:
        with atomic_folder(entry.folder) as folder, ThreadPoolExecutor(1) as pool:
            archive = pool.submit(write_archive, folder / ARCHIVE, columns)
            sums = write_columns(folder, columns)
            entry = dataclasses.replace(entry, sums={**sums, ARCHIVE: archive.result()})
            (folder / MANIFEST).write_bytes(manifest_bytes(entry))
    except FileExistsError:  # same name, same content: the first one won
        return entry
    return entry
