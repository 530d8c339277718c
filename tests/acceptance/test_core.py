"""`foldward core` as a service: submit, kill, replay, pause, stop."""

import base64
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from processes import Shell, until

from foldward.app.faults import POISON, send_poison
from foldward.settings import Home

pytestmark = pytest.mark.slow


@pytest.fixture
def served(shell: Shell, prices: Path, small_set: Path) -> Shell:
    """A running core with the small set imported."""
    shell.json("strategies", "import", str(small_set))
    shell.core("--data", str(prices), "--workers", "2")
    return shell


def one(shell: Shell, sql: str) -> tuple[object, ...]:
    with sqlite3.connect(f"file:{shell.home}/foldward.db?mode=ro", uri=True) as db:
        row = db.execute(sql).fetchone()
        assert row is not None
        return tuple(row)


def test_submit_status_why_tell_one_story(lasting: Shell) -> None:
    (item,) = lasting.json("oos", "submit", "sma-AAPL-5-50", "--now")
    assert item["status"] in ("queued", "pending", "cached")
    request_id = item["request_id"]
    until(lambda: lasting.json("oos", "show", request_id)["result"], 60, "the result")
    story = [step["event"] for step in lasting.json("why", request_id)]
    assert story[0] == "oos.requested"
    assert story[-1] == "oos.result"
    (again,) = lasting.json("oos", "submit", "sma-AAPL-5-50", "--now")
    assert again["status"] == "cached"


def test_unknown_names_get_the_nearest_one_and_exit_4(lasting: Shell) -> None:
    (item,) = lasting.json("oos", "submit", "sma-AAPL-5-5", exit_code=4)
    assert (item["status"], item["code"]) == ("refused", "request.unknown_strategy")
    assert "sma-AAPL-5-50" in item["message"] + (item.get("hint") or "")


def test_bad_candles_are_refused_and_nothing_is_queued(shell: Shell, prices: Path, tmp_path: Path) -> None:
    root = tmp_path / "bad"
    root.mkdir()
    lines = (prices / "AAPL_D1.csv").read_text().splitlines()
    cells = lines[100].split(",")
    cells[2], cells[3] = cells[3], cells[2]
    lines[100] = ",".join(cells)
    (root / "BAD_D1.csv").write_text("\n".join(lines) + "\n")
    file = tmp_path / "bad.toml"
    file.write_text('[[strategy]]\nname = "b"\nkind = "sma"\nsymbol = "BAD"\ntimeframe = "D1"\n')
    shell.json("strategies", "import", str(file))
    shell.core("--data", str(root), "--workers", "1")
    (item,) = shell.json("oos", "submit", "b", "--now", exit_code=7)
    assert (item["status"], item["code"]) == ("refused", "data.refused")
    assert one(shell, "SELECT count(*) FROM oos_queue") == (0,)
    assert shell.json("status")["counters"]["data_invalid"] >= 1


def test_a_malformed_answer_is_kept_byte_for_byte_and_can_be_dropped(lasting: Shell) -> None:
    holder = Home(lasting.home).holder()
    assert holder is not None
    send_poison(holder["workers"])
    (letter,) = until(lambda: lasting.json("dead", "list"), 20, "the dead letter")
    assert letter["reason"] == "unparseable"
    shown = lasting.json("dead", "show", str(letter["id"]))
    assert base64.b64decode(shown["payload_base64"]) == POISON
    replayed = lasting.json("dead", "replay", str(letter["id"]), exit_code=1)
    assert (replayed["replayed"], replayed["failed"]) == (0, 1)
    assert lasting.json("dead", "show", str(letter["id"]))["state"] == "held"
    assert lasting.json("dead", "drop", str(letter["id"]))["items"][0]["outcome"] == "dropped"
    assert lasting.json("dead", "list") == []


def test_a_killed_worker_is_replaced_and_its_work_goes_out_again(lasting: Shell) -> None:
    until(lambda: lasting.json("status")["queue"]["pending"] == 0, 120, "an empty queue")
    before = {worker["id"]: worker["pid"] for worker in lasting.json("status")["workers"]}
    os.kill(before["worker-1"], signal.SIGKILL)
    killed = time.monotonic()

    def replaced() -> bool:
        now = {worker["id"]: worker["pid"] for worker in lasting.json("status")["workers"]}
        return now["worker-1"] not in (None, before["worker-1"])

    until(replaced, 10, "a new worker")
    assert time.monotonic() - killed < 10
    found = lasting.json("status")
    assert found["counters"]["failure"] == 0
    assert found["supervision"]["restarts"] >= 1
    report = lasting.json("crashes", "worker-1")[-1]
    assert (report["supervisor"], report["reason"]) == ("workers", "killed by SIGKILL")
    done = lasting.run("crashes", "worker1")
    assert (done.returncode, done.stdout) == (4, "")
    assert "did you mean 'worker-1'?" in done.stderr


def test_pause_survives_a_restart(served: Shell, prices: Path) -> None:
    served.json("pause")
    assert served.json("status")["core"]["paused"] is True
    served.processes[-1].send_signal(signal.SIGTERM)
    assert served.processes[-1].wait(10) == 0
    assert served.json("status")["core"] | {"running": False, "paused": True} == served.json("status")["core"]
    served.core("--data", str(prices), "--workers", "1")
    assert served.json("status")["core"]["paused"] is True
    served.json("resume")
    assert served.json("status")["core"]["paused"] is False


def test_sigterm_stops_core_and_workers_within_four_seconds(served: Shell) -> None:
    pids = [worker["pid"] for worker in served.json("status")["workers"]]
    core = served.processes[-1]
    core.send_signal(signal.SIGTERM)
    started = time.monotonic()
    assert core.wait(10) == 0
    assert time.monotonic() - started < 4
    for pid in pids:
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 3, f"the end of worker {pid}")


def test_a_second_sigterm_leaves_at_once_and_harms_nothing(served: Shell, prices: Path) -> None:
    names = [row["name"] for row in served.json("strategies", "list")]
    served.json("oos", "submit", *names, "--now")
    pids = [worker["pid"] for worker in served.json("status")["workers"]]
    core = served.processes[-1]
    core.send_signal(signal.SIGTERM)
    core.send_signal(signal.SIGTERM)
    # 0 and 3 are the orderly end, within its time or not, where that was quicker than the second signal.
    assert core.wait(8) in (0, 3, 128 + signal.SIGTERM)
    for pid in pids:
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 5, f"the end of worker {pid}")
    assert served.json("db", "fsck")["ok"] is True
    served.core("--data", str(prices), "--workers", "1")
    until(lambda: served.json("status")["queue"]["open"] == 0, 90, "what was left over")
    assert served.json("status")["counters"]["failure"] == 0


def test_a_home_may_have_any_path(tmp_path: Path, prices: Path, small_set: Path) -> None:
    shell = Shell(tmp_path / "a home with spaces" / ("x" * 60) / ("y" * 60) / "home")
    shell.home.parent.mkdir(parents=True)
    try:
        shell.json("strategies", "import", str(small_set))
        shell.core("--data", str(prices), "--workers", "1")
        (item,) = shell.json("oos", "submit", "sma-AAPL-5-50", "--now")
        until(lambda: shell.json("oos", "show", item["request_id"])["result"], 60, "the result")
        holder = Home(shell.home).holder()
        assert holder is not None
        assert len(holder["inspect"]) <= 100
        assert shell.json("tree")["id"] == "root"
    finally:
        shell.close()


def test_a_second_core_says_who_holds_the_home(lasting: Shell) -> None:
    done = lasting.run("core")
    assert done.returncode == 2
    assert done.stderr.startswith("error supervision.core_running: pid ")
    assert str(lasting.processes[-1].pid) in done.stderr


def test_workers_do_not_outlive_a_killed_core(served: Shell) -> None:
    pids = [worker["pid"] for worker in served.json("status")["workers"]]
    served.processes[-1].kill()
    served.processes[-1].wait()
    for pid in pids:
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 5, f"the end of worker {pid}")


def test_the_tree_has_the_documented_children_and_fields(lasting: Shell) -> None:
    tree = lasting.json("tree")
    assert tree["id"] == "root"
    names = {child["id"]: [inner["id"] for inner in child["children"]] for child in tree["children"]}
    assert names == {
        "memory": ["telemetry", "db_writer", "dead_letter", "notifier"],
        "work": ["oos_queue", "wfv_scheduler", "rank_evaluator", "dispatcher"],
        "workers": ["worker-1", "worker-2"],
        "watch": ["heartbeat", "reporter", "console"],
    }
    leaf = tree["children"][0]["children"][0]
    keys = "id kind state restarts budget uptime_s mailbox handled last_error incarnation"
    assert set(leaf) >= set(keys.split())
    assert leaf["state"] == "running"
    assert set(leaf["budget"]) == {"max", "period_s", "used"}


def test_an_actor_can_be_restarted_by_name(lasting: Shell) -> None:
    lasting.json("restart", "reporter")
    node = next(
        leaf
        for group in lasting.json("tree")["children"]
        for leaf in group["children"]
        if leaf["id"] == "reporter"
    )
    assert node["incarnation"] == 2
    done = lasting.run("restart", "reportr")
    assert done.returncode == 4
