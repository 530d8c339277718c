"""An append-only file of lines with rotation by size: one writer, whole lines, none lost.

Rotation renames `f` to `f.1`, `f.1` to `f.2` and so on and keeps `keep` of them; it is checked before and
after every write. A line is one write(2) to a file opened with O_APPEND, so a crash leaves at most one torn
line at the very end, which the next start completes (when it is whole JSON without its newline) or sets
aside. A write that the disk refuses halfway is taken back, so that the caller may put the line elsewhere.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

_CHUNK = 64 * 1024
_MAX_TORN = 16 * 1024 * 1024  # a longer "line" is not a line


class JsonlFile:
    """The one writer of `path`; what once was written stays, whatever the disk says later."""

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.keep = keep
        self.rotations = 0
        self.set_aside = 0
        self._fd: int | None = None
        self._size = 0
        self._inode = (0, 0)

    def open(self) -> None:
        """Open for appending, completing or setting aside a torn last line. Idempotent. Raises OSError."""
        if self._fd is not None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self._heal(fd)
            found = os.fstat(fd)
        except BaseException:
            os.close(fd)
            raise
        self._fd, self._size, self._inode = fd, found.st_size, (found.st_dev, found.st_ino)

    def close(self) -> None:
        """Let go of the file; `append` opens it again."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def append(self, lines: Sequence[bytes]) -> tuple[int, OSError | None]:
        """Write lines (without newlines) in order; how many were written, and why not all of them."""
        written = 0
        try:
            self._follow()
            for batch in self._batches(lines):
                self._write(batch)
                written += len(batch)
            if self._size >= self.max_bytes:
                self._rotate()
        except OSError as error:
            return written, error
        return written, None

    def _batches(self, lines: Sequence[bytes]) -> Iterator[list[bytes]]:
        """Runs of lines that fit into what is left of the file; between them the file is rotated."""
        batch: list[bytes] = []
        size = 0
        for line in lines:
            length = len(line) + 1
            if self._size + size + length > self.max_bytes and self._size + size > 0:
                if batch:
                    yield batch
                    batch, size = [], 0
                self._rotate()
            batch.append(line)
            size += length
        if batch:
            yield batch

    def _write(self, batch: list[bytes]) -> None:
        assert self._fd is not None
        data = memoryview(b"\n".join(batch) + b"\n")
        done = 0
        try:
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError:
            # Half a batch must not stay: its lines go to the fallback and would stand twice.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise
        self._size += len(data)

    def _follow(self) -> None:
        """Open, or open anew when someone moved or removed the file under us."""
        if self._fd is not None:
            try:
                there = os.stat(self.path)
                gone = (there.st_dev, there.st_ino) != self._inode
            except FileNotFoundError:
                gone = True
            if gone:
                self.close()
        self.open()

    def _rotate(self) -> None:
        """Shift the numbered files by one. A failing rename lets the file grow: better long than lost."""
        try:
            for number in range(self.keep, 0, -1):
                source = numbered(self.path, number - 1)
                if source.exists():
                    os.replace(source, numbered(self.path, number))
        except OSError:
            return
        self.close()
        self.open()
        self.rotations += 1

    def _heal(self, fd: int) -> None:
        size = os.fstat(fd).st_size
        if size == 0 or os.pread(fd, 1, size - 1) == b"\n":
            return
        start = _last_newline(fd, size)
        torn = os.pread(fd, size - start, start)
        try:
            msgspec.json.decode(torn)
        except msgspec.DecodeError:
            with open(self.path.with_name(self.path.name + ".torn"), "ab") as aside:
                aside.write(torn + b"\n")
            os.ftruncate(fd, start)
            self.set_aside += 1
        else:
            os.write(fd, b"\n")


def numbered(path: Path, number: int) -> Path:
    """`path` itself for 0, else `path.1`, `path.2` …"""
    return path.with_name(f"{path.name}.{number}") if number else path


def tail(path: Path, count: int, *, keep: int = 0, wanted: bytes = b"") -> list[bytes]:
    """The newest `count` whole lines that contain `wanted`, oldest first; looks into rotated files too.

    Reads backwards in pieces, so the end of a large file costs little; needs no writer and tolerates one.
    """
    found: list[bytes] = []
    for number in range(keep + 1):
        if len(found) >= count:
            break
        try:
            with open(numbered(path, number), "rb") as file:
                found += [
                    line for line in _take(_backwards(file.fileno()), count - len(found), wanted) if line
                ]
        except FileNotFoundError:
            continue
    return found[::-1]


def _take(lines: Iterable[bytes], count: int, wanted: bytes) -> Iterator[bytes]:
    for line in lines:
        if count <= 0:
            return
        if line and wanted in line:
            count -= 1
            yield line


def _backwards(fd: int) -> Iterator[bytes]:
    """Lines from the last to the first; an unfinished last line is left out."""
    at = os.fstat(fd).st_size
    rest = b""
    first = True
    while at > 0:
        start = max(0, at - _CHUNK)
        parts = (os.pread(fd, at - start, start) + rest).split(b"\n")
        rest, at = parts[0], start
        for line in reversed(parts[1:]):
            if first:
                first = False  # what follows the last newline: nothing, or a line being written
                continue
            yield line
    if rest and not first:
        yield rest


def _last_newline(fd: int, size: int) -> int:
    """Where the last line begins: one past the last newline, or the start of the file."""
    at = size
    while at > 0 and size - at < _MAX_TORN:
        start = max(0, at - _CHUNK)
        found = os.pread(fd, at - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return at
