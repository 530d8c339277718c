"""The command line against real processes: what only they can show."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from processes import COMMAND, Shell, until

from foldward.settings import Home

pytestmark = pytest.mark.slow


def test_a_run_is_answered_from_the_store_and_recomputed_by_replay(
    shell: Shell, prices: Path, small_set: Path, tmp_path: Path
) -> None:
    root = tmp_path / "prices"
    root.mkdir()
    for name in ("AAPL_D1.csv", "SP500_D1.csv"):
        (root / name).write_bytes((prices / name).read_bytes())
    line = ["run", "--data", str(root), "--strategies", str(small_set), "--seed", "7"]
    first, second = shell.json(*line), shell.json(*line)
    assert second["result_digest"] == first["result_digest"]
    assert shell.json("status")["counters"]["success"] == 50
    answer = shell.json("replay", second["run_id"])
    assert answer["identical"] is True
    assert answer["differences"] == []
    assert answer["results"] == {"recomputed": 50, "identical": 50, "different": 0}

    lines = (root / "AAPL_D1.csv").read_text().splitlines()
    (root / "AAPL_D1.csv").write_text("\n".join(lines[:-1]) + "\n")
    answer = shell.json("replay", first["run_id"], exit_code=1)
    assert [(item["kind"], item["what"]) for item in answer["differences"]] == [("data", "AAPL_D1")]
    assert answer["results"]["different"] == 0

    done = shell.run("replay", first["run_id"], "--json", FOLDWARD_RANK__CYCLE_S="33")
    assert done.returncode == 1
    assert {item["kind"] for item in json.loads(done.stdout)["differences"]} == {"data", "config"}

    report = shell.json("report", "strategy", "sma-AAPL-5-50")
    assert set(report["results"]) == {"backtest", "oos", "wfv", "cpcv", "evidence"}
    assert shell.json("report", "run")["run_id"] == second["run_id"]
    (walk, *_) = shell.json("wfv", "list", "--strategy", "sma-AAPL-5-50")
    shown = shell.json("wfv", "show", walk["request_id"][:30])
    assert shown["strategy"] == "sma-AAPL-5-50"
    assert set(shown["folds"][0]) >= {"train", "test", "is_sharpe", "oos_sharpe", "status"}
    assert shell.json("rank")["ranks"]["retired"] == 0
    assert len(shell.json("tail", "-n", "5")) == 5


def test_imported_candles_need_no_data_root(shell: Shell, prices: Path, small_set: Path) -> None:
    shell.json("strategies", "import", str(small_set))
    shell.json("data", "import", str(prices / "SP500_D1.csv"))
    shell.core("--workers", "1")
    (item,) = shell.json("oos", "submit", "rsi-SP500-7-25", "--now")
    assert item["status"] in ("queued", "pending", "cached")
    shown = until(lambda: shell.json("oos", "show", item["request_id"])["result"], 60, "the result")
    assert shown["fingerprint"] == shell.json("data", "list")[0]["fingerprint"]
    (item,) = shell.json("oos", "submit", "sma-AAPL-5-50", "--now", exit_code=7)
    assert item["code"] == "data.not_found"


def test_an_operators_verbs_are_told_and_take_effect(shell: Shell, prices: Path, small_set: Path) -> None:
    shell.json("strategies", "import", str(small_set))
    shell.core("--data", str(prices), "--workers", "1")
    assert shell.json("drain")["ok"] is True
    assert shell.json("status")["core"]["draining"] is True
    (item,) = shell.json("oos", "submit", "sma-AAPL-5-50", exit_code=1)
    assert item["code"] == "queue.draining"
    shell.json("resume")
    assert shell.json("status")["core"]["draining"] is False
    assert shell.json("rank", "--cycle") == {"ok": True}

    for verb in (["retry"], ["oos", "cancel"]):
        done = shell.run(*verb, "0199ffff")
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr.startswith("error request.unknown_id: no request 0199ffff")
    done = shell.run("strategies", "retire", "sma-AAPL-5-5")
    assert done.returncode == 4
    assert "no strategy 'sma-AAPL-5-5': did you mean 'sma-AAPL-5-50'?" in done.stderr

    done = shell.run("restart", "reportr")
    assert (done.returncode, done.stdout) == (4, "")
    assert "did you mean 'reporter'?" in done.stderr
    for wrong in (
        ["wfv", "start", "x", "--train", "abc", "--test", "9d"],
        ["cpcv", "start", "x", "--groups", "1"],
    ):
        done = shell.run(*wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error request.bad_plan: ")

    settings = shell.home / "foldward.toml"
    settings.write_text('[data]\nallow = ["data.outlier"]\n[queue]\nmax_inflight = 7\n')
    answer = shell.json("config", "reload")
    assert (answer["applied"], answer["restart_needed"]) == (["data.allow"], ["queue.max_inflight"])
    settings.write_text("[queue]\nmax_inflght = 7\n")
    answer = shell.json("config", "reload", exit_code=2)
    assert answer["findings"][0]["did_you_mean"] == "queue.max_inflight"
    shell.processes[-1].send_signal(signal.SIGHUP)
    until(lambda: len(shell.json("tail", "-n", "9", "--event", "config.")) == 3, 10, "the reload by SIGHUP")
    assert shell.json("tree")["state"] == "running"


def test_a_taken_endpoint_is_one_line_and_leaves_the_home_as_it_was(shell: Shell, small_set: Path) -> None:
    shell.json("strategies", "import", str(small_set))
    before = (shell.home / "foldward.db").read_bytes()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        endpoint = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        done = shell.run("core", FOLDWARD_LINK__NATIVE_ENDPOINT=endpoint)
        web = shell.run("web", "--port", endpoint.rpartition(":")[2])
    assert (done.returncode, web.returncode) == (2, 2)
    for said in (done.stderr, web.stderr):
        assert said.startswith("error wire.endpoint_taken: ")
        assert said.count("\n") == 1
    assert (shell.home / "foldward.db").read_bytes() == before
    assert Home(shell.home).holder() is None


def test_a_reader_that_leaves_is_no_error(shell: Shell, small_set: Path) -> None:
    shell.json("strategies", "import", str(small_set))
    for line in ("strategies list --json --watch 0.1", "status --json --watch 0.1", "verdicts --watch 0.1"):
        words = [
            word
            for word in line.split()
            if not (line.startswith("strategies") and word in ("--watch", "0.1"))
        ]
        process = subprocess.Popen(
            [*COMMAND, *words], env=shell.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 0, line
        assert b"BrokenPipe" not in process.stderr.read()
        process.stderr.close()


def test_ctrl_c_ends_a_watch_with_130_and_no_traceback(shell: Shell) -> None:
    process = subprocess.Popen(
        [*COMMAND, "status", "--json", "--watch", "0.1"],
        env=shell.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said == b"interrupted\n"


def compiling(core: int) -> bool:
    """Whether core's compiler of kernels is under way: it has loaded numpy."""
    try:
        for pid in Path(f"/proc/{core}/task/{core}/children").read_text().split():
            if b"foldward.app.warm" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return "numpy" in Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ends while we look
        pass
    return False


def test_ctrl_c_at_a_terminal_reaches_core_alone(shell: Shell) -> None:
    """A terminal sends SIGINT to every process of its foreground group, the compiler of kernels too."""
    said = shell.home.parent / "said.txt"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, "core", "--workers", "1"],
            env={**shell.env, "NUMBA_CACHE_DIR": str(shell.home.parent / "empty")},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        shell.processes.append(process)
        until(lambda: compiling(process.pid), 30, "the compiler of kernels")
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)
    assert "Traceback" not in said.read_text()


def test_output_is_utf8_in_any_locale(shell: Shell) -> None:
    done = subprocess.run(
        [*COMMAND, "status"],
        env={**shell.env, "LC_ALL": "C", "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "→ foldward tree" in done.stdout.decode("utf-8")


def test_a_home_that_is_no_directory_is_refused(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for line in (["status"], ["init"], ["core"]):
        done = shell.run(*line, "--home", str(file))
        assert (done.returncode, done.stdout) == (2, "")
        assert "is not a directory" in done.stderr
