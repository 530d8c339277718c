"""Ranks: moves, and what is asked for."""

import msgspec
import pytest

from actors._gates import Judgement
from actors._ladder import next_rank, steps, wanted
from actors._numbers import Numbers, Side, Split

SIDE = Side(fingerprint="f", requested_us=1)
SPLIT = Split(fingerprint="f", requested_us=1)


def judgement(b="pass", a="pass", s="pass", verdict="PASS"):
    return Judgement(
        verdict=verdict, stage="final", gates=(), reasons=(), ranks={"B": b, "A": a, "S": s}, numbers={}
    )


@pytest.mark.parametrize(
    ("before", "states", "after"),
    [
        ("incubator", ("fail", "fail", "fail"), "graveyard"),
        ("incubator", ("blocked", "blocked", "blocked"), "incubator"),
        ("incubator", ("pass", "blocked", "blocked"), "B"),
        ("B", ("pass", "pass", "blocked"), "A"),
        ("A", ("pass", "pass", "pass"), "S"),
        ("S", ("pass", "pass", "fail"), "A"),
        ("S", ("pass", "pass", "blocked"), "S"),
        ("S", ("pass", "blocked", "fail"), "A"),
        ("A", ("pass", "fail", "fail"), "B"),
        ("A", ("fail", "fail", "fail"), "graveyard"),
        ("graveyard", ("pass", "fail", "fail"), "B"),
        ("B", ("blocked", "fail", "fail"), "B"),
        ("incubator", ("pass", "blocked", "pass"), "B"),
        ("legend", ("fail", "fail", "fail"), "legend"),
        ("retired", ("pass", "pass", "pass"), "retired"),
    ],
)
def test_a_rank_moves_only_where_gates_prove_or_forbid_it(before, states, after):
    assert next_rank(before, judgement(*states), pending=False) == after


def test_nothing_pending_falls_but_it_may_rise():
    assert next_rank("A", judgement("fail", "fail", "fail"), pending=True) == "A"
    assert next_rank("incubator", judgement("fail", "fail", "fail"), pending=True) == "incubator"
    assert next_rank("B", judgement("pass", "pass", "fail"), pending=True) == "A"


def test_an_invalid_strategy_keeps_its_rank():
    assert next_rank("B", judgement(verdict="INVALID"), pending=False) == "B"


def test_a_rise_is_told_step_by_step_and_a_fall_at_once():
    assert steps("incubator", "S") == [("incubator", "B"), ("B", "A"), ("A", "S")]
    assert steps("graveyard", "A") == [("graveyard", "B"), ("B", "A")]
    assert steps("S", "graveyard") == [("S", "graveyard")]
    assert steps("B", "B") == []


def test_the_ladder_asks_for_one_thing_after_the_other():
    nothing = Numbers(name="alpha")
    assert wanted("incubator", nothing, judgement("blocked", "blocked", "blocked", "BLOCKED")) == (
        "backtest",
    )
    tested = Numbers(name="alpha", backtest=SIDE)
    assert wanted("B", tested, judgement("pass", "blocked", "blocked", "BLOCKED")) == ("oos",)
    assert wanted("graveyard", tested, judgement("fail", "fail", "fail", "FAIL")) == ()
    both = Numbers(name="alpha", backtest=SIDE, oos=SIDE)
    assert wanted("B", both, judgement("pass", "blocked", "blocked", "BLOCKED")) == ("evidence",)
    proven = msgspec.structs.replace(both, evidence=SPLIT)
    assert wanted("A", proven, judgement("pass", "pass", "blocked")) == ("cpcv",)
    assert wanted("A", proven, judgement("pass", "pass", "fail")) == ()
    assert wanted("S", msgspec.structs.replace(proven, cpcv=SPLIT), judgement()) == ()


def test_a_complete_run_asks_for_everything_whatever_the_gates_say():
    failed = judgement("fail", "fail", "fail", "FAIL")
    assert wanted("incubator", Numbers(name="alpha"), failed, complete=True) == ("backtest",)
    tested = Numbers(name="alpha", backtest=SIDE)
    assert wanted("graveyard", tested, failed, complete=True) == ("oos", "wfv", "cpcv")
    both = Numbers(name="alpha", backtest=SIDE, oos=SIDE)
    assert wanted("graveyard", both, failed, complete=True) == ("wfv", "cpcv", "evidence")


def test_what_is_open_is_not_asked_for_again():
    tested = Numbers(name="alpha", backtest=SIDE)
    assert wanted("B", tested, judgement(), complete=True, open_kinds={"oos", "wfv"}) == ("cpcv",)


def test_results_on_older_data_are_asked_for_anew():
    numbers = Numbers(
        name="alpha",
        backtest=SIDE,
        oos=msgspec.structs.replace(SIDE, fingerprint="newer", requested_us=2),
    )
    assert wanted("B", numbers, judgement("pass", "blocked", "blocked", "BLOCKED")) == ("backtest",)


def test_evidence_that_knows_too_few_trials_is_asked_for_anew():
    numbers = Numbers(name="alpha", backtest=SIDE, oos=SIDE, evidence=SPLIT, cpcv=SPLIT)
    assert wanted("A", numbers, judgement(), stale_evidence=True) == ("evidence",)
    assert wanted("A", numbers, judgement(), stale_evidence=False) == ()


def test_a_retired_strategy_is_asked_for_nothing():
    assert wanted("retired", Numbers(name="alpha"), judgement(), complete=True) == ()
