"""How each code of the catalogue comes about: `ways[code](scene)` gives the error, or a finding's words."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from scene import Scene


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    made = Scene(tmp_path, monkeypatch)
    yield made
    made.close()
