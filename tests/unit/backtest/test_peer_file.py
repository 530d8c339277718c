"""Profile peer from a file, as `foldward backtest` runs it, against the peer's own results."""

import json
from pathlib import Path

import numpy as np
import pytest

from foldward.cli._app import run

CASES = [
    case
    for line in (Path(__file__).parents[2] / "data" / "peer_golden.jsonl").read_text().splitlines()
    if "swap_history" not in (case := json.loads(line))["strategy"]  # the command line has no swap history
]


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """The golden series as hourly candles in a file whose name says nothing."""
    i = np.arange(3000)
    close = 150 + 3 * np.sin(i / 37) + 1.5 * np.sin(i / 11) + 0.8 * np.cos(i / 5)
    opening = np.concatenate((close[:1], close[:-1]))
    high, low = np.maximum(opening, close) + 0.15, np.minimum(opening, close) - 0.15
    volume = 100 + 60 * np.sin(i / 9) ** 2 + 8 * ((7919 * i) % 13)
    times = 1_700_006_400 + 3600 * i
    columns = (x.tolist() for x in (times, opening, high, low, close, volume))
    rows = zip(*columns, strict=True)
    file = tmp_path_factory.mktemp("golden") / "golden.csv"
    lines = [",".join(map(repr, row)) for row in rows]
    file.write_text("\n".join(["timestamp,open,high,low,close,volume", *lines]) + "\n")
    return file


def line(series, home, strategy, *more):
    return [
        "backtest", "--data", str(series), "--kind", strategy["indicator_type"], "--profile", "peer",
        "--param", f"sma_short={strategy['sma_short']}", "--param", f"sma_long={strategy['sma_long']}",
        "--sl", str(strategy["sl"]), "--tp", str(strategy["tp"]), "--timeframe", str(strategy["timeframe"]),
        "--home", str(home), "--json", *more,
    ]  # fmt: skip


def test_the_resampled_case_is_among_the_cases():
    assert {"sma", "sma_resample_240"} <= {case["case"] for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_a_file_gives_the_peers_numbers(series, tmp_path, capsys, case):
    assert run(line(series, tmp_path / "home", case["strategy"], "--trades")) == 0
    answer = json.loads(capsys.readouterr().out)
    expected = dict(case["expected"])
    first = expected.pop("first_trades")
    ours = {**answer["metrics"], "win_rate": 100 * answer["metrics"]["win_rate"]}
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, abs=1e-8), name
    told = [(row["exit_time"], pytest.approx(row["pnl"], abs=1e-8)) for row in answer["trades"]]
    assert [tuple(row) for row in first] == told[: len(first)]
    assert answer["profile"] == "peer"
    assert answer["strategy"]["timeframe"] == case["strategy"]["timeframe"]
    assert answer["window"]["bars"] == 3000


def test_a_timeframe_below_the_files_is_refused(series, tmp_path, capsys):
    assert run(line(series, tmp_path / "home", {**CASES[0]["strategy"], "timeframe": 45})) != 0
    said = capsys.readouterr()
    assert said.out in ("", "{}\n") or "request.bad_strategy" in said.out
    assert "M45 candles cannot be made of H1" in said.err + said.out
