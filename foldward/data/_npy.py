"""Columns on disk: .npy files written whole, mapped read-only, verified once per process and inode."""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from foldward.data import _sums
from foldward.data.entries import Damaged
from foldward.data.identity import COLUMNS, DTYPES, npy_header
from foldward.files import fsync_file

_PARALLEL = 1 << 20
_LARGE = 2 << 20

# (device, inode, size, mtime_ns, checksum) of files whose bytes this process has read and compared.
_verified: set[tuple[int, int, int, int, str]] = set()
_lock = threading.Lock()


def write_columns(folder: Path, columns: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Write every column as <name>.npy, make it durable and return the checksum of each file by its name.

    A thread beside waits for the disk, so that the next column is written meanwhile.
    """
    sums = {}
    with ThreadPoolExecutor(1) as beside:
        waits = []
        for name in COLUMNS:
            file = folder / f"{name}.npy"
            sums[file.name] = _write(file, name, columns[name])
            waits.append(beside.submit(fsync_file, file))
        for wait in waits:
            wait.result()
    return sums


def _write(path: Path, name: str, values: np.ndarray) -> str:
    column = np.ascontiguousarray(values, dtype=DTYPES[name])
    made = _sums.state()
    with open(path, "wb", buffering=0) as file:
        for piece in (npy_header(name, len(column)), memoryview(column.data).cast("B")):
            made.update(piece)
            written = 0
            while written < len(piece):
                written += file.write(piece[written:])
    return _sums.told(made)


def map_columns(folder: Path, rows: int, sums: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Map every column read-only after checking its bytes. Raises Damaged for a wrong or missing file."""

    def one(name: str) -> np.ndarray:
        return _map(folder / f"{name}.npy", name, rows, sums[f"{name}.npy"])

    if rows * 8 < _PARALLEL:
        return {name: one(name) for name in COLUMNS}
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return dict(zip(COLUMNS, pool.map(one, COLUMNS), strict=True))


def _advise(mapped: mmap.mmap) -> None:
    """Ask for large pages: what must come from the disk is read in large pieces, and stays quick to map.

    Advice only: a kernel or a file system without them refuses it.
    """
    if len(mapped) >= _LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            mapped.madvise(mmap.MADV_HUGEPAGE)


def verify_file(path: Path, wanted: str) -> None:
    """Compare a whole file with its checksum. Raises Damaged."""
    try:
        whole = _sums.file_holds(path, wanted)
    except FileNotFoundError as error:
        raise Damaged(f"{path.name} is missing") from error
    if not whole:
        raise Damaged(f"{path.name} does not match its checksum")


def _map(path: Path, name: str, rows: int, wanted: str) -> np.ndarray:
    header = npy_header(name, rows)
    dtype = np.dtype(DTYPES[name])
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise Damaged(f"{path.name} is missing") from error
    try:
        facts = os.fstat(descriptor)
        if facts.st_size != len(header) + rows * dtype.itemsize:
            raise Damaged(f"{path.name} has {facts.st_size} bytes, not {len(header) + rows * dtype.itemsize}")
        mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        _advise(mapped)
    finally:
        os.close(descriptor)
    key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, wanted)
    with _lock:
        known = key in _verified
    if not known:
        if not _sums.holds(mapped, wanted):
            raise Damaged(f"{path.name} does not match its checksum")
        with _lock:
            _verified.add(key)
    return np.frombuffer(mapped, dtype=dtype, count=rows, offset=len(header))
