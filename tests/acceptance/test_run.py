"""`foldward run`: every strategy has a verdict, and the same input gives the same digest."""

import json
import signal
import sqlite3
from pathlib import Path

import pytest
from processes import Shell, until

pytestmark = pytest.mark.slow


def test_every_strategy_gets_a_verdict_with_reasons(
    shell: Shell, prices: Path, small_set: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    answer = shell.json(
        "run", "--data", str(prices), "--strategies", str(small_set), "--seed", "7", "--report", str(page)
    )
    assert answer["strategies"] == 10
    assert sum(answer["verdicts"].values()) == 10
    assert set(answer["verdicts"]) == {"PASS", "FAIL", "INVALID", "BLOCKED"}
    rows = shell.json("verdicts")
    assert len(rows) == 10
    assert all(row["reasons"] and row["gates"] for row in rows)
    assert all(row["is_sharpe"] is not None for row in rows)
    lines = (shell.home / "telemetry.jsonl").read_text().splitlines()
    started, finished = (
        event["data"] for event in map(json.loads, lines) if event["event_type"].startswith("run.")
    )
    assert (started["strategies"], finished["strategies"]) == (10, 10)
    assert started["digest"].startswith("sha256:")
    assert finished["digest"] == answer["result_digest"]
    html = page.read_text()
    assert all(row["strategy"] in html for row in rows)
    assert "<svg" in html
    assert shell.json("db", "fsck") == {"ok": True, "violations": []} or shell.json("db", "fsck")["ok"]


def test_the_digest_is_the_same_with_one_worker_or_two_and_in_any_environment(
    shell: Shell, prices: Path, small_set: Path, tmp_path: Path
) -> None:
    digests = set()
    for number, (workers, env) in enumerate(
        [
            ("1", {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "1"}),
            ("2", {"TZ": "America/New_York", "PYTHONHASHSEED": "2"}),
        ]
    ):
        done = shell.run(
            "run", "--data", str(prices), "--strategies", str(small_set), "--seed", "7", "--workers", workers,
            "--home", str(tmp_path / f"h{number}"), "--json", **env,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout.partition('"result_digest":"')[2][:71])
    assert len(digests) == 1
    assert digests.pop().startswith("sha256:")


def test_the_digest_is_the_same_on_a_cluster(
    shell: Shell, prices: Path, small_set: Path, tmp_path: Path
) -> None:
    line = ["run", "--data", str(prices), "--strategies", str(small_set), "--seed", "7"]
    near = shell.json(*line, "--workers", "1")
    far = shell.run(
        *line, "--workers", "0", "--home", str(tmp_path / "far"), "--json", FOLDWARD_CORE__CLUSTER="local:2"
    )
    assert far.returncode == 0, far.stderr
    answer = json.loads(far.stdout)
    assert answer["result_digest"] == near["result_digest"]
    assert answer["verdicts"] == near["verdicts"]
    with sqlite3.connect(f"file:{tmp_path}/far/foldward.db?mode=ro", uri=True) as db:
        workers = {row[0].partition("@")[0] for row in db.execute("SELECT DISTINCT worker FROM results")}
    assert workers == {"cluster-1"}


def _applied(shell: Shell) -> int:
    if not (shell.home / "foldward.db").exists():
        return 0
    with sqlite3.connect(f"file:{shell.home}/foldward.db?mode=ro", uri=True) as db:
        try:
            return int(db.execute("SELECT count(*) FROM results").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def test_a_run_that_was_killed_goes_on_and_loses_nothing(shell: Shell, prices: Path, small_set: Path) -> None:
    shell.env["FOLDWARD_QUEUE__GRACE_S"] = "0.5"  # the workers are gone too: nobody answers late
    line = ["run", "--data", str(prices), "--strategies", str(small_set), "--seed", "7"]
    process = shell.start(*line, "--json")

    until(lambda: _applied(shell) >= 5 or process.poll() is not None, 90, "the first results")
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = shell.json("status")
    assert before["core"]["running"] is False
    answer = shell.json(*line)
    assert sum(answer["verdicts"].values()) == 10
    with sqlite3.connect(f"file:{shell.home}/foldward.db?mode=ro", uri=True) as db:
        assert db.execute(
            "SELECT count(*) FROM oos_queue WHERE status IN ('pending','sent','retry')"
        ).fetchone() == (0,)
        twice = db.execute(
            "SELECT digest, count(*) FROM results GROUP BY digest HAVING count(*) > 1"
        ).fetchall()
        assert twice == []
        assert db.execute("SELECT count(DISTINCT run_id) FROM runs").fetchone() == (1,)
    assert shell.json("db", "fsck")["ok"] is True
    assert shell.json("status")["counters"]["failure"] == 0


def test_changed_candles_are_validated_anew_in_the_same_home(
    shell: Shell, prices: Path, tmp_path: Path
) -> None:
    root = tmp_path / "prices"
    root.mkdir()
    file = tmp_path / "two.toml"
    file.write_text(
        '[[strategy]]\nname = "r"\nkind = "rsi"\nsymbol = "AAPL"\ntimeframe = "D1"\nunits = 100\n'
        "grid = { period = [7, 14] }\n"
    )
    lines = (prices / "AAPL_D1.csv").read_text().splitlines(keepends=True)
    line = ["run", "--data", str(root), "--strategies", str(file), "--seed", "7"]

    def digest(bars: list[str], *more: str) -> str:
        (root / "AAPL_D1.csv").write_text("".join(bars))
        return str(shell.json(*line, *more)["result_digest"])

    whole = digest(lines)
    shorter = digest(lines[:-1])
    assert whole != shorter
    assert digest(lines[:-1], "--home", str(tmp_path / "fresh")) == shorter
    assert digest(lines) == whole


def test_an_interrupted_run_says_that_it_goes_on_and_does(
    shell: Shell, prices: Path, small_set: Path
) -> None:
    shell.env["FOLDWARD_QUEUE__GRACE_S"] = "0.5"
    line = ["run", "--data", str(prices), "--strategies", str(small_set), "--seed", "7"]
    process = shell.start(*line)
    until(lambda: _applied(shell) > 0 or process.poll() is not None, 90, "the first result")
    process.send_signal(signal.SIGTERM)  # as Ctrl-C, which a process in the background may ignore
    assert process.wait(60) == 130, shell.log()
    said = shell.log()
    assert "stopping; what is done is kept, and the same command goes on from there\n" in said
    assert said.endswith("interrupted\n")
    again = shell.run(*line)
    assert again.returncode == 0, again.stderr
    assert "continuing run " in again.stderr
    assert " of 50 answers are in this home already and are not computed again\n" in again.stderr
    once_more = shell.run(*line)
    assert "  50 of 50 answers are in this home already and are not computed again\n" in once_more.stderr
    assert "crash report" not in said + again.stderr + once_more.stderr
    refused = shell.run(*line, "--home", str(small_set / "below"))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "cannot be made: Not a directory" in refused.stderr


def test_faults_on_purpose_are_told_with_commands_that_can_be_typed(
    shell: Shell, prices: Path, small_set: Path
) -> None:
    line = ["run", "--data", str(prices), "--strategies", str(small_set), "--no-dashboard", "--faults"]
    done = shell.run(*line)
    assert done.returncode == 0, done.stderr
    assert "fault: a file with two bad rows stands behind sma-BADDATA, which will be refused\n" in done.stderr
    assert f"dead list --home {shell.home}\n" in done.stderr
    assert f"failures --by event --home {shell.home}\n" in done.stderr
    assert "killed by SIGKILL, supervision.process_killed; it is restarted" in done.stderr
    assert "volume is nan (BADDATA_D1.csv line 201, " in done.stderr
    assert "; also data.geometry ×1\n" in done.stderr
    causes = shell.json("failures", "--by", "code")
    assert "supervision.process_killed" in {row["code"] for row in causes}
    assert [row["reason"] for row in shell.json("dead", "list")] == ["unparseable"]
    assert "fault: no worker was at work, so none was killed" in shell.run(*line).stderr
