"""`foldward report daily` on the command line: made, shown, refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from foldward.cli import _app
from foldward.contracts import clock
from foldward.contracts.facts import CountUp
from foldward.settings import Home, StorageTable
from storage import open_writer

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home").make()
    writer = open_writer(home.database, StorageTable())
    writer.apply([CountUp(counts={"throttled": 3})])
    writer.close()
    return home


def run(home: Home, *line: str) -> int:
    return _app.run([*line, "--home", str(home.root)])


def today() -> str:
    return f"{clock.utcnow():%Y-%m-%d}"


def test_it_is_made_at_once_while_core_is_down(home: Home, capsys: Any) -> None:
    assert run(home, "report", "daily", "--make") == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"# Foldward, {today()}\n")
    page = home.reports / f"daily-{today()}.html"
    assert said.err == f"{page}\n"
    assert page.read_text().startswith("<!doctype html>")
    assert json.loads(page.with_suffix(".json").read_text())["day_counters"]["throttled"] == 3
    assert run(home, "report", "daily", "--json") == 0
    assert json.loads(capsys.readouterr().out)["day"] == today()
    assert run(home, "report", "daily", "--day", today()) == 0
    assert capsys.readouterr().err == f"{page}\n"


def test_without_one_the_figures_of_the_moment_are_shown_and_nothing_is_written(
    home: Home, capsys: Any
) -> None:
    assert run(home, "report", "daily") == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"# Foldward, {today()}\n")
    assert "keep them with foldward report daily --make" in said.err
    assert list(home.reports.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (("--day", "yesterday"), 2, "is not YYYY-MM-DD"),
        (("--day", "2020-01-01"), 4, "there is no daily report of 2020-01-01"),
        (("--day", "2020-01-01", "--make"), 2, "--make makes today's report"),
    ],
)
def test_what_cannot_be_shown_is_refused(home: Home, capsys: Any, line: Any, code: int, said: str) -> None:
    assert run(home, "report", "daily", *line) == code
    assert said in capsys.readouterr().err


def test_a_damaged_report_is_named(home: Home, capsys: Any) -> None:
    (home.reports / "daily-2026-02-03.json").write_text('{"day": "2026-')
    assert run(home, "report", "daily") == 8
    assert "is no daily report that can be read" in capsys.readouterr().err


def test_in_a_home_without_a_database_nothing_is_made(tmp_path: Path, capsys: Any) -> None:
    assert run(Home(tmp_path / "none"), "report", "daily", "--make") == 8
    assert "to report on" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
