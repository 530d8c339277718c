"""Which entry a source file became: so that an unchanged file is not read again.

    index/<digest of path and terms>.json     the file's signature and the fingerprint, or the refusal
    locks/<same>                              held while the file is read, so that one process does the work

A file is unchanged when size, mtime, ctime and inode are; when only the stamps differ, its bytes decide.
Stamps as young as the reading are not trusted: a write in the same tick would go unseen (git's racy index).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foldward.contracts.canonical import canonical_bytes, digest
from foldward.files import atomic_write

_RACY_NS = 2_000_000_000
CONTRACT_VERSION = 1  # part of every key: a change of the rules makes each source be checked again


@dataclass(frozen=True)
class Signature:
    """What stat says of a source."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, facts: os.stat_result) -> Signature:
        """The signature in a stat result."""
        return cls(facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)

    def settled(self, read_ns: int) -> bool:
        """Whether the stamps are old enough, when the file was read, to tell of a later write."""
        return max(self.mtime_ns, self.ctime_ns) < read_ns - _RACY_NS


@dataclass(frozen=True)
class Known:
    """What became of a source: signature, checksum of its bytes, and the outcome of its check."""

    path: str
    signature: Signature
    settled: bool
    checksum: str
    fingerprint: str | None
    terms: dict[str, Any]
    timeframe: int | None
    refusal: dict[str, Any] | None


class Sources:
    """The index folder of a cache."""

    def __init__(self, root: Path) -> None:
        self._index = root / "index"
        self._locks = root / "locks"

    def key(self, path: str, said: dict[str, Any]) -> str:
        """The name of a source read under certain terms."""
        return digest({"path": path, "terms": said, "contract": CONTRACT_VERSION}).removeprefix("sha256:")[
            :40
        ]

    def known(self, key: str, path: str) -> Known | None:
        """What the index says, or None: it is only a memory, so a damaged one is forgotten."""
        try:
            said = json.loads((self._index / f"{key}.json").read_bytes())
            body = said["body"]
            if said["digest"] != digest(body) or body["path"] != path:
                return None
            return Known(**{**body, "signature": Signature(**body["signature"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def remember(self, key: str, known: Known) -> None:
        """Replace what the index says."""
        body = {**vars(known), "signature": vars(known.signature)}
        data = canonical_bytes({"body": body, "digest": digest(body)})
        atomic_write(self._index / f"{key}.json", data, durable=False)

    def forget(self, key: str) -> None:
        """Drop what the index says."""
        (self._index / f"{key}.json").unlink(missing_ok=True)

    def paths_of(self, fingerprint: str) -> list[tuple[str, str]]:
        """(key, path) of every source that became this fingerprint."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for name in sorted(os.listdir(self._index)):
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                    body = json.loads((self._index / name).read_bytes())["body"]
                    if body["fingerprint"] == fingerprint:
                        found.append((name.removesuffix(".json"), str(body["path"])))
        return found

    @contextlib.contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the source's lock; another process or thread waits and then finds the work done."""
        self._locks.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._locks / key, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def signature_of(path: str) -> Signature | None:
    """The signature of a path as it is now; None when there is nothing."""
    try:
        return Signature.of(os.stat(path))
    except (OSError, ValueError):
        return None
