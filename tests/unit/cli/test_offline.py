"""Commands that need no core: their JSON has the names of the acceptance surface."""

import json
from pathlib import Path
from typing import Any

import pytest

from foldward.cli._app import run
from foldward.cli._oos import _marked
from foldward.data import bundled_dir


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLDWARD_HOME", str(tmp_path / "home"))

    def asked(*line: str, exit_code: int = 0) -> Any:
        assert run([*line, "--json"]) == exit_code
        return json.loads(capsys.readouterr().out)

    return asked


def test_status_before_anything_is_all_zero(ask: Any) -> None:
    found = ask("status")
    assert set(found) >= {
        "version", "core", "queue", "counters", "dead_letters", "latency", "workers", "breakers",
        "supervision",
    }  # fmt: skip
    assert found["core"] == {
        "running": False, "pid": None, "run_id": None, "uptime_s": None, "paused": False, "draining": False,
        "error": None,
    }  # fmt: skip
    assert {"pending": 0, "sent": 0, "retry": 0, "error": 0, "oldest_age_s": None}.items() <= found[
        "queue"
    ].items()
    assert sum(found["counters"].values()) == 0


def test_a_clean_file_is_accepted_with_its_span(ask: Any) -> None:
    report = ask("data", "check", str(bundled_dir() / "SP500_D1.csv"))
    assert (report["accepted"], report["rows"], report["findings"]) == (True, 5031, [])
    assert report["fingerprint"].startswith("sha256:")


def test_all_findings_of_a_bad_file_come_at_once(ask: Any, tmp_path: Path) -> None:
    file = tmp_path / "X_H1.csv"
    file.write_text(
        "timestamp,open,high,low,close,volume\n"
        "2024-01-01T00:00:00Z,100,101,99,100,1\n"
        "2024-01-01T01:00:00Z,100,106,99,500,1\n"
        "2024-01-01T02:00:00Z,100,101,99,nan,1\n"
        "2024-01-01T01:30:00Z,100,101,99,100,1\n"
    )
    report = ask("data", "check", str(file), exit_code=7)
    findings = {finding["code"]: finding for finding in report["findings"]}
    assert {"data.geometry", "data.not_finite", "data.unsorted"} <= set(findings)
    place = findings["data.geometry"]["places"][0]
    assert (place["line"], place["time"], place["detail"]) == (
        3,
        "2024-01-01T01:00:00Z",
        "close 500 > high 106",
    )
    assert findings["data.not_finite"]["places"][0]["line"] == 4
    assert findings["data.unsorted"]["places"][0]["line"] == 5


def test_a_backtest_says_its_numbers_its_window_and_its_identity(ask: Any) -> None:
    line = ["backtest", "--data", str(bundled_dir() / "AAPL_D1.csv"), "--kind", "sma", "-p", "sma_short=10"]
    answer = ask(*line, "--trades")
    assert set(answer) >= {
        "metrics",
        "reasons",
        "window",
        "trades",
        "result_digest",
        "fingerprint",
        "verdict",
    }
    assert answer["verdict"] == "OK"
    assert answer["window"] == {"start": 1357084800, "end": 1695254400, "bars": 2699}
    assert len(answer["trades"]) == answer["metrics"]["trades"]
    assert answer["result_digest"] == ask(*line, "--trades")["result_digest"]


def test_another_window_gives_another_result(ask: Any) -> None:
    line = ["backtest", "--data", str(bundled_dir() / "AAPL_D1.csv"), "--kind", "rsi"]
    whole, later = ask(*line), ask(*line, "--start", "2020-01-01", "--end", "2021-01-01")
    assert later["window"]["bars"] == 253
    assert whole["result_digest"] != later["result_digest"]


def test_settings_show_where_each_value_comes_from(ask: Any, tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("[queue]\nmax_inflight = 9\n")
    shown = ask("config", "show", "--config", str(file))
    assert shown["values"]["queue"]["max_inflight"] == 9
    assert shown["origins"]["queue.max_inflight"] == "file"
    assert shown["origins"]["core.home"] == "flag"


def test_a_wrong_settings_file_lists_every_fault(ask: Any, tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("[queue]\nmax_inflght = 9\nthrottle_s = -1\n")
    found = ask("config", "check", str(file), exit_code=2)
    assert found["ok"] is False
    assert [(item["path"], item["line"]) for item in found["findings"]] == [
        ("queue.max_inflght", 2),
        ("queue.throttle_s", 3),
    ]
    assert found["findings"][0]["did_you_mean"] == "queue.max_inflight"


def test_init_writes_a_file_that_checks_and_keeps_an_existing_one(ask: Any, tmp_path: Path) -> None:
    made = ask("init")
    assert made["written"] is True
    assert ask("config", "check", made["settings"])["ok"] is True
    assert ask("init")["written"] is False


def test_the_doctor_finds_this_installation_fit(ask: Any) -> None:
    assert ask("doctor")["ok"] is True


def test_a_grid_prints_one_definition_for_each_combination(ask: Any) -> None:
    axes = ["-p", "sma_short=5,10", "-p", "sma_long=50"]
    made = ask("strategies", "grid", "--kind", "sma", "--symbol", "EURUSD", "-t", "H1", *axes)
    assert [item["name"] for item in made] == ["sma-EURUSD-5-50", "sma-EURUSD-10-50"]


def test_a_refused_file_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "X_H1.csv"
    rows = [f"{1_704_067_200_000 + hour * 3_600_000},5,6,4,5,1" for hour in range(30)]
    file.write_text("\n".join(["date,open,high,low,close,volume", *rows]) + "\n")
    assert run(["data", "check", str(file)]) == 7
    assert f"milliseconds: foldward data repair {file} --out NEW" in capsys.readouterr().out


def test_a_walk_forward_shows_windows_without_bars_and_what_each_fold_chose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twenty days without a bar: the window that falls into them is there, and the answer is INVALID."""
    file, grid = tmp_path / "X_D1.csv", tmp_path / "grid.toml"
    days = [day for day in range(120) if not 60 <= day < 80]
    rows = [f"{1_704_067_200 + day * 86_400},5,{6 + day % 3},4,{5 + day % 2},1" for day in days]
    file.write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")
    grid.write_text("sma_short = [2, 3]")
    words = f"wfv run --data {file} --kind sma --train 30d --test 10d --grid {grid} --allow data.gap"
    assert run(words.split()) == 1
    out = capsys.readouterr().out
    assert "missing" in out
    assert "sma_short=2" in out or "sma_short=3" in out


@pytest.mark.parametrize("stored", [0, 1])
def test_a_result_shows_whether_its_window_was_confirmed(stored: int) -> None:
    assert _marked({"sharpe": 1.0, "unverified": stored})["window_unverified"] is bool(stored)
