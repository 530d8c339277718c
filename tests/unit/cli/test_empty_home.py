"""A home without a database: reading commands have an empty answer of the usual shape."""

import json
from pathlib import Path

import pytest

from foldward.cli._app import run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLDWARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    "line",
    [
        "strategies list",
        "oos list",
        "verdicts",
        "dead list",
        "stuck",
        "failures",
        "wfv list",
        "cpcv list",
        "tail",
    ],
)
def test_a_list_is_empty(line: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*line.split(), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == []
    assert captured.err == ""
    assert not home.exists()


def test_figures_are_zero_or_null(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "oos", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["sent"], found["pending"], found["latency"]["p99_s"]) == (0, 0, None)
    assert run(["latency", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["count"] == 0


def test_nobody_stands_on_the_ladder(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rank", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["strategies"] == []
    assert found["ranks"]["legend"] == 0


def test_a_person_is_told_that_there_is_no_database(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verdicts"]) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == "no verdicts yet: foldward oos submit NAME, or foldward run"
    assert "there is no database in" in captured.err


@pytest.mark.parametrize(
    "line", ["why 0123456", "oos show 0123456", "report run", "replay 0123456", "dead show 1"]
)
def test_an_id_is_unknown(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*line.split(), "--json"]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error request.unknown_id: ")
    assert captured.err.count("\n") == 1
