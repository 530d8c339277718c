"""Atomic replacement: temporary in the same folder, fsync, rename, fsync of the folder.

rename(2) within a folder is the one step at which the new content appears; before it the old content is
untouched, and a reader never sees a part. Without the fsync before it, a power cut can leave a renamed but
empty file (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014); without the one after it,
the rename itself may be lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from foldward.files._orphans import lock, same_file, temporary_name


def atomic_write(path: str | os.PathLike[str], data: bytes | str, *, durable: bool = True) -> None:
    """Make `path` hold exactly `data` (text as UTF-8): all of it or, whatever happens, what was there before.

    Parent folders are created. A symbolic link is followed, and an existing file keeps its permission bits.
    `durable=False` leaves out the fsyncs, for files that are rewritten every second and whose last version
    a power cut may take. Raises OSError (disk full, no permission, `path` is a folder); nothing is left then.
    """
    with atomic_file(path, durable=durable) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def require_writable(path: str | os.PathLike[str]) -> None:
    """Raise the OSError that `atomic_write` would, before there is anything to write.

    Parent folders are created, nothing else is left.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    make_folders(target.parent)
    file, temporary = _create(target)
    with file:
        os.unlink(temporary)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[BinaryIO]:
    """A binary file to write to that becomes `path` when the block ends, and vanishes when it raises."""
    target = Path(os.path.realpath(path))
    make_folders(target.parent)
    file, temporary = _create(target)
    try:
        with file:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(file.fileno(), os.stat(target).st_mode & 0o7777)
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            # renamed while still open: closing drops the lock, and an unlocked temporary is an orphan
            os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if durable:
        fsync_dir(target.parent)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A fresh folder to fill that becomes `path` when the block ends, and vanishes when it raises.

    Every file in it is fsynced before the rename. `path` must not exist or be an empty folder: a folder that
    stands there already wins, and FileExistsError says so (the filled one is removed).
    """
    target = Path(os.path.realpath(path))
    make_folders(target.parent)
    while True:
        temporary = target.parent / temporary_name(target.name)
        os.mkdir(temporary)
        try:
            descriptor = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # a sweep was quicker than the lock
            continue
        if lock(descriptor) and same_file(descriptor, temporary):
            break
        os.close(descriptor)
    try:
        yield temporary
        for entry in os.scandir(temporary):
            fsync_file(entry.path)
        os.fsync(descriptor)
        try:
            os.rename(temporary, target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
            raise
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        os.close(descriptor)
    fsync_dir(target.parent)


def fsync_file(path: str | os.PathLike[str]) -> None:
    """Make what was written to a file durable, by whichever descriptor it was written."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_dir(folder: str | os.PathLike[str]) -> None:
    """Make the names in `folder` durable: a rename or a new file survives a power cut only after this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(folder: Path) -> None:
    """Create `folder` and its missing parents, each made durable in its own parent."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        fsync_dir(path.parent)


def _create(target: Path) -> tuple[BinaryIO, str]:
    while True:
        temporary = str(target.parent / temporary_name(target.name))
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        if lock(descriptor) and same_file(descriptor, temporary):
            return os.fdopen(descriptor, "w+b"), temporary
        os.close(descriptor)  # a sweep came between creation and lock
