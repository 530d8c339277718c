"""Checksums that find damage, told with their algorithm: `xxh3:<32 hex>` or `sha256:<64 hex>`.

XXH3-128 (Y. Collet, xxhash.com) reads at the speed of memory and finds what happens to files by accident:
flipped bits, lost ends, files in each other's place. It is no proof against a forger, who could write the sum
as well; what the candles are is told by SHA-256 (`identity`). Entries of format 1 know SHA-256 alone.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

import xxhash

_PIECE = 1 << 20


class State(Protocol):
    """A checksum being made."""

    def update(self, data: Any, /) -> object:
        """Add these bytes."""

    def hexdigest(self) -> str:
        """What it is so far."""


def state() -> State:
    """An empty XXH3-128."""
    return xxhash.xxh3_128()


def told(made: State) -> str:
    """The checksum that `state` began."""
    return f"xxh3:{made.hexdigest()}"


def checksum(data: Any) -> str:
    """The checksum of any contiguous buffer."""
    return f"xxh3:{xxhash.xxh3_128_hexdigest(data)}"


def holds(data: Any, wanted: str) -> bool:
    """Whether a buffer has a checksum, of whichever algorithm."""
    made = _begin(wanted)
    made.update(data)
    return made.hexdigest() == wanted.partition(":")[2]


def file_holds(path: Path, wanted: str) -> bool:
    """Whether a file has a checksum, of whichever algorithm. Raises OSError."""
    made, piece = _begin(wanted), memoryview(bytearray(_PIECE))
    with open(path, "rb", buffering=0) as file:
        while got := file.readinto(piece):
            made.update(piece[:got])
    return made.hexdigest() == wanted.partition(":")[2]


def _begin(wanted: str) -> State:
    return hashlib.sha256() if wanted.startswith("sha256:") else xxhash.xxh3_128()
