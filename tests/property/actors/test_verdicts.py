"""Verdicts and ranks for any numbers: what must hold whatever they are."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from actors._gates import judge
from actors._ladder import ORDER, SCALE, next_rank, steps, wanted
from actors._numbers import Numbers, Side, Split
from foldward.settings import GatesTable

GATES = GatesTable()
number = st.one_of(st.none(), st.floats(-3, 3))
share = st.one_of(st.none(), st.floats(0, 1))
sides = st.one_of(
    st.none(),
    st.builds(
        Side,
        sharpe=number,
        profit_factor=st.one_of(st.none(), st.floats(0, 5)),
        win_rate=share,
        max_drawdown=share,
        expectancy=number,
        trades=st.one_of(st.none(), st.integers(0, 500)),
        invalid=st.sampled_from([None, None, None, "broken"]),
        synthetic=st.sampled_from([False, False, True]),
        unverified=st.sampled_from([False, False, True]),
        fingerprint=st.sampled_from(["f", "f", "g"]),
        requested_us=st.integers(0, 3),
    ),
)


def splits(report):
    return st.one_of(st.none(), st.builds(Split, report=report, fingerprint=st.sampled_from(["f", "g"])))


numbers = st.builds(
    Numbers,
    name=st.just("alpha"),
    zero_cost=st.booleans(),
    nondeterministic=st.sampled_from([False, False, False, True]),
    backtest=sides,
    oos=sides,
    wfv=splits(st.fixed_dictionaries({"decision": st.sampled_from(["validated", "overfit", "weak"])})),
    cpcv=splits(st.fixed_dictionaries({"is_passed": st.sampled_from([True, False, None])})),
    evidence=splits(
        st.fixed_dictionaries({"dsr": share, "pbo": share, "ruin_probability": share, "n_trials": st.just(5)})
    ),
)


@given(numbers)
@settings(max_examples=400)
def test_a_pass_has_every_gate_passed_and_nothing_to_doubt(given_numbers):
    judgement = judge(given_numbers, GATES)
    if judgement.verdict != "PASS":
        return
    assert judgement.stage == "final"
    assert all(gate.passed for gate in judgement.gates)
    assert {gate.name for gate in judgement.gates} >= {"sharpe", "oos_sharpe", "trades", "ruin", "dsr"}
    assert not given_numbers.zero_cost
    assert not given_numbers.backtest.synthetic
    assert not given_numbers.oos.unverified
    assert judgement.ranks["A"] == "pass"


@given(numbers)
@settings(max_examples=400)
def test_a_fail_has_a_failed_gate_and_a_block_has_a_reason(given_numbers):
    judgement = judge(given_numbers, GATES)
    assert judgement.reasons
    if judgement.verdict == "FAIL":
        assert any(gate.passed is False for gate in judgement.gates)
    if judgement.verdict == "BLOCKED":
        assert not any(gate.passed is False for gate in judgement.gates)


@given(numbers)
@settings(max_examples=200)
def test_a_gate_is_judged_exactly_when_value_and_threshold_are_known(given_numbers):
    for gate in judge(given_numbers, GATES).gates:
        assert (gate.passed is None) == (gate.value is None or gate.threshold is None)


@given(numbers)
@settings(max_examples=200)
def test_a_judgement_is_plain_data_and_always_the_same(given_numbers):
    first, second = judge(given_numbers, GATES), judge(given_numbers, GATES)
    assert first == second
    rows = first.gate_rows()
    assert list(rows) == msgspec.json.decode(msgspec.json.encode(rows))


@given(numbers, st.sampled_from(SCALE), st.booleans())
@settings(max_examples=300)
def test_a_rank_settles_in_one_move_and_pending_work_never_falls(given_numbers, rank, pending):
    judgement = judge(given_numbers, GATES)
    after = next_rank(rank, judgement, pending=pending)
    assert next_rank(after, judgement, pending=pending) == after
    if pending:
        assert SCALE.index(after) >= SCALE.index(rank)
    path = steps(rank, after)
    assert (path[0][0], path[-1][1]) == (rank, after) if path else rank == after


@given(numbers, st.sampled_from(SCALE), st.booleans(), st.sets(st.sampled_from(ORDER)))
@settings(max_examples=300)
def test_work_is_asked_for_in_order_and_never_twice(given_numbers, rank, complete, closed):
    judgement = judge(given_numbers, GATES)
    kinds = wanted(rank, given_numbers, judgement, complete=complete, open_kinds=closed)
    assert not set(kinds) & closed
    assert list(kinds) == sorted(set(kinds), key=ORDER.index)
    if given_numbers.backtest is None:
        assert set(kinds) <= {"backtest"}
