"""Commands that are told to a person: found as this one was started, and on the same home."""

import shutil
import sys
from pathlib import Path

import pytest

from foldward.cli._context import Context


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FOLDWARD_HOME", raising=False)
    program = tmp_path / ".venv" / "bin" / "foldward"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "run"])
    return program


def test_a_program_that_is_on_the_path_is_named_alone(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(started.parent))
    assert Context(None, None, False).spoken("dead list") == "foldward dead list"
    assert Context("./var", None, False).spoken("dead list") == "foldward dead list"
    assert Context("my home", None, False).spoken("dead list") == "foldward dead list --home 'my home'"


def test_a_program_that_is_not_on_the_path_is_named_by_its_place(
    started: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert shutil.which("foldward") is None
    assert Context(None, None, False).spoken("verdicts") == ".venv/bin/foldward verdicts"
    monkeypatch.chdir(tmp_path.parent)
    assert (
        Context("/h", None, False).spoken("verdicts")
        == f"{tmp_path.name}/.venv/bin/foldward verdicts --home /h"
    )
    monkeypatch.setattr(sys, "argv", ["/usr/lib/foldward/cli/__main__.py"])
    assert Context("/h", None, False).spoken("tree") == f"{sys.executable} -m foldward.cli tree --home /h"
