"""What a crash leaves behind, and how to tell it from work that is still going on.

A writer holds a flock(2) lock on its temporary file or folder for as long as it lives; the kernel drops the
lock with the process. So an unlocked temporary is an orphan, whatever its age and whichever process id
(possibly of another container) made it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from pathlib import Path

ORPHAN_SUFFIX = ".fwtmp"


def temporary_name(name: str) -> str:
    """A fresh hidden name beside `name`: `.<name>.<16 hex digits>.fwtmp`, shortened to fit 255 bytes."""
    kept = os.fsencode(name)[:200]
    return f".{os.fsdecode(kept)}.{secrets.token_hex(8)}{ORPHAN_SUFFIX}"


def is_orphan_name(name: str) -> bool:
    """True for a name that `temporary_name` gives."""
    return name.startswith(".") and name.endswith(ORPHAN_SUFFIX)


def lock(descriptor: int) -> bool:
    """Take the exclusive lock without waiting; False when someone else holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def same_file(descriptor: int, path: str | os.PathLike[str]) -> bool:
    """Whether `path` still names the file that `descriptor` has open."""
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def sweep_orphans(folder: str | os.PathLike[str], *, recursive: bool = False) -> list[Path]:
    """Remove the temporaries of dead writers in `folder` and return their paths; live ones stay.

    A missing folder has no orphans. With `recursive`, subfolders too (never through symbolic links).
    """
    swept: list[Path] = []
    waiting = [Path(folder)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            if is_orphan_name(entry.name):
                if _sweep_one(Path(entry.path)):
                    swept.append(Path(entry.path))
            elif recursive and entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
    return sorted(swept)


def _sweep_one(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # vanished, a link, or not ours to read: nothing that we made
        return False
    try:
        if not lock(descriptor) or not same_file(descriptor, path):
            return False
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        return not path.exists()
    finally:
        os.close(descriptor)
