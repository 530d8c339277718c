"""Strategies that cheat are found out by the whole product, and an edited strategy is a new one."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from processes import Shell

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[1] / "integration" / "worker" / "house_rules.py"
REASONS = {
    "peeks": "engine.lookahead",
    "draws": "engine.nondeterministic",
    "clocks": "reads the clock (time.time)",
    "blanks": "engine.not_finite",
}


@pytest.fixture
def house(shell: Shell, tmp_path: Path) -> Path:
    """The module of kinds, named in the settings, and where Python finds it."""
    module = tmp_path / "house_rules.py"
    module.write_text(HOUSE.read_text())
    shell.home.mkdir(parents=True)
    (shell.home / "foldward.toml").write_text('[core]\nkinds = ["house_rules"]\n')
    shell.env["PYTHONPATH"] = str(tmp_path)
    strategies = [
        f'[[strategy]]\nname = "{kind}-1"\nkind = "{kind}"\nsymbol = "SP500"\ntimeframe = "D1"\n'
        for kind in (*REASONS, "honest", "sma")
    ]
    (tmp_path / "house.toml").write_text("\n".join(strategies))
    return module


def engines(shell: Shell, name: str) -> list[str]:
    """The engine of each stored result of a strategy."""
    with sqlite3.connect(f"file:{shell.home}/foldward.db?mode=ro", uri=True) as db:
        return [row[0] for row in db.execute("SELECT engine FROM results WHERE name = ?", [name])]


def kinds(shell: Shell, name: str) -> list[str]:
    """The kind of each stored result of a strategy."""
    with sqlite3.connect(f"file:{shell.home}/foldward.db?mode=ro", uri=True) as db:
        return sorted(row[0] for row in db.execute("SELECT kind FROM results WHERE name = ?", [name]))


def test_a_strategy_that_cheats_is_invalid_and_an_edited_one_is_new(
    shell: Shell, prices: Path, house: Path
) -> None:
    line = ["run", "--data", str(prices), "--strategies", str(house.parent / "house.toml"), "--seed", "7"]
    answer = shell.json(*line)
    assert answer["verdicts"]["INVALID"] == len(REASONS)
    rows = {row["strategy"]: row for row in shell.json("verdicts")}
    for kind, reason in REASONS.items():
        row = rows[f"{kind}-1"]
        assert row["verdict"] == "INVALID"
        assert reason in " ".join(row["reasons"]), row["reasons"]
        assert row["is_sharpe"] is None
    assert rows["honest-1"]["verdict"] in ("PASS", "FAIL", "BLOCKED")
    assert rows["honest-1"]["is_sharpe"] is not None
    first, builtin = engines(shell, "honest-1"), engines(shell, "sma-1")
    assert len(set(first)) == len(set(builtin)) == 1
    assert first[0].startswith(f"{builtin[0]}+")
    before = kinds(shell, "sma-1")
    house.write_text(HOUSE.read_text() + "\n# edited\n")
    shell.json(*line)
    assert len(set(engines(shell, "honest-1"))) == 2
    assert set(engines(shell, "sma-1")) == set(builtin)
    # The edit is one trial more on these candles, against which the neighbour's evidence is asked for anew.
    assert kinds(shell, "sma-1") == sorted([*before, "evidence"])


def test_replay_names_an_edited_kind_and_a_filter_keeps_its_candles(
    shell: Shell, prices: Path, house: Path
) -> None:
    folder = house.parent / "prices"
    folder.mkdir()
    shutil.copy(prices / "SP500_D1.csv", folder)
    rows = (prices / "EURUSD_H1.csv").read_text().splitlines()
    time, *prices_of_bar, volume = rows[3000].split(",")
    spike = ",".join([time, *(repr(float(price) * 1.5) for price in prices_of_bar), volume])
    (folder / "EURUSD_H1.csv").write_text("\n".join([*rows[:3000], spike, *rows[3001:]]) + "\n")
    (folder / "EURUSD_H4.csv").write_text("\n".join(rows[:1] + rows[1::4]) + "\n")
    filtered = (
        '[[strategy]]\nname = "filtered"\nkind = "sma"\nsymbol = "EURUSD"\ntimeframe = "H1"\n'
        'filter = { timeframe = "H4", period = 10, logic = "PRICE_ABOVE_SMA" }\n'
    )
    honest = '[[strategy]]\nname = "honest-1"\nkind = "honest"\nsymbol = "SP500"\ntimeframe = "D1"\n'
    (house.parent / "two.toml").write_text(filtered + honest)
    settings = (shell.home / "foldward.toml").read_text()
    allow = '["data.spacing", "data.gap", "data.outlier"]'
    (shell.home / "foldward.toml").write_text(f"{settings}[data]\nallow = {allow}\n")
    line = ["run", "--data", str(folder), "--strategies", str(house.parent / "two.toml"), "--seed", "7"]
    answer = shell.json(*line)
    verdicts = {row["strategy"]: row for row in shell.json("verdicts")}
    with sqlite3.connect(f"file:{shell.home}/foldward.db?mode=ro", uri=True) as db:
        (manifest,) = db.execute("SELECT manifest FROM runs").fetchone()
        (notes,) = db.execute(
            "SELECT detail FROM results WHERE name = 'filtered' AND kind = 'backtest'"
        ).fetchone()
    own = json.loads(manifest)
    assert own["kinds"]["honest"]["origin"] == "house_rules"
    assert f"filter candles H4 {own['data']['EURUSD_H4']}" in json.loads(notes)["notes"]
    accepted = "data finding accepted: data.outlier"
    assert accepted in json.loads(notes)["notes"]
    assert accepted in verdicts["filtered"]["reasons"]
    assert accepted not in verdicts["honest-1"]["reasons"]
    assert shell.json("replay", answer["run_id"])["identical"]

    house.write_text(house.read_text() + "\n# edited\n")
    again = shell.json("replay", answer["run_id"])
    assert again["identical"]  # the numbers are the same: the edit is named beside them
    assert "source of kind honest" in [row["what"] for row in again["changed"]]


def test_a_kind_of_ones_own_needs_no_core(shell: Shell, prices: Path, house: Path) -> None:
    data = ["--data", str(prices / "SP500_D1.csv")]
    assert shell.json("backtest", *data, "--kind", "honest")["metrics"]["trades"] > 100
    cheat = shell.json("backtest", *data, "--kind", "peeks", exit_code=1)
    assert (cheat["verdict"], cheat["faults"][0]["code"]) == ("INVALID", "engine.lookahead")
    assert set(cheat["metrics"].values()) == {None}
