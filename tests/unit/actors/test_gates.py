"""Verdicts: which numbers pass, fail, block or make a strategy invalid."""

from types import SimpleNamespace

import msgspec
import pytest

from actors._gates import judge
from actors._numbers import Numbers, Side, Split, side, split
from foldward.settings import GatesTable, GateTable

GATES = GatesTable()


def good(**changes):
    """A strategy that meets every gate of rank S; `changes` are fields of the part that they are named in."""
    inside = Side(
        sharpe=1.0,
        profit_factor=1.8,
        win_rate=0.55,
        max_drawdown=0.05,
        expectancy=1.5,
        trades=150,
        fingerprint="f",
    )
    outside = msgspec.structs.replace(inside, sharpe=0.8, trades=60)
    evidence = {"dsr": 0.97, "pbo": 0.1, "ruin_probability": 0.01, "psr": 0.99, "n_trials": 12}
    parts = {
        "backtest": inside,
        "oos": outside,
        "cpcv": Split(report={"is_passed": True}, fingerprint="f"),
        "evidence": Split(report=evidence, fingerprint="f"),
    }
    return Numbers(name="alpha", **(parts | changes))


def inside(**fields):
    return msgspec.structs.replace(good().backtest, **fields)


def with_evidence(**fields):
    return good(evidence=Split(report=good().evidence.report | fields, fingerprint="f"))


def test_what_was_accepted_of_the_candles_stands_on_every_verdict():
    accepted, warned = "data finding accepted: data.outlier", "data warning data.gap (3)"
    numbers = good(backtest=inside(remarks=(accepted, warned)), oos=inside(sharpe=0.8, remarks=(accepted,)))
    assert judge(numbers, GATES).verdict == "PASS"
    assert judge(numbers, GATES).reasons[-2:] == (accepted, warned)
    failed = msgspec.structs.replace(numbers, backtest=inside(sharpe=-1.0, remarks=(accepted,)))
    assert judge(failed, GATES).verdict == "FAIL"
    assert judge(failed, GATES).reasons[-1] == accepted


def test_only_notes_about_the_candles_are_taken_from_a_result():
    row = SimpleNamespace(
        request_id="r", result_digest=None, sharpe=1.0, profit_factor=1.0, win_rate=0.5, max_drawdown=0.1,
        trades=5, conflicts=0, verdict="OK", provenance="real", unverified=False, fingerprint="f",
        requested_us=0, report={},
        detail={"notes": ["resampled", "data warning data.gap (3)", 7]},
    )  # fmt: skip
    assert side(row).remarks == split(row).remarks == ("data warning data.gap (3)",)


def test_a_strategy_that_meets_every_gate_passes():
    judgement = judge(good(), GATES)
    assert judgement.verdict == "PASS"
    assert judgement.stage == "final"
    assert judgement.ranks == {"B": "pass", "A": "pass", "S": "pass"}
    assert all(gate.passed is True for gate in judgement.gates)


@pytest.mark.parametrize(
    ("field", "edge", "beyond", "passes_at_the_edge"),
    [
        ("sharpe", 0.45, 0.4499, True),
        ("profit_factor", 1.30, 1.2999, True),
        ("win_rate", 0.43, 0.4299, True),
        ("max_drawdown", 0.16, 0.17, False),
        ("expectancy", 0.0, -0.1, False),
    ],
)
def test_boundaries_of_rank_a_are_inclusive_as_written(field, edge, beyond, passes_at_the_edge):
    at_edge = judge(good(backtest=inside(**{field: edge})), GATES)
    assert (at_edge.ranks["A"] == "pass") is passes_at_the_edge
    assert judge(good(backtest=inside(**{field: beyond})), GATES).ranks["A"] == "fail"


def test_two_hundred_trades_of_both_windows_are_enough_and_one_less_is_not():
    assert judge(good(backtest=inside(trades=140)), GATES).verdict == "PASS"  # 140 + 60
    judgement = judge(good(backtest=inside(trades=139)), GATES)
    assert judgement.verdict == "FAIL"
    assert "trades of evidence 199 misses >= 200 for rank A" in judgement.reasons


def test_a_probability_of_ruin_of_exactly_two_percent_passes():
    assert judge(with_evidence(ruin_probability=0.02), GATES).verdict == "PASS"
    assert judge(with_evidence(ruin_probability=0.0201), GATES).verdict == "FAIL"


def test_a_deflated_sharpe_below_95_percent_fails_the_final_verdict_but_not_rank_a():
    judgement = judge(with_evidence(dsr=0.949), GATES)
    assert judgement.verdict == "FAIL"
    assert judgement.ranks["A"] == "pass"
    assert "deflated Sharpe 0.949 misses >= 0.95 for the final verdict" in judgement.reasons


def test_a_missing_out_of_sample_result_blocks_at_its_stage():
    judgement = judge(good(oos=None, evidence=None, cpcv=None), GATES)
    assert (judgement.verdict, judgement.stage) == ("BLOCKED", "oos")
    assert "the out-of-sample run has no result: not validated yet" in judgement.reasons


def test_a_refused_backtest_blocks_with_the_reason_of_the_refusal():
    numbers = Numbers(name="alpha", missing={"backtest": "refused: close 500 > high 106"})
    judgement = judge(numbers, GATES)
    assert (judgement.verdict, judgement.stage) == ("BLOCKED", "backtest")
    assert judgement.reasons == ("the in-sample backtest has no result: refused: close 500 > high 106",)


def test_a_null_metric_blocks_and_names_the_engine_reason():
    numbers = good(backtest=inside(profit_factor=None, reasons={"profit_factor": "no losing trade"}))
    judgement = judge(numbers, GATES)
    assert judgement.verdict == "BLOCKED"
    assert judgement.reasons == ("profit factor is not known: no losing trade",)
    blocked = [gate for gate in judgement.gates if gate.name == "profit_factor"]
    assert [(gate.value, gate.passed, gate.margin) for gate in blocked] == [(None, None, None)]


def test_zero_is_a_value_and_fails_where_null_blocks():
    assert judge(good(backtest=inside(sharpe=0.0)), GATES).verdict == "FAIL"
    assert judge(good(backtest=inside(sharpe=None)), GATES).verdict == "BLOCKED"


def test_a_failed_gate_wins_over_a_blocked_one():
    assert judge(good(backtest=inside(sharpe=None, win_rate=0.1)), GATES).verdict == "FAIL"


def test_an_invalid_result_wins_over_a_failed_gate():
    numbers = good(backtest=inside(sharpe=None, win_rate=0.1, invalid="engine.lookahead: bar 17"))
    judgement = judge(numbers, GATES)
    assert judgement.verdict == "INVALID"
    assert judgement.reasons == ("the in-sample backtest is invalid: engine.lookahead: bar 17",)


def test_a_missing_fold_makes_the_strategy_invalid():
    judgement = judge(good(wfv=Split(invalid="1 of 8 folds failed")), GATES)
    assert judgement.verdict == "INVALID"
    assert judgement.reasons == ("the walk-forward run is invalid: 1 of 8 folds failed",)


def test_two_different_answers_make_the_strategy_invalid():
    assert judge(good(nondeterministic=True), GATES).verdict == "INVALID"


@pytest.mark.parametrize(
    "numbers",
    [
        good(zero_cost=True),
        good(backtest=inside(synthetic=True)),
        good(oos=msgspec.structs.replace(good().oos, unverified=True)),
        good(oos=msgspec.structs.replace(good().oos, fingerprint="newer")),
    ],
    ids=["zero costs", "synthetic data", "unverified window", "two data sets"],
)
def test_what_is_no_evidence_never_passes_and_never_lifts_above_b(numbers):
    judgement = judge(numbers, GATES)
    assert judgement.verdict == "BLOCKED"
    assert judgement.ranks["B"] == "pass"
    assert judgement.ranks["A"] == "blocked"
    assert judgement.ranks["S"] == "blocked"


def test_zero_costs_still_fail_where_a_gate_fails():
    assert judge(good(zero_cost=True, backtest=inside(sharpe=0.1)), GATES).verdict == "FAIL"


def test_a_threshold_that_is_not_configured_blocks():
    gates = GatesTable(A=GATES.A.model_copy(update={"ruin": None}))
    judgement = judge(good(), gates)
    assert judgement.verdict == "BLOCKED"
    assert judgement.reasons == ("the threshold rank.gates.A.ruin is not configured",)


def test_a_further_threshold_of_the_settings_is_applied():
    gates = GatesTable(
        B=GateTable(sharpe=0.15, profit_factor=1.05, win_rate=0.35, max_drawdown=0.25, trades=500)
    )
    assert judge(good(), gates).verdict == "FAIL"


def test_walk_forward_is_analysis_and_changes_no_verdict():
    judgement = judge(good(wfv=Split(report={"decision": "overfit"}, fingerprint="old")), GATES)
    assert judgement.verdict == "PASS"
    assert "walk-forward calls it overfit" in judgement.reasons


def test_a_pass_says_what_keeps_it_from_rank_s():
    judgement = judge(good(cpcv=None, backtest=inside(win_rate=0.45)), GATES)
    assert judgement.verdict == "PASS"
    assert "not yet rank S: win rate 0.45 misses >= 0.5 for rank S" in judgement.reasons
    assert all(gate.passed for gate in judgement.gates)


def test_the_margin_is_positive_on_the_good_side():
    gates = {gate.name: gate for gate in judge(good(), GATES).gates if gate.rank == "A"}
    assert gates["sharpe"].margin == pytest.approx(0.55)
    assert gates["max_drawdown"].margin == pytest.approx(0.11)
    assert gates["ruin"].margin == pytest.approx(0.01)


def test_the_numbers_beside_a_verdict_are_named_and_finite():
    numbers = judge(with_evidence(psr=float("nan")), GATES).numbers
    assert numbers["psr"] is None
    assert numbers["degradation"] == pytest.approx(0.2)
    assert numbers["trades"] == 210
