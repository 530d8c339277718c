"""The smallest form of benchmarks/stats/noise_verdicts.py: luck fails, skill passes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
FILE = Path(__file__).parents[3] / "benchmarks" / "stats" / "noise_verdicts.py"


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("noise_verdicts", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.study


def test_noise_gets_no_pass_even_where_easy_gates_let_it_through(study):
    gates = study(series=2, strategies=40, days=1000, seed=3)["gates"]
    assert gates["default"]["verdicts"] == gates["easy"]["verdicts"] == {"FAIL": 80}
    assert gates["easy undeflated"]["verdicts"]["PASS"] >= 2


def test_skill_is_not_taken_for_noise(study):
    gates = study(series=1, strategies=16, days=1000, seed=3, edge=0.4)["gates"]
    assert gates["default"]["verdicts"]["PASS"] >= 1
