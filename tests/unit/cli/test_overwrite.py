"""A command that writes where it is told replaces no file that stands there, unless it is told to."""

import os
from pathlib import Path
from typing import Any

import pytest

from foldward.cli._app import run

ROWS = "timestamp,open,high,low,close,volume\n1704067200,1,3,1,2,9\n1704063600,1,3,1,2,9\n"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLDWARD_HOME", str(tmp_path / "home"))
    file = tmp_path / "X_H1.csv"
    file.write_text(ROWS)
    return file


@pytest.fixture
def database(tmp_path: Path, source: Path, capsys: Any) -> Path:
    path = tmp_path / "home" / "foldward.db"
    Path("set.toml").write_text(
        '[[strategy]]\nname = "one"\nkind = "sma"\nsymbol = "AAPL"\ntimeframe = "D1"\n'
    )
    assert run(["strategies", "import", "set.toml"]) == 0
    capsys.readouterr()
    return path


def said(capsys: Any) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line]


def test_a_repair_refuses_a_file_that_stands_and_leaves_it_alone(source: Path, capsys: Any) -> None:
    out = source.with_name("NEW_H1.csv")
    out.write_text("mine")
    assert run(["data", "repair", source.name, "--out", out.name]) == 1
    assert out.read_text() == "mine"
    (line,) = said(capsys)
    assert line.startswith("error request.exists: NEW_H1.csv exists already")
    assert "--force" in line


def test_a_repair_writes_a_new_file_and_with_force_over_an_old_one(source: Path, capsys: Any) -> None:
    out = source.with_name("NEW_H1.csv")
    assert run(["data", "repair", source.name, "--out", out.name]) == 0
    whole = out.read_text()
    assert whole.startswith("timestamp,open,high,low,close,volume\n2023-12-31T23:00:00Z,")
    out.write_text("mine")
    assert run(["data", "repair", source.name, "--out", out.name, "--force"]) == 0
    assert out.read_text() == whole


def test_a_link_to_nowhere_is_no_file_that_could_be_lost(source: Path) -> None:
    out = source.with_name("LINK_H1.csv")
    out.symlink_to(source.with_name("NEW_H1.csv"))
    assert run(["data", "repair", source.name, "--out", out.name]) == 0
    assert source.with_name("NEW_H1.csv").is_file()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_pipe_is_never_replaced_by_a_file(source: Path, capsys: Any, force: list[str]) -> None:
    pipe = source.with_name("pipe")
    os.mkfifo(pipe)
    assert run(["data", "repair", source.name, "--out", "pipe", *force]) == 1
    assert said(capsys)[0].startswith("error request.exists: pipe is a device or a pipe")
    assert pipe.is_fifo()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_force_does_not_repair_a_file_in_its_own_place(source: Path, capsys: Any, force: list[str]) -> None:
    assert run(["data", "repair", source.name, "--out", source.name, *force]) == 2
    assert source.read_text() == ROWS
    assert said(capsys)[0].startswith("error request.bad_param: X_H1.csv is the source itself")


def test_a_backup_refuses_a_file_that_stands_and_leaves_it_alone(database: Path, capsys: Any) -> None:
    Path("copy.db").write_text("mine")
    assert run(["db", "backup", "copy.db"]) == 1
    assert Path("copy.db").read_text() == "mine"
    (line,) = said(capsys)
    assert line.startswith("error request.exists: copy.db exists already")
    assert run(["db", "backup", "copy.db", "--force"]) == 0
    assert Path("copy.db").read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_backup_never_goes_onto_the_database_itself(database: Path, capsys: Any, force: list[str]) -> None:
    before = database.read_bytes()
    assert run(["db", "backup", str(database), *force]) == 8
    assert said(capsys)[0].startswith("error storage.backup: ")
    assert database.read_bytes() == before


def test_a_backup_into_a_folder_that_stands_says_that_it_is_one(database: Path, capsys: Any) -> None:
    Path("copies").mkdir()
    assert run(["db", "backup", "copies"]) == 8
    assert "is a folder" in said(capsys)[0]
