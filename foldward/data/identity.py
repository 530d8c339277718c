"""The identity of canonical candles: one digest a column, and the fingerprint over them.

A column's digest is that of its .npy file, so verifying a cache file verifies its part of the fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from foldward.contracts.canonical import digest

COLUMNS = ("time", "open", "high", "low", "close", "volume", "day_end")
DTYPES = {**dict.fromkeys(COLUMNS, "<f8"), "time": "<i8", "day_end": "|u1"}


@dataclass(frozen=True)
class Identity:
    """Digest of each column's file (hex), and `sha256:…` over them, the timeframe and the provenance."""

    columns: Mapping[str, str]
    fingerprint: str


def npy_header(name: str, rows: int) -> bytes:
    """The .npy header (format 1.0, numpy.lib.format) of a column; written here so that it never changes."""
    body = f"{{'descr': '{DTYPES[name]}', 'fortran_order': False, 'shape': ({rows},), }}".encode()
    length = -(-(10 + len(body) + 1) // 64) * 64
    return b"\x93NUMPY\x01\x00" + (length - 10).to_bytes(2, "little") + body.ljust(length - 11) + b"\n"


def fingerprint_of(columns: Mapping[str, str], rows: int, timeframe: int, provenance: str) -> str:
    """`sha256:…` of the canonical JSON of what identifies the series; the symbol is only its name."""
    return digest(
        {
            "format": "foldward-bars-1",
            "rows": rows,
            "timeframe": timeframe,
            "provenance": provenance,
            "columns": {name: columns[name] for name in COLUMNS},
        }
    )


def column_hashes(columns: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The digest of each column's .npy file. hashlib lets other threads run meanwhile."""
    return {name: _hash(name, columns[name]) for name in COLUMNS}


def identity_of(hashes: Mapping[str, str], rows: int, timeframe: int, provenance: str) -> Identity:
    """The identity of columns whose digests are known."""
    return Identity(hashes, fingerprint_of(hashes, rows, timeframe, provenance))


def _hash(name: str, column: np.ndarray) -> str:
    state = hashlib.sha256(npy_header(name, len(column)))
    state.update(np.ascontiguousarray(column, dtype=DTYPES[name]).data)
    return state.hexdigest()
