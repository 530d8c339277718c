"""A run in a folder of one's own, whose files have the names that strategies have."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from processes import Shell

pytestmark = pytest.mark.slow
RULE = """
import numpy as np


def momentum(bars, params):
    back = np.concatenate((bars.close[:24], bars.close[:-24]))
    return np.sign(bars.close - back)


STRATEGIES = [momentum]
"""
SET = '[[strategy]]\nname = "m"\nkind = "momentum"\nsymbol = "EURUSD"\ntimeframe = "H1"\n'


def test_a_signal_py_of_ones_own_does_not_hide_pythons_from_the_workers(
    shell: Shell, prices: Path, tmp_path: Path
) -> None:
    tmp_path.joinpath("momentum.py").write_text(RULE)
    for name in ("signal", "statistics", "queue", "storage", "actors"):
        tmp_path.joinpath(f"{name}.py").write_text('raise RuntimeError("this is not yours")\n')
    tmp_path.joinpath("mine.toml").write_text(SET)
    tmp_path.joinpath("foldward.toml").write_text('[core]\nkinds = ["momentum"]\nworkers = 1\n')
    line = ["run", "--data", str(prices), "--strategies", "mine.toml", "--no-dashboard", "--json"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "foldward.cli", *line],
        cwd=tmp_path,
        env=shell.env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sum(json.loads(done.stdout)["verdicts"].values()) == 1
    assert "Traceback" not in done.stderr
    (verdict,) = shell.json("verdicts")
    assert verdict["verdict"] in ("FAIL", "BLOCKED")
    assert verdict["is_sharpe"] is not None
