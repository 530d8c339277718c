"""A database in a folder that cannot be written to (a mounted backup, another's home) can be read."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from foldward.contracts.errors import StorageError
from foldward.settings import StorageTable
from storage import open_writer
from storage.reads import Reader

NOBODY = 65_534


@pytest.fixture
def database() -> Iterator[Path]:
    """A closed database in a folder without write permission, reachable for everybody."""
    folder = Path(tempfile.mkdtemp(prefix="fw-"))
    file = folder / "foldward.db"
    open_writer(file, StorageTable()).close()
    file.chmod(0o444)
    folder.chmod(0o555)
    yield file
    folder.chmod(0o755)
    shutil.rmtree(folder)


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """root may write everywhere: be nobody for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_it_is_read_as_it_lies(database: Path) -> None:
    with without_privileges(), Reader(database) as reader:
        assert reader.counters()["success"] == 0
        assert reader.strategies() == []
    assert sorted(os.listdir(database.parent)) == ["foldward.db", "foldward.db.lock"]


def test_with_a_log_that_cannot_be_read_it_is_refused(database: Path) -> None:
    database.parent.chmod(0o755)
    database.with_name("foldward.db-wal").write_bytes(b"x" * 32)
    database.parent.chmod(0o555)
    with without_privileges(), pytest.raises(StorageError) as caught, Reader(database) as reader:
        reader.counters()
    assert caught.value.code == "storage.open"
