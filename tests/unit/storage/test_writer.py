"""Group commit: many facts, one transaction, and nobody pays for a neighbour."""

import threading

import apsw
import pytest

from foldward.contracts.errors import StorageError
from foldward.contracts.facts import CountUp, Fact, RecordVerdict, SetMeta
from foldward.settings import StorageTable
from storage import open_writer
from storage.reads import Reader
from storage.writes import WRITES

T0 = 1_770_000_000_000_000
ONE = "01980000-0000-7000-8000-000000000001"


class Unknown(Fact, frozen=True, kw_only=True):
    """A fact that nothing writes."""


class Hit(Fact, frozen=True, kw_only=True):
    """A fact whose writing raises what it holds."""

    error: object


@pytest.fixture
def hits(monkeypatch):
    def raising(session, fact):
        raise fact.error

    monkeypatch.setitem(WRITES, Hit, raising)
    return Hit


def verdict_of_nobody():
    return RecordVerdict(name="nobody", stage="A", verdict="FAIL", rank="B", gates=(), reasons=(), at_us=T0)


def test_outcomes_stand_in_the_order_of_the_facts(facts, writer):
    outcomes = writer.apply([facts.admit(1), facts.lease(1), facts.answer(1), facts.lease(1)])
    assert [outcome.ok for outcome in outcomes] == [True, True, True, True]
    assert outcomes[1].value == 1
    assert outcomes[2].value["outcome"] == "applied"
    assert outcomes[3].value is None


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_refused_fact_takes_no_neighbour_down(place, facts, writer, reader):
    batch = [facts.admit(1), facts.admit(2, name="beta")]
    batch.insert(place, verdict_of_nobody())
    outcomes = writer.apply(batch)
    assert [outcome.ok for outcome in outcomes].count(True) == 2
    assert outcomes[place].code == "request.unknown_strategy"
    assert reader.queue_counts()["pending"] == 2
    assert reader.counters()["requested"] == 2
    assert writer.open_rows == 2


def test_a_fact_from_nowhere_is_answered_too(facts, writer, reader):
    outcomes = writer.apply([facts.admit(1), Unknown(), SetMeta(key="paused", value="1")])
    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert outcomes[1].error == "nothing writes a Unknown"
    assert reader.meta("paused") == "1"


def test_a_bug_in_one_fact_stays_with_it(facts, writer, hits):
    outcomes = writer.apply(
        [facts.admit(1), hits(error=ZeroDivisionError("oops")), facts.admit(2, name="beta")]
    )
    assert [(outcome.ok, outcome.code) for outcome in outcomes] == [
        (True, None),
        (False, "storage.write"),
        (True, None),
    ]
    assert outcomes[1].error == "ZeroDivisionError: oops"


def test_a_number_too_large_for_the_file_stays_with_its_fact(facts, writer, reader):
    outcomes = writer.apply([facts.admit(1), CountUp(counts={"throttled": 2**70}), facts.lease(1)])
    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert reader.request(ONE).status == "sent"


def test_what_a_refused_fact_had_counted_is_forgotten(writer, reader, monkeypatch):
    def half(session, fact):
        session.count("success", 7)
        session.event(ONE, T0, "oos.result", {})
        session.next_revision()
        raise StorageError("storage.write", "no")

    monkeypatch.setitem(WRITES, Unknown, half)
    writer.apply([CountUp(counts={"throttled": 1}), Unknown(), CountUp(counts={"throttled": 1})])
    assert reader.counters()["throttled"] == 2
    assert reader.counters()["success"] == 0
    assert reader.timeline(ONE) == []
    assert writer.revision == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (apsw.FullError("disk full"), "storage.disk_full"),
        (apsw.IOError("disk I/O error"), "storage.io"),
        (apsw.BusyError("locked"), "storage.busy"),
        (apsw.CorruptError("malformed"), "storage.corrupt"),
    ],
)
def test_a_disk_that_fails_fails_every_fact_and_stores_none(error, code, facts, writer, reader, hits):
    outcomes = writer.apply([facts.admit(1), hits(error=error), facts.admit(2, name="beta")])
    assert [(outcome.ok, outcome.code) for outcome in outcomes] == [(False, code)] * 3
    assert reader.queue_counts()["open"] == 0
    assert writer.open_rows == 0
    (outcome,) = writer.apply([facts.admit(1)])
    assert outcome.ok


def test_a_failed_commit_fails_every_fact(facts, writer, reader):
    writer._connection.set_commit_hook(lambda: True)  # SQLite turns the commit into a rollback
    outcomes = writer.apply([facts.admit(1), facts.admit(2, name="beta")])
    assert [outcome.ok for outcome in outcomes] == [False, False]
    writer._connection.set_commit_hook(None)
    assert reader.queue_counts()["open"] == 0
    assert writer.apply([facts.admit(1)])[0].ok


def test_a_full_disk_is_told_as_such_by_the_real_thing(facts, writer, reader):
    pages = writer._connection.pragma("page_count")
    writer._connection.pragma("max_page_count", pages)
    outcomes = writer.apply([facts.admit(n, name=f"s{n}", payload=b"x" * 50_000) for n in range(1, 4)])
    assert {outcome.code for outcome in outcomes} == {"storage.disk_full"}
    writer._connection.pragma("max_page_count", 1_000_000)
    assert all(o.ok for o in writer.apply([facts.admit(n, name=f"s{n}") for n in range(1, 4)]))
    assert reader.queue_counts()["pending"] == 3


def test_another_process_that_holds_the_file_is_busy_and_passes(facts, writer, path):
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    assert writer.apply([facts.admit(1)])[0].code == "storage.busy"
    other.execute("ROLLBACK")
    assert writer.apply([facts.admit(1)])[0].ok
    other.close()


def test_nothing_is_nothing(writer):
    assert writer.apply([]) == []


def test_a_second_writer_is_refused_and_told_by_whom(writer, path, settings):
    with pytest.raises(StorageError, match=r"already has a writer: process [0-9]+") as refused:
        open_writer(path, settings)
    assert refused.value.code == "storage.busy"


def test_a_closed_writer_lets_the_next_one_in(path, settings, facts):
    open_writer(path, settings).close()
    writer = open_writer(path, settings)
    assert writer.apply([facts.admit(1)])[0].ok
    writer.close()
    writer.close()
    assert writer.apply([facts.admit(2)])[0].code == "storage.fenced"


def test_what_is_counted_in_memory_is_read_back_at_the_next_start(path, settings, facts):
    first = open_writer(path, settings)
    first.apply([facts.imported(), facts.admit(1), facts.admit(2, name="beta")])
    revision = first.revision
    first.close()
    second = open_writer(path, settings)
    assert (second.open_rows, second.revision) == (2, revision)
    second.close()


def test_a_fenced_writer_stores_nothing_and_frees_the_file(path, settings, facts):
    hung = open_writer(path, settings)
    assert hung.fence() is True
    assert hung.apply([facts.admit(1)])[0].code == "storage.fenced"
    successor = open_writer(path, settings)
    assert successor.apply([facts.admit(1)])[0].ok
    successor.close()


def test_a_writer_hung_in_a_statement_is_interrupted_from_outside(path, settings, facts, monkeypatch):
    hung = open_writer(path, settings)
    begun = threading.Event()

    def endless(session, fact):
        begun.set()
        session.execute(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
        )

    monkeypatch.setitem(WRITES, Unknown, endless)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.extend(hung.apply([facts.admit(1), Unknown()])))
    thread.start()
    assert begun.wait(5)
    assert hung.fence() is True
    thread.join(5)
    assert [(outcome.ok, outcome.code) for outcome in outcomes] == [(False, "storage.fenced")] * 2
    successor = open_writer(path, settings)
    assert successor.open_rows == 0
    successor.close()


def test_a_writer_hung_outside_the_store_commits_nothing_when_it_wakes(path, settings, facts, monkeypatch):
    hung = open_writer(path, settings)
    begun, wake = threading.Event(), threading.Event()

    def asleep(session, fact):
        begun.set()
        wake.wait(5)

    monkeypatch.setitem(WRITES, Unknown, asleep)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.extend(hung.apply([facts.admit(1), Unknown()])))
    thread.start()
    assert begun.wait(5)
    assert hung.fence(timeout=0.05) is False
    wake.set()
    thread.join(5)
    assert {outcome.code for outcome in outcomes} == {"storage.fenced"}
    hung.close()
    with Reader(path) as reader:
        assert reader.queue_counts()["open"] == 0


def test_every_pragma_is_what_was_asked_for(path):
    writer = open_writer(path, StorageTable(synchronous="FULL", busy_timeout_ms=5000))
    found = {
        name: writer._connection.pragma(name)
        for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
    }
    writer.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 5000, "foreign_keys": 1}


def test_every_table_is_strict(writer):
    loose = writer._connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    assert loose == []


def test_a_log_beyond_its_limit_is_folded_back_when_asked(path, facts):
    writer = open_writer(path, StorageTable(synchronous="NORMAL", wal_max_mb=1))
    assert writer.checkpoint() is False
    writer.apply([facts.admit(n, name=f"s{n}", payload=b"x" * 20_000) for n in range(100)])
    assert writer.wal_bytes() > 1_000_000
    assert writer.checkpoint() is True
    assert writer.wal_bytes() == 0
    writer.close()


def test_a_log_that_a_reader_still_needs_waits(path, facts):
    writer = open_writer(path, StorageTable(synchronous="NORMAL", wal_max_mb=1, busy_timeout_ms=10))
    with Reader(path) as reader, reader.snapshot():
        reader.queue_counts()
        writer.apply([facts.admit(1)])
        assert writer.checkpoint(force=True) is False
    assert writer.checkpoint(force=True) is True
    writer.close()
