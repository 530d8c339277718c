"""Settings read anew by a live core under traffic: SIGHUP and `foldward config reload`."""

import json
import signal
import threading
from pathlib import Path

import pytest
from processes import Shell, until

from foldward.console import Client

pytestmark = pytest.mark.slow
SET = """
[[strategy]]
name = "sma-AAPL"
kind = "sma"
symbol = "AAPL"
timeframe = "D1"
units = 150
grid = { sma_short = [3, 4, 5, 6, 7, 8, 9, 10], sma_long = [20, 30, 40, 50, 60, 70, 80, 90] }
"""
GOOD = '[data]\nallow = ["data.outlier"]\ncoverage_min = {coverage}\n'
BAD = "[data]\ncoverage_min = 7\nallw = []\n"


def test_settings_are_reloaded_under_traffic_whole_or_not_at_all(
    shell: Shell, prices: Path, tmp_path: Path
) -> None:
    file = tmp_path / "set.toml"
    file.write_text(SET)
    names = [item["name"] for item in import_all(shell, file)]
    core = shell.core("--data", str(prices), "--workers", "1")
    client, settings = Client(shell.home, timeout=30), shell.home / "foldward.toml"
    outcomes: list[dict[str, object]] = []

    def traffic() -> None:
        for name in names:
            outcomes.extend(client.call("submit", names=[name], now=True)["items"])

    thread = threading.Thread(target=traffic)
    thread.start()
    versions = []
    for number in range(20):
        settings.write_text(GOOD.format(coverage=(90 + number % 9) / 100))
        versions.append(client.call("reload")["snapshot"]["version"])
        settings.write_text(BAD)
        refused = client.call("reload")
        assert refused["ok"] is False
        assert {item["path"] for item in refused["findings"]} == {"data.coverage_min", "data.allw"}
        assert refused["snapshot"]["version"] == versions[-1]  # the last good one stays
        assert shell_sees(client) == versions[-1]
    thread.join(60)
    assert versions == [*range(2, 22)]
    assert {item["status"] for item in outcomes} <= {"queued", "cached", "pending"}
    assert len(outcomes) == len(names)

    # By hand and by signal: the same road.
    answer = shell.json("config", "reload", exit_code=2)
    assert {item["line"] for item in answer["findings"]} == {2, 3}
    settings.write_text(GOOD.format(coverage=0.5) + "[queue]\nmax_inflight = 7\n")
    core.send_signal(signal.SIGHUP)
    until(lambda: shell_sees(client) == 22, 10, "the reload by SIGHUP")
    answer = shell.json("config", "reload")
    assert (answer["changed"], answer["restart_needed"]) == ([], ["queue.max_inflight"])

    events = [
        line["event_type"] for line in telemetry(shell.home) if line["event_type"].startswith("config.")
    ]
    assert events.count("config.reload_rejected") == 21
    assert events.count("config.reloaded") == 22
    until(lambda: shell.json("status")["queue"]["pending"] == 0, 60, "an empty queue")
    assert shell.json("status")["counters"]["failure"] == 0
    assert shell.json("tree")["restarts"] == 0


def import_all(shell: Shell, file: Path) -> list[dict[str, str]]:
    shell.json("strategies", "import", str(file))
    listed: list[dict[str, str]] = shell.json("strategies", "list")
    assert len(listed) == 64
    return listed


def shell_sees(client: Client) -> int:
    """The version of the snapshot in force, as status shows it."""
    return int(client.call("core_status")["config_snapshot"]["version"])


def telemetry(home: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (home / "telemetry.jsonl").read_text().splitlines()]
