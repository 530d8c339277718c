"""Every arrow of the request's state machine: taken where it leads somewhere, refused where it does not."""

import pytest

from foldward.contracts.facts import CancelRequests, RecoverLeases, RequeueRequest, ReturnLease

T0 = 1_770_000_000_000_000
ONE = "01980000-0000-7000-8000-000000000001"
TWO = "01980000-0000-7000-8000-000000000002"

STATES = ("pending", "sent", "retry", "error", "cancelled", "finished", "unknown")
OPEN = ("pending", "sent", "retry")


def bring_to(state, facts, do):
    steps = {
        "pending": [],
        "sent": [facts.lease()],
        "retry": [facts.lease(), facts.fail()],
        "error": [facts.lease(), facts.give_up()],
        "cancelled": [facts.cancel()],
        "finished": [facts.lease(), facts.answer()],
    }
    if state != "unknown":
        do(facts.admit(), *steps[state])


def state_of(reader, request_id=ONE):
    row = reader.request(request_id)
    if row is not None:
        return row.status
    return "unknown" if reader.result(request_id) is None else "finished"


ARROWS = {
    "lease": (lambda facts: facts.lease(), {"pending": "sent", "retry": "sent"}),
    "return": (
        lambda facts: ReturnLease(request_id=ONE, due_us=T0 + 9, at_us=T0 + 5, reason="worker died"),
        {"sent": "retry"},
    ),
    "fail": (lambda facts: facts.fail(), dict.fromkeys(OPEN, "retry")),
    "give up": (lambda facts: facts.give_up(), dict.fromkeys(OPEN, "error")),
    "cancel": (lambda facts: facts.cancel(), dict.fromkeys(OPEN, "cancelled")),
    "answer": (lambda facts: facts.answer(), dict.fromkeys(OPEN, "finished")),
    "requeue": (
        lambda facts: RequeueRequest(request_id=ONE, due_us=T0 + 7, at_us=T0 + 6),
        {"error": "pending", "cancelled": "pending", "retry": "retry"},
    ),
    "recover": (lambda facts: RecoverLeases(due_us=T0 + 9, at_us=T0 + 5), {"sent": "retry"}),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("arrow", ARROWS)
def test_an_arrow_leads_where_the_table_says_and_nowhere_else(arrow, state, facts, do, reader):
    bring_to(state, facts, do)
    fact, leads = ARROWS[arrow]

    do(fact(facts))

    assert state_of(reader) == leads.get(state, state)


def test_a_request_is_admitted_with_all_that_it_was_told(facts, do, reader):
    outcome = do(facts.admit(run_id="run-1", trace_id="trace-1", priority=3, group_id="wfv-1", origin="rank"))

    assert outcome == {"status": "queued", "request_id": ONE, "code": None}
    row = reader.request(ONE)
    assert (row.name, row.requested_at, row.status, row.last_error) == (
        "alpha",
        1_770_000_000,
        "pending",
        None,
    )
    assert (row.run_id, row.trace_id, row.priority, row.group_id, row.origin) == (
        "run-1",
        "trace-1",
        3,
        "wfv-1",
        "rank",
    )
    assert (row.sends, row.failures, row.crashes, row.next_attempt_at) == (0, 0, 0, T0)


def test_the_first_five_columns_are_the_oldest_names(writer):
    columns = [row[1] for row in writer._connection.execute("PRAGMA table_info(oos_queue)")]
    assert columns[:5] == ["request_id", "name", "requested_at", "status", "last_error"]


def test_equal_work_is_not_queued_twice(facts, do):
    do(facts.admit(1, kind="backtest", digest="sha256:same"))
    outcome = do(facts.admit(2, name="beta", kind="backtest", digest="sha256:same"))
    assert outcome == {"status": "pending", "request_id": ONE, "code": None}


def test_a_strategy_has_one_open_out_of_sample_request(facts, do):
    do(facts.admit(1))
    assert do(facts.admit(2))["request_id"] == ONE


def test_other_kinds_of_one_strategy_may_be_open_together(facts, do, reader):
    do(facts.admit(1, kind="wfv"), facts.admit(2, kind="wfv"), facts.admit(3, kind="oos"))
    assert reader.queue_counts()["pending"] == 3


def test_work_with_an_answer_is_answered_from_the_store(facts, do, reader):
    do(facts.admit(1, digest="sha256:same"), facts.lease(1), facts.answer(1))
    outcome = do(facts.admit(2, digest="sha256:same"))
    assert outcome == {"status": "cached", "request_id": ONE, "code": None}
    assert reader.queue_counts()["open"] == 0


def test_a_contradicted_answer_is_not_offered_again(facts, do):
    do(facts.admit(1, digest="sha256:same"), facts.lease(1), facts.answer(1))
    do(facts.answer(1, result_digest="sha256:other"))
    assert do(facts.admit(2, digest="sha256:same"))["status"] == "queued"


def test_a_full_queue_refuses_and_says_why(facts, do):
    do(facts.admit(1, max_open=1))
    outcome = do(facts.admit(2, name="beta", max_open=1))
    assert outcome == {"status": "refused", "request_id": TWO, "code": "queue.full"}
    do(facts.cancel(1))
    assert do(facts.admit(2, name="beta", max_open=1))["status"] == "queued"


def test_an_admission_told_twice_is_one_admission(facts, do, reader):
    do(facts.admit(1))
    assert do(facts.admit(1)) == {"status": "queued", "request_id": ONE, "code": None}
    assert reader.counters()["requested"] == 1


def test_an_id_cannot_be_used_for_other_work(facts, writer, do):
    do(facts.admit(1), facts.cancel(1))
    (outcome,) = writer.apply([facts.admit(1, name="beta", digest="sha256:other")])
    assert (outcome.ok, outcome.code) == (False, "storage.write")


def test_sends_and_failures_are_different_numbers(facts, do, reader):
    do(facts.admit(), facts.lease(), ReturnLease(request_id=ONE, due_us=T0, at_us=T0, reason="link dropped"))
    assert do(facts.lease()) == 2
    assert do(facts.fail()) == {"failures": 1, "sends": 2}
    row = reader.request(ONE)
    assert (row.sends, row.failures, row.crashes) == (2, 1, 0)


def test_the_failure_that_ends_a_request_is_counted_and_a_death_is_none(facts, do, reader):
    do(facts.admit(), facts.lease(), facts.fail(), facts.lease(), facts.give_up())
    assert reader.request(ONE).failures == 2
    do(facts.admit(2), facts.lease(2), facts.give_up(2, reason="crash_loop", code="supervision.crash_loop"))
    assert reader.request(facts.admit(2).request_id).failures == 0


def test_only_a_worker_that_had_begun_counts_as_a_crash(facts, do):
    gone = ReturnLease(request_id=ONE, due_us=T0, at_us=T0, reason="worker died")
    begun = ReturnLease(request_id=ONE, due_us=T0, at_us=T0, reason="worker died", started=True)
    do(facts.admit(), facts.lease())
    assert do(gone) == {"crashes": 0}
    do(facts.lease())
    assert do(begun) == {"crashes": 1}


def test_a_failed_attempt_keeps_its_words_and_its_time(facts, do, reader):
    do(facts.admit(), facts.lease(), facts.fail(due_us=T0 + 77))
    row = reader.request(ONE)
    assert (row.last_error, row.last_code, row.next_attempt_at) == (
        "division by zero",
        "engine.failed",
        T0 + 77,
    )
    assert row.deadline_at is None


def test_the_time_of_the_request_never_moves(facts, do, reader):
    do(facts.admit(), facts.lease(), facts.give_up())
    do(RequeueRequest(request_id=ONE, due_us=T0 + 10**12, at_us=T0 + 10**12))
    row = reader.request(ONE)
    assert (row.requested_us, row.requested_at) == (T0, 1_770_000_000)
    assert row.opened_at == T0 + 10**12


def test_a_requeued_request_begins_with_clean_counts(facts, do, reader):
    do(facts.admit(), facts.lease(), facts.fail(), facts.give_up())
    do(RequeueRequest(request_id=ONE, due_us=T0 + 7, at_us=T0 + 6))
    row = reader.request(ONE)
    assert (row.status, row.sends, row.failures, row.crashes) == ("pending", 1, 0, 0)


def test_a_requeue_yields_to_open_equal_work(facts, do, reader):
    do(facts.admit(1), facts.cancel(1), facts.admit(2))
    assert do(RequeueRequest(request_id=ONE, due_us=T0, at_us=T0)) is False
    assert reader.request(ONE).status == "cancelled"


def test_names_are_cancelled_with_all_their_kinds(facts, do):
    do(facts.admit(1), facts.admit(2, kind="wfv"), facts.admit(3, name="beta"))
    ended = do(CancelRequests(names=("alpha",), why="operator", at_us=T0))
    assert sorted(ended) == [ONE, TWO]


def test_recovery_spreads_nothing_and_forgets_nothing(facts, do, reader):
    do(facts.admit(1), facts.lease(1), facts.admit(2, name="beta", due_us=T0 + 50))
    assert do(RecoverLeases(due_us=T0 + 5_000_000, at_us=T0 + 10)) == 1
    one, two = reader.request(ONE), reader.request(TWO)
    assert (one.status, one.next_attempt_at, one.sends, one.failures) == ("retry", T0 + 5_000_000, 1, 0)
    assert (two.status, two.next_attempt_at) == ("pending", T0 + 50)


def test_the_file_itself_refuses_a_state_that_cannot_be(facts, do, writer):
    import apsw

    do(facts.admit())
    for nonsense in (
        "UPDATE oos_queue SET status = 'done'",
        "UPDATE oos_queue SET status = 'sent'",
        "UPDATE oos_queue SET status = 'error', next_attempt_at = NULL, closed_at = 1",
        "UPDATE oos_queue SET failures = -1",
        "UPDATE oos_queue SET requested_at = requested_at + 1",
        "UPDATE oos_queue SET next_attempt_at = NULL",
    ):
        with pytest.raises(apsw.ConstraintError):
            writer._connection.execute(nonsense)


def test_every_step_stands_in_the_timeline(facts, do, reader):
    do(facts.admit(), facts.lease(), facts.fail(), facts.lease(), facts.answer())
    steps = [step["event"] for step in reader.timeline(ONE)]
    assert steps == ["oos.requested", "oos.sent", "oos.retry", "oos.sent", "oos.result"]
    retry = reader.timeline(ONE)[2]
    assert (retry["code"], retry["failures"], retry["at"]) == ("engine.failed", 1, "2026-02-02T02:40:00.003Z")


def test_counters_are_raised_with_the_steps(facts, do, reader):
    do(
        facts.admit(),
        facts.lease(),
        facts.fail(cause="send", code="wire.mismatch"),
        facts.lease(),
        facts.answer(),
    )
    counters = reader.counters()
    assert {
        name: counters[name] for name in ("requested", "sent", "retry", "success", "dispatch_failed")
    } == {
        "requested": 1,
        "sent": 2,
        "retry": 1,
        "success": 1,
        "dispatch_failed": 1,
    }
    assert (counters["send_failure"], counters["failure"]) == (1, 0)
