"""A wrong command line gets one line with code and hint on stderr, and the exit code of its family."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from foldward.cli._app import run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLDWARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("line", "exit_code", "says"),
    [
        ("statsu", 2, "Did you mean 'status'"),
        ("oos submt x", 2, "Did you mean 'submit'"),
        ("status --jsn", 2, "No such option: --jsn"),
        ("data check none.csv", 0, ""),  # a report, not an error: see below
        ("oos submit x", 3, "no core is running"),
        ("pause", 3, "no core is running"),
        ("tree", 3, "no core is running"),
        ("top", 2, "top needs a terminal"),
        ("dead replay", 2, "name ids, --all"),
        ("db fsck", 8, "does not exist"),
        ("run --data nowhere --strategies x.toml", 2, "--data nowhere is not a folder"),
        ("run", 2, "run needs --data DIR and --strategies FILE, or --demo"),
        ("failures --since yesterday", 2, "is not a span such as 30m"),
        ("backtest --data x.csv --kind sma -p short", 2, "is not NAME=NUMBER"),
        ("backtest --data x.csv --kind sma -p sma_short=nan", 2, "is not NAME=NUMBER"),
        ("backtest --data x.csv --kind smaa", 2, "did you mean 'sma'?"),
        ("backtest --data x.csv --kind sma --seed -1", 2, "is not a seed"),
        ("backtest --data x.csv --kind sma --start soon", 2, "neither Unix seconds nor ISO-8601"),
        ("backtest --data x.csv --kind sma --zero-cost --spread 1", 2, "contradicts"),
        ("wfv start a --step 30", 2, "--step needs --train and --test"),
        ("wfv start a --train 90d", 2, "--train and --test belong together"),
        ("wfv run --data x.csv --kind sma --classic --grid list.json", 2, "is not a table of parameters"),
        ("wfv run --data x.csv --kind sma", 2, "either --classic or --train"),
        ("wfv run --data x.csv --kind sma --train 90d", 2, "--train needs --test"),
        ("strategies grid --kind sma --symbol X -t H1 -p sma_short=a,b", 2, "is not K=V,V"),
    ],
)
def test_a_wrong_line_is_answered_in_one_line(
    line: str, exit_code: int, says: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if line.startswith("data check"):
        assert run([*line.split(), "--json"]) == 7
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        assert finding["code"] == "data.missing_file"
        return
    Path("list.json").write_text("[1, 2]")
    assert run(line.split()) == exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("error ")
    assert " — hint: " in captured.err
    assert says in captured.err


def test_json_stays_valid_or_empty_when_a_command_fails(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tree", "--json"]) == 3
    assert capsys.readouterr().out == ""


def test_a_bug_is_one_line_and_its_traceback_is_in_the_log(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "logs").mkdir(parents=True)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("foldward.app.status.status", broken)
    assert run(["status"]) == 70
    err = capsys.readouterr().err
    assert err.startswith("error internal.bug: ZeroDivisionError: division by zero — hint: report it with ")
    assert "Traceback" not in err
    assert "ZeroDivisionError" in (home / "logs/foldward-cli.log").read_text()


def test_options_for_all_commands_may_stand_before_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(tmp_path / "other"), "--json", "status"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["home"] == str(tmp_path / "other")
    assert found["core"]["running"] is False


def test_a_refused_file_is_named_by_the_broken_rule_with_its_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["2024-01-01T00:00:00Z,100,101,99,100,5", "2024-01-01T01:00:00Z,102,106,101,500,5"]
    Path("prices.csv").write_text("\n".join(["time,open,high,low,close,volume", *rows, ""]))
    said = (
        "error data.geometry: close 500 > high 106 (prices.csv line 3, 2024-01-01T01:00:00Z) — hint: "
        "foldward data check prices.csv\n"
    )

    assert run(["backtest", "--data", "prices.csv", "--kind", "sma", "-t", "H1"]) == 7
    assert capsys.readouterr() == ("", said)

    assert run(["data", "check", "prices.csv", "-t", "H1", "--json"]) == 7
    captured = capsys.readouterr()
    assert json.loads(captured.out)["accepted"] is False
    assert captured.err == said


@pytest.mark.parametrize("line", ["status", "oos list", "tail", "strategies list"])
def test_a_home_that_may_not_be_read_is_one_line(
    line: str, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for anybody but root: whatever looks below the home is refused."""
    look = os.stat

    def refused(path: Any, *more: Any, **options: Any) -> os.stat_result:
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(f"{home}/"):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return look(path, *more, **options)

    home.mkdir()
    monkeypatch.setattr(os, "stat", refused)
    assert run(line.split()) == 8
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error storage.io: Permission denied: {home}/")
    assert captured.err.count("\n") == 1


def test_a_wait_that_ran_out_is_no_fault_of_the_disk(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object) -> None:
        raise TimeoutError("no message within 30.0 seconds")

    monkeypatch.setattr("foldward.app.status.status", late)
    assert run(["status"]) == 5
    assert capsys.readouterr().err.startswith("error supervision.no_answer: no message within 30.0 seconds")


@pytest.mark.parametrize("day", ["2026-13-01", "2026-02-30", "yesterday"])
def test_a_day_that_is_not_in_the_calendar_is_a_wrong_line(
    day: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", "daily", "--day", day]) == 2
    assert capsys.readouterr().err.startswith(f"error config.usage: --day '{day}' is not YYYY-MM-DD")


@pytest.mark.parametrize(
    ("report", "says"),
    [
        ("folder", "folder: Is a directory"),
        ("file/report.html", "file/report.html: Not a directory"),
        ("/proc/nowhere/report.html", "/proc/nowhere/report.html: No such file or directory"),
    ],
)
def test_a_report_that_could_not_be_written_is_refused_before_the_work(
    report: str, says: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("folder").mkdir()
    Path("file").touch()
    assert run(["run", "--demo", "--report", report]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error config.usage: --report {says}")
    assert captured.err.count("\n") == 1
    assert not home.exists()


def test_a_home_below_a_file_is_told_as_a_wrong_place(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    assert run(["keys", "core", "--home", "file/home"]) == 8
    assert capsys.readouterr().err == (
        "error storage.io: Not a directory: file/home/keys"
        " — hint: something else stands there: choose another place (--home DIR)\n"
    )
