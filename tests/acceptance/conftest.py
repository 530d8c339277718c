"""Fixtures of the acceptance tests: a home of its own, and the bundled prices."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import SMALL, Shell, small_core

from foldward.data import bundled_dir


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A home of its own, with nothing in it."""
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        made = Shell(Path(folder) / "home")
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def lasting() -> Iterator[Shell]:
    """One core with the small set and two workers, for tests that leave it as it was."""
    with small_core(2) as shell:
        yield shell


@pytest.fixture
def prices() -> Path:
    return bundled_dir()


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    """Ten strategies on two daily series."""
    file = tmp_path / "small.toml"
    file.write_text(SMALL)
    return file
