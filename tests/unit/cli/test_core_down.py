"""Verbs that need a running core say so with exit 3, whatever else is wrong with what was asked."""

from pathlib import Path

import pytest

from foldward.cli._app import run


@pytest.mark.parametrize(
    "line",
    [
        "oos submit x", "oos cancel x", "wfv start x --train 90d --test 30d", "cpcv start x", "pause",
        "resume", "drain", "restart reporter", "retry x --now", "dead replay 1", "dead replay --all",
        "dead drop 1", "config reload", "tree", "rank --cycle",
    ],
)  # fmt: skip
def test_a_verb_without_a_core_exits_3_with_one_line(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*line.split(), "--home", str(tmp_path / "home"), "--json"]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error supervision.core_down: no core is running in ")
    assert said.err.count("\n") == 1
