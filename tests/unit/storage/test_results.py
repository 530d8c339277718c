"""Applying an answer: exactly once, to the definition that was computed, nothing known lost to an absence."""

import pytest

from foldward.contracts.facts import RecordVerdict, RetireStrategies
from foldward.contracts.jobs import Fault

T0 = 1_770_000_000_000_000
ONE = "01980000-0000-7000-8000-000000000001"
TWO = "01980000-0000-7000-8000-000000000002"


def run(facts, do, n=1, kind="oos", admit=None, **answer):
    do(facts.admit(n, kind=kind, **(admit or {})), facts.lease(n))
    return do(facts.answer(n, **answer))


def test_an_answer_is_applied_with_its_times(facts, do, reader):
    outcome = run(facts, do)
    assert outcome["outcome"] == "applied"
    assert (outcome["name"], outcome["kind"], outcome["attempt"]) == ("alpha", "oos", 1)
    assert (outcome["latency_us"], outcome["queue_us"], outcome["run_us"]) == (250_000, 1_000, 249_000)
    assert reader.request(ONE) is None
    row = reader.result(ONE)
    assert (row.sharpe, row.trades, row.win_rate, row.window_bars) == (0.61, 42, 0.475, 3)


@pytest.mark.parametrize("earlier", ["pending", "sent", "retry"])
def test_a_result_may_beat_the_news_of_its_sending(earlier, facts, do):
    do(facts.admit())
    if earlier != "pending":
        do(facts.lease())
    if earlier == "retry":
        do(facts.fail())
    assert do(facts.answer())["outcome"] == "applied"


def test_the_same_answer_again_is_a_duplicate(facts, do, reader):
    run(facts, do)
    assert do(facts.answer())["outcome"] == "duplicate"
    assert reader.counters()["duplicate"] == 1
    assert reader.counters()["success"] == 1


def test_an_answer_that_comes_late_still_names_its_trace(facts, do):
    do(facts.admit(trace_id="trace-1", run_id="run-1"), facts.lease(), facts.answer())
    again = do(facts.answer())
    assert (again["outcome"], again["trace_id"], again["run_id"]) == ("duplicate", "trace-1", "run-1")
    do(facts.admit(2, trace_id="trace-2", run_id="run-1"), facts.cancel(2))
    late = do(facts.answer(2))
    assert (late["outcome"], late["name"], late["trace_id"]) == ("stale", "alpha", "trace-2")
    assert "trace_id" not in do(facts.answer(3))


def test_another_answer_marks_the_strategy_invalid(facts, do, reader):
    do(facts.imported())
    run(facts, do)
    assert do(facts.answer(result_digest="sha256:bb"))["outcome"] == "nondeterministic"
    row = reader.strategy("alpha")
    assert (row.verdict, row.nondeterministic, row.reasons) == ("INVALID", True, ["engine.nondeterministic"])
    assert reader.result(ONE).conflicts == 1
    assert reader.result(ONE).result_digest == "sha256:aa"


def test_no_gate_can_pass_a_strategy_with_two_answers(facts, do, reader):
    do(facts.imported())
    run(facts, do)
    do(facts.answer(result_digest="sha256:bb"))
    do(RecordVerdict(name="alpha", stage="A", verdict="PASS", rank="A", gates=(), reasons=(), at_us=T0))
    assert reader.strategy("alpha").verdict == "INVALID"


def test_an_answer_without_digest_is_compared_by_its_numbers(facts, do):
    run(facts, do, result_digest=None)
    assert do(facts.answer(result_digest=None))["outcome"] == "duplicate"
    assert do(facts.answer(result_digest=None, sharpe=0.62))["outcome"] == "nondeterministic"


@pytest.mark.parametrize("ended", ["unknown", "cancelled", "error"])
def test_an_answer_to_nothing_open_is_stale(ended, facts, do, reader):
    if ended != "unknown":
        do(facts.admit(), facts.lease(), facts.cancel() if ended == "cancelled" else facts.give_up())
    assert do(facts.answer())["outcome"] == "stale"
    assert reader.result(ONE) is None
    assert reader.counters()["stale"] == 1


def test_a_late_answer_of_the_first_attempt_is_welcome(facts, do, reader):
    do(facts.admit(), facts.lease(), facts.fail(cause="deadline"), facts.lease())
    assert do(facts.answer(attempt=1))["outcome"] == "applied"
    assert reader.result(ONE).run_us is None  # it says nothing about the second attempt's run


def test_an_error_is_no_result(facts, do, writer):
    do(facts.admit(), facts.lease())
    (outcome,) = writer.apply([facts.answer(error="boom", code="engine.failed")])
    assert (outcome.ok, outcome.code) == (False, "storage.write")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_never_stored(bad, facts, do, writer, reader):
    do(facts.admit(), facts.lease())
    (outcome,) = writer.apply([facts.answer(sharpe=bad)])
    assert not outcome.ok
    assert reader.request(ONE).status == "sent"


def test_in_sample_and_out_of_sample_numbers_stand_apart(facts, do, reader):
    do(facts.imported())
    run(facts, do, 1, "backtest", sharpe=1.5)
    run(facts, do, 2, "oos", sharpe=0.0)
    row = reader.strategy("alpha")
    assert (row.is_sharpe, row.oos_sharpe) == (1.5, 0.0)
    assert (row.is_request_id, row.oos_request_id) == (ONE, TWO)


def test_a_strategy_without_answer_has_no_numbers_and_no_verdict(facts, do, reader):
    do(facts.imported())
    run(facts, do, 1, "backtest")
    row = reader.strategy("alpha")
    assert (row.oos_sharpe, row.oos_trades, row.verdict, row.stage) == (None, None, None, None)


def test_an_absent_value_never_overwrites_a_known_one(facts, do, reader):
    do(facts.imported())
    run(facts, do, 1, profit_factor=1.3)
    run(facts, do, 2, profit_factor=None, sharpe=0.7, admit={"requested_us": T0 + 1})
    row = reader.strategy("alpha")
    assert (row.oos_profit_factor, row.oos_sharpe) == (1.3, 0.7)


def test_a_null_with_its_reason_is_knowledge(facts, do, reader):
    do(facts.imported())
    run(facts, do, 1)
    run(facts, do, 2, sharpe=None, reasons={"sharpe": "flat equity"}, admit={"requested_us": T0 + 1})
    row = reader.strategy("alpha")
    assert row.oos_sharpe is None
    assert row.oos_reasons == {"sharpe": "flat equity"}


def test_an_invalid_answer_leaves_no_number(facts, do, reader):
    do(facts.imported())
    run(facts, do, 1)
    fault = Fault("engine.invariant", "equity does not add up")
    run(facts, do, 2, verdict="INVALID", faults=(fault,), admit={"requested_us": T0 + 1})
    row = reader.strategy("alpha")
    assert (row.oos_verdict, row.oos_sharpe) == ("INVALID", None)
    assert reader.result(TWO).detail["faults"] == [
        {"code": "engine.invariant", "message": "equity does not add up"}
    ]


def test_an_older_request_does_not_overwrite_a_newer_one(facts, do, reader):
    do(facts.imported())
    do(facts.admit(1, kind="backtest"), facts.lease(1))
    do(facts.admit(2, kind="backtest", requested_us=T0 + 1), facts.lease(2))
    do(facts.answer(2, sharpe=2.0), facts.answer(1, sharpe=1.0))
    assert reader.strategy("alpha").is_sharpe == 2.0


def test_numbers_of_an_old_definition_do_not_reach_the_new_one(facts, do, reader):
    do(facts.imported(), facts.admit(), facts.lease())
    changed = facts.strategy(params={"sma_short": 9, "sma_long": 30})
    do(facts.imported(changed, at_us=T0 + 10))
    outcome = do(facts.answer())
    assert (outcome["outcome"], outcome["current"]) == ("applied", False)
    assert reader.strategy("alpha").oos_sharpe is None
    assert reader.result(ONE).sharpe == 0.61
    assert reader.latest("alpha", "oos") is None


def test_it_is_the_definition_that_counts_and_not_the_time(facts, do, reader):
    # Read before the change, admitted after it: only the payload tells.
    old = facts.strategy()
    do(facts.imported(old))
    do(facts.imported(facts.strategy(params={"sma_short": 9, "sma_long": 30}), at_us=T0 - 500))
    do(facts.admit(strategy=old), facts.lease())
    assert do(facts.answer())["current"] is False


def test_lineage_is_no_other_work(facts, do, reader):
    do(facts.imported(), facts.admit(), facts.lease())
    do(facts.imported(facts.strategy(generation=4, parent="omega"), at_us=T0 + 10))
    assert do(facts.answer())["current"] is True
    row = reader.strategy("alpha")
    assert (row.oos_sharpe, row.generation, row.parent) == (0.61, 4, "omega")


def test_a_definition_that_comes_back_gets_its_numbers_back(facts, do, reader):
    first, second = facts.strategy(), facts.strategy(params={"sma_short": 9, "sma_long": 30})
    do(facts.imported(first))
    run(facts, do, 1, admit={"digest": "sha256:first", "strategy": first})
    do(facts.imported(second, at_us=T0 + 10), facts.imported(first, at_us=T0 + 20))
    assert reader.strategy("alpha").oos_sharpe is None
    outcome = do(facts.admit(2, digest="sha256:first", strategy=first, requested_us=T0 + 30))
    assert outcome["status"] == "cached"
    assert reader.strategy("alpha").oos_sharpe == 0.61
    assert reader.latest("alpha", "oos").request_id == ONE
    assert reader.latest("alpha", "oos", lambda row: row.request_id == ONE).request_id == ONE
    assert reader.latest("alpha", "oos", lambda _: False) is None


def test_a_retired_strategy_takes_no_numbers(facts, do, reader):
    do(facts.imported(), facts.admit(kind="backtest"), facts.lease())
    do(RetireStrategies(names=("alpha",), at_us=T0 + 5))
    assert do(facts.answer())["outcome"] == "stale"  # its open request was cancelled
    assert reader.strategy("alpha").is_sharpe is None


def test_any_answer_raises_the_revision(facts, do, reader):
    do(facts.imported())
    before = reader.strategy("alpha").revision
    run(facts, do, 1, "wfv", detail={"folds": [], "decision": "weak"})
    assert reader.strategy("alpha").revision > before
    assert [row.name for row in reader.strategies(revision_gt=before)] == ["alpha"]
    assert reader.latest("alpha", "wfv").report == {"folds": [], "decision": "weak"}


def test_trades_are_stored_beside_the_result(facts, do, reader):
    trades = ({"timestamp": 1, "pnl": 2.5}, {"timestamp": 2, "pnl": -1.0})
    run(facts, do, trade_list=trades, trades_truncated=True)
    row = reader.trades(ONE)
    assert (row.count, row.truncated, row.trades) == (2, True, list(trades))


def test_a_seed_beyond_a_signed_integer_comes_back(facts, do, reader):
    run(facts, do, seed=2**64 - 1)
    assert reader.result(ONE).seed == 2**64 - 1


def test_an_unverified_window_stays_marked(facts, do, reader):
    run(facts, do, unverified=True)
    assert reader.result(ONE).unverified is True


@pytest.mark.parametrize("together", [False, True])
def test_a_row_that_stands_beside_its_result_goes_with_the_next_answer(together, facts, writer, reader, do):
    do(facts.imported(), facts.admit(1), facts.answer(1))
    do(facts.admit(1, digest="sha256:other"), facts.admit(2, name="beta"))
    answers = [facts.answer(2, strategy_name="beta"), facts.answer(1)] if together else [facts.answer(1)]
    outcomes = writer.apply(answers)
    assert [outcome.value["outcome"] for outcome in outcomes] == ["applied", "duplicate"][not together :]
    assert reader.request(ONE) is None
    assert reader.counters()["success"] == len(answers)
    assert writer.open_rows == (0 if together else 1)


def test_a_duplicate_between_two_answers_leaves_their_revisions_in_order(facts, writer, reader, do):
    do(facts.imported(facts.strategy("alpha"), facts.strategy("beta")))
    do(facts.admit(1, name="alpha"), facts.admit(2, name="beta"))
    first, second = facts.answer(1), facts.answer(2, strategy_name="beta")
    outcomes = writer.apply([first, facts.answer(1, result_digest="sha256:bb"), second])
    assert [outcome.value["outcome"] for outcome in outcomes] == ["applied", "nondeterministic", "applied"]
    assert [row.name for row in reader.strategies(revision_gt=2)] == ["alpha", "beta"]
    assert reader.strategy("alpha").verdict == "INVALID"


def test_two_sides_of_one_strategy_in_one_run_are_both_stored(facts, writer, reader, do):
    do(facts.imported(), facts.admit(1, kind="oos"), facts.admit(2, kind="backtest"))
    outcomes = writer.apply([facts.answer(1, sharpe=0.5), facts.answer(2, sharpe=0.75)])
    assert [outcome.value["current"] for outcome in outcomes] == [True, True]
    row = reader.strategy("alpha")
    assert (row.oos_sharpe, row.is_sharpe, row.revision) == (0.5, 0.75, 3)
