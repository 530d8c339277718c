"""How an engine's outcome becomes the wire's result."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from foldward.worker._fill import block_sums, daily_returns, from_report, returns_of, thin_equity


def test_a_curve_of_more_than_400_days_is_thinned_and_keeps_its_ends():
    times = np.arange(1000, dtype=np.int64)
    thin = thin_equity(times, times.astype(float))
    assert len(thin) == 400
    assert (thin[0], thin[-1]) == ((0, 0.0), (999, 999.0))
    assert thin_equity(times[:3], np.array([1.0, 2.0, 3.0])) == ((0, 1.0), (1, 2.0), (2, 3.0))
    assert thin_equity(times[:0], np.zeros(0)) == ()


def test_daily_returns_start_from_the_cash_and_stop_at_ruin():
    assert daily_returns(np.array([110.0, 99.0]), 100.0).tolist() == pytest.approx([0.1, -0.1])
    assert daily_returns(np.array([50.0, 0.0, 10.0]), 100.0).tolist() == [-0.5, -1.0]


def test_returns_come_from_the_day_blocks_with_all_their_digits():
    tiny = np.zeros(2, dtype=[("ret", "<f8")])
    tiny["ret"] = [1e-17, -3e-17]
    outcome = SimpleNamespace(day_equity=np.array([1e4, 1e4]), blocks=tiny)
    assert returns_of(outcome, 1e4).tolist() == [1e-17, -3e-17]
    assert daily_returns(outcome.day_equity, 1e4).tolist() == [0.0, 0.0]


def test_block_sums_cover_every_day_once():
    outcome = SimpleNamespace(
        day_equity=np.array([101.0, 102.01, 103.0301]),
        day_times=np.array([10, 20, 30]),
        calendar=252,
        blocks=(),
    )
    blocks = block_sums(outcome, 100.0, count=2)
    assert [row[0] for row in blocks["rows"]] == [1, 2]
    assert [row[1] for row in blocks["rows"]] == pytest.approx([0.01, 0.02])
    assert [row[2] for row in blocks["rows"]] == pytest.approx([0.0001, 0.0002])
    assert (blocks["times"], blocks["calendar"]) == ([10, 30], 252)
    empty = SimpleNamespace(day_equity=np.zeros(0), day_times=np.zeros(0), calendar=252, blocks=())
    assert block_sums(empty, 100.0) is None


def test_a_report_gives_every_metric_a_reason():
    fields = from_report(
        "wfv", {"verdict": "INVALID", "faults": [{"code": "engine.lookahead", "message": "x"}]}
    )
    assert fields["reasons"]["sharpe"] == "phase wfv reports in detail"
    assert len(fields["reasons"]) == 9
    assert fields["faults"][0].code == "engine.lookahead"
    assert fields["verdict"] == "INVALID"
    assert "result_digest" not in fields
    assert from_report("wfv", {"digest": "sha256:1"})["result_digest"] == "sha256:1"
