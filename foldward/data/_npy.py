"""Columns on disk: .npy files written whole, mapped read-only, verified once per process and inode."""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from foldward.data.entries import Damaged
from foldward.data.identity import COLUMNS, DTYPES, npy_header

_PARALLEL = 1 << 20

# (device, inode, size, mtime_ns, digest) of files whose bytes this process has hashed.
_verified: set[tuple[int, int, int, int, str]] = set()
_lock = threading.Lock()


def write_columns(folder: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write every column as <name>.npy and make it durable, while another thread compresses the archive."""
    for name in COLUMNS:
        column = np.ascontiguousarray(columns[name], dtype=DTYPES[name])
        with open(folder / f"{name}.npy", "wb", buffering=0) as file:
            file.write(npy_header(name, len(column)))
            view = memoryview(column.data).cast("B")
            written = 0
            while written < len(view):
                written += file.write(view[written:])
            os.fsync(file.fileno())


def map_columns(folder: Path, rows: int, digests: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Map every column read-only after checking its bytes. Raises Damaged for a wrong or missing file."""

    def one(name: str) -> np.ndarray:
        return _map(folder / f"{name}.npy", name, rows, digests[name])

    if rows * 8 < _PARALLEL:
        return {name: one(name) for name in COLUMNS}
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return dict(zip(COLUMNS, pool.map(one, COLUMNS), strict=True))


def verify_file(path: Path, wanted: str) -> None:
    """Compare a whole file with its hex digest. Raises Damaged."""
    try:
        with open(path, "rb") as file:
            state = hashlib.file_digest(file, "sha256")
    except FileNotFoundError as error:
        raise Damaged(f"{path.name} is missing") from error
    if state.hexdigest() != wanted:
        raise Damaged(f"{path.name} does not match its digest")


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
    finally:
        os.close(descriptor)
    key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, wanted)
    with _lock:
        known = key in _verified
    if not known:
        if hashlib.sha256(mapped).hexdigest() != wanted:
            raise Damaged(f"{path.name} does not match its digest")
        with _lock:
            _verified.add(key)
    return np.frombuffer(mapped, dtype=dtype, count=rows, offset=len(header))
