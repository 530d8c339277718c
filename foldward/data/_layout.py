"""The folders of a cache: walking them, and setting a damaged entry aside."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from foldward.files import atomic_write, fsync_dir, is_orphan_name

QUARANTINE = "quarantine"


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder by name, without temporaries; none when it does not exist."""
    try:
        names = sorted(
            entry.name
            for entry in os.scandir(folder)
            if entry.is_dir(follow_symlinks=False) and not is_orphan_name(entry.name)
        )
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in names]


def entry_folders(root: Path, digits: str | None = None) -> Iterator[Path]:
    """Every entry's folder, or only those of one fingerprint (one for each symbol that has the content)."""
    for symbol in subfolders(root / "series"):
        for series in subfolders(symbol):
            if digits is None:
                yield from subfolders(series)
            elif (series / digits).is_dir():
                yield series / digits


def inode_of(folder: Path) -> int | None:
    """Which folder a path names now; None when there is none."""
    try:
        return folder.stat().st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def set_aside(root: Path, folder: Path, inode: int | None, why: str) -> bool:
    """Move an entry into quarantine with the reason beside it.

    inode: of the folder that was found damaged. False when another process was quicker: it is gone, or a new
    one stands in its place.
    """
    aside = root / QUARANTINE
    name = f"{folder.parent.parent.name}.{folder.parent.name}.{folder.name}.{secrets.token_hex(4)}"
    if inode is None or inode_of(folder) != inode:
        return False
    aside.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(folder, aside / name)
    except FileNotFoundError:
        return False
    fsync_dir(aside)
    fsync_dir(folder.parent)
    atomic_write(aside / name / "why.txt", why + "\n", durable=False)
    return True
