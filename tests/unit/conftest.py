"""What unit tests share: folders in memory, because durability is no unit test's subject."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from in_memory import passing_folder, tmp_path

__all__ = ["scratch", "tmp_path"]


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """One folder of the whole run, also for what the product puts aside for a moment."""
    with passing_folder() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(folder))
        yield folder
