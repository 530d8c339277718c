"""How SQLite answers: no question about the queue walks through what is finished."""

import apsw
import pytest

T0 = 1_770_000_000_000_000
ONE = "01980000-0000-7000-8000-000000000001"

QUESTIONS = {
    "due": lambda reader: reader.due(T0, 50),
    "next_due": lambda reader: reader.next_due_us(),
    "sent": lambda reader: reader.sent_rows(),
    "expired": lambda reader: reader.expired(T0),
    "open": lambda reader: reader.open_rows(limit=50),
    "open of a name": lambda reader: reader.open_rows("alpha"),
    "counts": lambda reader: reader.queue_counts(T0),
    "request": lambda reader: reader.request(ONE),
    "result": lambda reader: reader.result(ONE),
    "digest": lambda reader: reader.result_by_digest("sha256:0"),
    "latest": lambda reader: reader.latest("alpha", "oos"),
    "results of": lambda reader: reader.results_of("alpha", "oos"),
    "last sent": lambda reader: reader.last_sent_us("alpha", "oos"),
    "run times": lambda reader: reader.run_time_samples("oos", 50),
    "timeline": lambda reader: reader.timeline(ONE),
    "tail": lambda reader: reader.events_tail(10),
    "failures": lambda reader: reader.failures(T0),
    "strategy": lambda reader: reader.strategy("alpha"),
    "changed": lambda reader: reader.strategies(revision_gt=3),
    "changed since": lambda reader: reader.strategies(since_us=T0),
    "requests": lambda reader: reader.requests(50),
    "pending runs": lambda reader: reader.wfv_runs("pending"),
    "letters": lambda reader: reader.dead_letters("held"),
    "letter counts": lambda reader: reader.dead_counts(),
    "stuck": lambda reader: reader.stuck(T0),
}
# Only these may be walked through from one end, and then only as far as the limit says.
WALKED = {
    "SCAN events": ("tail",),
    "SCAN oos_queue USING INDEX sqlite_autoindex_oos_queue_1": ("requests",),
    "SCAN results USING INDEX sqlite_autoindex_results_1": ("requests",),
    "SCAN dead_letters USING COVERING INDEX dead_letters_state": ("letter counts",),
}
PARTIAL = ("oos_queue_due", "oos_queue_sent", "oos_queue_open", "oos_queue_closed", "wfv_runs_pending")


def plans(reader, question):
    asked = []
    connection = reader._connection()

    def trace(cursor, sql, bindings):
        asked.append((sql, bindings))
        return True

    connection.set_exec_trace(trace)
    question(reader)
    connection.set_exec_trace(None)
    found = []
    for sql, bindings in asked:
        if sql.startswith("SELECT"):
            steps = connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings or ()).fetchall()
            found += [step[3] for step in steps]
    return found


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_question_walks_through_a_table(name, reader):
    for step in plans(reader, QUESTIONS[name]):
        if not step.startswith("SCAN") or step.startswith(("SCAN (", "SCAN CONSTANT", "SCAN TEMP")):
            continue
        partial = any(index in step for index in PARTIAL)
        allowed = any(step.startswith(walk) and name in names for walk, names in WALKED.items())
        assert partial or allowed, step


@pytest.mark.parametrize("name", ["due", "next_due", "sent", "expired", "open", "open of a name", "counts"])
def test_dispatch_reads_partial_indexes_only(name, reader):
    touched = [step for step in plans(reader, QUESTIONS[name]) if "oos_queue" in step]
    assert touched
    for step in touched:
        assert any(index in step for index in PARTIAL), step


# What is not a table: the rows that the statement brings along. And the rows just added, from the end.
BROUGHT = ("SCAN CONSTANT ROW", "SCAN v", "SCAN asked VIRTUAL TABLE", "SCAN json_each VIRTUAL TABLE")
NEWEST = "DELETE FROM oos_queue WHERE rowid IN (SELECT rowid FROM oos_queue ORDER BY rowid DESC LIMIT ?)"


@pytest.mark.parametrize("together", [False, True])
def test_every_fact_of_a_request_finds_its_row_by_an_index(together, facts, writer, do):
    asked = set()
    writer._connection.set_exec_trace(
        lambda cursor, sql, bindings: asked.add((sql, len(bindings or ()))) or True
    )
    if together:
        many = [facts.imported(*(facts.strategy(f"s{n}") for n in range(90)))]
        for make in (facts.admit, facts.lease, facts.answer):
            many += [make(n, **({"name": f"s{n}"} if make == facts.admit else {})) for n in range(1, 86)]
        many += [facts.letter(n) for n in (1, 1, 2)]
        outcomes = writer.apply([*many, facts.admit(90, name="s1"), facts.admit(1, name="s1")])
        assert all(outcome.ok for outcome in outcomes)
    else:
        do(facts.imported(), facts.admit(1), facts.lease(1), facts.fail(1), facts.answer(1))
        do(facts.admit(1), facts.admit(2, kind="wfv"), facts.give_up(2), facts.answer(1))
    writer._connection.set_exec_trace(None)
    seen = 0
    for sql, bindings in asked:
        if not sql.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")) or sql == NEWEST:
            continue
        try:
            steps = writer._connection.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * bindings).fetchall()
        except apsw.BindingsError:
            steps = []
        for step in steps:
            seen += 1
            fine = step[3].startswith(BROUGHT) or step[3].endswith("-ROW VALUES CLAUSE")
            assert not step[3].startswith("SCAN") or fine, (sql, step[3])
    assert seen > 20
