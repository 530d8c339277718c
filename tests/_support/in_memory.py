"""Folders in memory, for tests whose subject is not the disk (there every fsync and truncation costs)."""

import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ROOM = 512 * 1024**2  # bytes; a container's /dev/shm may hold no more than 64 MiB
_serial = itertools.count()


@contextmanager
def passing_folder() -> Iterator[Path]:
    """A folder for the moment: in memory where that has room, where every fsync is free."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    folder = tempfile.mkdtemp(prefix="fw-tests-", dir=MEMORY if roomy else None)
    os.chmod(folder, 0o711)  # some tests are nobody for a while
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """One folder of the whole run."""
    with passing_folder() as folder:
        yield folder


@pytest.fixture
def tmp_path(scratch: Path, request: pytest.FixtureRequest) -> Path:
    """As pytest's own, without its numbered folders, links and clean-up for each test."""
    folder = scratch / f"{re.sub(r'[^A-Za-z0-9]', '_', request.node.name)[:30]}{next(_serial)}"
    folder.mkdir()
    return folder
