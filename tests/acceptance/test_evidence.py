"""Strategies that cheat are found out by the whole product, and an edited strategy is a new one."""

from __future__ import annotations

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
    assert len(set(first)) == 1
    assert first[0].startswith(f"{builtin[0]}+")
    house.write_text(HOUSE.read_text() + "\n# edited\n")
    shell.json(*line)
    assert len(set(engines(shell, "honest-1"))) == 2
    assert engines(shell, "sma-1") == builtin


def test_a_kind_of_ones_own_needs_no_core(shell: Shell, prices: Path, house: Path) -> None:
    data = ["--data", str(prices / "SP500_D1.csv")]
    assert shell.json("backtest", *data, "--kind", "honest")["metrics"]["trades"] > 100
    cheat = shell.json("backtest", *data, "--kind", "peeks", exit_code=1)
    assert (cheat["verdict"], cheat["faults"][0]["code"]) == ("INVALID", "engine.lookahead")
    assert set(cheat["metrics"].values()) == {None}
