"""Kinds of a user's own that cheat, through a real worker: no number, and the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from foldward.backtest import ENGINE_VERSION
from foldward.contracts.jobs import Strategy

pytestmark = pytest.mark.slow
REASONS = {
    "peeks": ("engine.lookahead", "it uses later bars"),
    "draws": ("engine.nondeterministic", "random source"),
    "clocks": ("engine.nondeterministic", "reads the clock (time.time)"),
    "blanks": ("engine.not_finite", "is not a number at bar 0"),
}


def test_a_cheat_is_invalid_in_every_phase_and_names_its_source(core, make_job, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    core.worker("--kinds", "house_rules")
    for kind, (code, words) in REASONS.items():
        strategy = Strategy(name=kind, kind=kind, symbol="EURUSD")
        for phase in ("backtest", "wfv", "cpcv"):
            answer = core.ask(make_job(strategy=strategy, phase=phase))
            assert (answer.error, answer.verdict, answer.sharpe) == (None, "INVALID", None), (kind, phase)
            assert answer.faults[0].code == code
            assert words in answer.faults[0].message
        evidence = core.ask(make_job(strategy=strategy, phase="evidence", plan={}))
        assert (evidence.code, evidence.detail) == (code, None)
    honest = core.ask(make_job(strategy=Strategy(name="h", kind="honest", symbol="EURUSD")))
    assert (honest.verdict, honest.error) == ("OK", None)
    assert honest.trades > 100
    assert honest.engine.startswith(f"{ENGINE_VERSION}+")
    assert core.ask(make_job()).engine == ENGINE_VERSION
