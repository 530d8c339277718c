"""A wrong command line gets one line with code and hint on stderr, and the exit code of its family."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from foldward.cli._app import run
from foldward.cli._choices import no_child
from foldward.cli._split import show_folds


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
        ("failures --since 99999999999d", 2, "is more than a thousand years"),
        ("dead list --limit 99999999999999999999", 2, "less than or equal to 100000"),
        ("status --watch inf", 2, "less than or equal to 86400"),
        ("strategies show a\udcff", 2, "name: 'a\\udcff' is not UTF-8"),
        ("retry b a\udcff", 2, "request-ids: 'a\\udcff' is not UTF-8"),
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


@pytest.mark.parametrize("line", ["--help", "oos --help", "--version"])
def test_help_onto_a_full_disk_is_an_error_line(
    line: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert run(line.split()) == 8
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
    assert capsys.readouterr().err.startswith("error storage.disk_full: No space left on device")


def test_the_root_of_the_tree_is_no_child_of_it() -> None:
    tree = {"id": "root", "children": [{"id": "watch"}, {"id": "roof"}]}
    assert no_child("root", tree).message == "'root' is the whole tree"
    assert no_child("rooff", tree).message == "no child 'rooff': did you mean 'roof'?"
    assert no_child("roott", {"id": "root", "children": []}).message == "no child 'roott'"


def test_what_is_no_event_is_shown_to_a_person_and_kept_from_a_program(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = '{"timestamp":"T","severity":"info","event_type":"oos.result","data":{"strategy":"a\u2028b"}}'
    odd = ["{}", "5", "null", '{"data":5}', '{"data":{},"timestamp":1,"severity":2,"event_type":3}', "junk"]
    home.mkdir()
    home.joinpath("telemetry.jsonl").write_text("\n".join([*odd, event, '{"timestamp":"torn']))
    assert run(["tail", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [json.loads(event)]
    assert run(["tail"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("{}\n5\nnull\n")
    assert "T info     oos.result                   strategy=a\u2028b\n" in shown
    assert shown.endswith('{"timestamp":"torn\n')


def test_a_plan_without_a_decision_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = {"decision": "the train daily returns have no Sharpe ratio"}
    show_folds({"planned": 1, "failed": 0, "decision": None, "folds": [], "reasons": reasons})
    show_folds({"planned": 1, "failed": 0, "decision": None, "folds": []})
    assert "None" not in capsys.readouterr().out


@pytest.mark.parametrize("dead_id", ["0", "9223372036854775808", "99999999999999999999"])
def test_a_letter_that_no_database_can_hold_is_unknown(
    dead_id: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["dead", "show", dead_id]) == 4
    assert f"error request.unknown_id: no dead letter {dead_id} — hint" in capsys.readouterr().err
