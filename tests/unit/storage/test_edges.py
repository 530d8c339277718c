"""Roads that are seldom taken: files that cannot be opened, payloads in other spellings, bounds."""

import apsw
import pytest

from foldward.contracts.errors import StorageError
from foldward.contracts.facts import CountUp, Fact, HoldDeadLetter, SettleDeadLetter, StartWfv
from foldward.contracts.jobs import Backtest
from foldward.settings import StorageTable
from foldward.wire import dumps
from storage import database, migrate, open_writer
from storage._histogram import bucket_middle, bucket_of
from storage.maintenance import backup, restore, stats
from storage.reads import Reader
from storage.writes import WRITES

T0 = 1_770_000_000_000_000
ONE = "01980000-0000-7000-8000-000000000001"


class Odd(Fact, frozen=True, kw_only=True):
    """A fact for tests."""


@pytest.mark.parametrize("us", [0, 1, 63, 64, 65, 1_000, 123_456, 10**9, 10**13])
def test_a_bucket_is_within_a_hundredth_of_what_is_in_it(us):
    assert bucket_middle(bucket_of(us)) == pytest.approx(us, rel=0.008, abs=0.5)


def test_buckets_are_in_order():
    buckets = [bucket_of(us) for us in range(1, 10_000)]
    assert buckets == sorted(buckets)


def test_a_folder_that_is_missing_is_said(tmp_path):
    with pytest.raises(StorageError) as refused:
        open_writer(tmp_path / "nowhere" / "foldward.db", StorageTable())
    assert refused.value.code == "storage.open"


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path):
    (tmp_path / "foldward.db").mkdir()
    with pytest.raises(StorageError) as refused:
        open_writer(tmp_path / "foldward.db", StorageTable())
    assert refused.value.code == "storage.open"
    (tmp_path / "foldward.db").rmdir()
    open_writer(tmp_path / "foldward.db", StorageTable()).close()  # the lock was let go


def test_bytes_that_are_no_database_are_not_written_over(tmp_path):
    path = tmp_path / "foldward.db"
    path.write_bytes(b"not a database " * 500)
    with pytest.raises(StorageError) as refused:
        open_writer(path, StorageTable())
    assert refused.value.code == "storage.corrupt"
    assert path.read_bytes() == b"not a database " * 500


def test_an_sqlite_that_is_too_old_is_refused(path, monkeypatch):
    monkeypatch.setattr(database, "MINIMUM_SQLITE", (99, 0, 0))
    with pytest.raises(StorageError, match="is older than"):
        open_writer(path, StorageTable())


def test_the_sqlite_that_is_used_is_recent_enough():
    assert database.sqlite_version() >= (3, 51, 3)


def test_a_pragma_that_was_not_taken_is_an_error(path, monkeypatch):
    monkeypatch.setitem(database._SYNCHRONOUS, "FULL", 7)
    with pytest.raises(StorageError, match="PRAGMA synchronous is"):
        open_writer(path, StorageTable())


def test_an_unknown_error_of_a_fact_is_a_refused_write():
    assert database.code_of(ValueError("x")) == "storage.write"
    assert database.storage_error(apsw.FullError("full"), "writing").message == "writing: full"


def test_a_payload_for_a_legacy_peer_is_understood(facts, do, reader):
    do(facts.imported())
    job = Backtest(request_id=ONE, strategy=facts.strategy(), phase="oos")
    do(facts.admit(payload=dumps(job, format="sexp")), facts.lease())
    assert do(facts.answer())["current"] is True
    assert reader.result(ONE).work == reader.strategy("alpha").work


def test_a_payload_that_cannot_be_read_leaves_it_to_the_times(facts, do, reader):
    do(facts.imported(at_us=T0 - 5), facts.admit(payload=b"\xff"), facts.lease())
    assert do(facts.answer())["current"] is True
    assert reader.result(ONE).work == ""
    assert reader.latest("alpha", "oos").request_id == ONE
    do(facts.admit(2, kind="backtest", payload=b'{"action": 1}'), facts.lease(2))
    do(facts.imported(facts.strategy(sl=1.0), at_us=T0 + 5))
    assert do(facts.answer(2))["current"] is False


def test_spellings_that_are_remembered_have_a_bound(facts, monkeypatch):
    from storage.writes import _definition

    monkeypatch.setattr(_definition, "_CACHED", 2)
    spellings = _definition.Spellings()
    jobs = [Backtest(request_id=ONE, strategy=facts.strategy(f"s{n}")) for n in range(5)]
    works = {spellings.work_of_payload(dumps(job)) for job in jobs}
    assert len(works) == 1  # the name is not the work
    assert len(spellings._known) <= 2


def test_an_answer_for_an_unknown_strategy_is_kept_all_the_same(facts, do, reader):
    do(facts.admit(), facts.lease())
    assert do(facts.answer())["outcome"] == "applied"
    assert reader.strategy("alpha") is None


def test_a_row_that_was_left_beside_its_result_is_cleaned_up(facts, do, writer, reader):
    do(facts.admit(), facts.lease(), facts.answer())
    # As after a restore by hand: the request stands again beside its answer.
    do(facts.admit(digest="sha256:again", kind="backtest"))
    assert do(facts.answer())["outcome"] == "duplicate"
    assert (reader.request(ONE), writer.open_rows) == (None, 0)


def test_a_cached_answer_to_an_older_question_changes_nothing(facts, do, reader):
    do(facts.imported())
    do(facts.admit(1, digest="sha256:1", requested_us=T0), facts.lease(1), facts.answer(1, sharpe=1.0))
    do(facts.admit(2, digest="sha256:2", requested_us=T0 + 9), facts.lease(2), facts.answer(2, sharpe=2.0))
    do(facts.admit(3, digest="sha256:1", requested_us=T0 + 5))
    assert reader.strategy("alpha").oos_sharpe == 2.0
    do(facts.admit(4, digest="sha256:1", requested_us=T0 + 10))
    assert reader.strategy("alpha").oos_sharpe == 1.0
    do(facts.admit(5, digest="sha256:1", requested_us=T0 + 11, strategy=facts.strategy(sl=9.0)))
    assert reader.strategy("alpha").oos_sharpe == 1.0


def test_storage_keeps_its_own_counters_to_itself(writer):
    (outcome,) = writer.apply([CountUp(counts={"revision": 1})])
    assert (outcome.ok, outcome.error) == (False, "the counter revision is not for callers")


def test_a_letter_about_a_request_without_its_id_can_only_be_looked_at(do, reader):
    do(
        HoldDeadLetter(
            reason="poison", code="internal.bug", error="x", payload=b"", at_us=T0, direction="request"
        )
    )
    assert reader.dead_letter(1).direction == "message"


def test_a_letter_that_is_not_there_cannot_be_settled(do):
    assert do(SettleDeadLetter(dead_id=9, state="dropped", outcome="x", at_us=T0)) is False


def test_letters_of_a_request_are_found(facts, do, reader):
    do(facts.admit(), facts.give_up())
    assert [letter.reason for letter in reader.dead_of(ONE)] == ["exhausted"]


def test_a_disk_that_fails_in_the_second_pass_fails_every_fact(facts, writer, reader, monkeypatch):
    raised = []

    def first_refused_then_full(session, fact):
        raised.append(1)
        raise ValueError("no") if len(raised) == 1 else apsw.FullError("full")

    monkeypatch.setitem(WRITES, Odd, first_refused_then_full)
    outcomes = writer.apply([facts.admit(1), Odd()])
    assert {outcome.code for outcome in outcomes} == {"storage.disk_full"}
    assert reader.queue_counts()["open"] == 0


def test_a_spill_file_that_cannot_be_written_fails_the_commit(path, tmp_path):
    (tmp_path / "dead_letters.spill.jsonl").mkdir()
    writer = open_writer(path, StorageTable(synchronous="NORMAL", dead_max_rows=1))
    letters = [
        HoldDeadLetter(reason="schema", code="c", error="e", payload=bytes([n]), at_us=T0) for n in range(2)
    ]
    assert {outcome.code for outcome in writer.apply(letters)} == {"storage.io"}
    writer.close()
    with Reader(path) as reader:
        assert reader.dead_counts()["held"] == 0


def test_what_is_closed_cannot_be_checkpointed(path):
    writer = open_writer(path, StorageTable())
    writer.close()
    assert writer.checkpoint(force=True) is False
    writer.interrupt()


def test_no_log_is_an_empty_log(path):
    writer = open_writer(path, StorageTable())
    writer.close()
    assert writer.wal_bytes() == 0


def test_a_backup_of_nothing_is_refused(tmp_path):
    with pytest.raises(StorageError):
        backup(tmp_path / "nothing.db", tmp_path / "copy.db")
    with pytest.raises(StorageError, match="does not exist"):
        restore(tmp_path / "foldward.db", tmp_path / "nothing.db")
    with pytest.raises(StorageError, match="is a folder"):
        restore(tmp_path / "foldward.db", tmp_path)
    empty = tmp_path / "empty.db"
    apsw.Connection(str(empty)).execute("PRAGMA user_version = 0").close()
    empty.touch()
    with pytest.raises(StorageError, match="is empty"):
        restore(tmp_path / "foldward.db", empty)


def test_a_database_is_not_restored_from_itself(path):
    with pytest.raises(StorageError, match="itself"):
        restore(path, path)


def test_a_backup_that_cannot_be_written_is_told(path, writer):
    with pytest.raises(StorageError):
        writer.backup("/proc/nowhere/copy.db")
    with pytest.raises(StorageError):
        backup(path, "/proc/nowhere/copy.db")


def test_the_figures_of_a_damaged_file_are_an_error(path):
    with open(path, "r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)
    with pytest.raises(StorageError) as refused:
        stats(path)
    assert refused.value.code == "storage.corrupt"


def test_strategies_are_found_by_rank(facts, do, reader):
    do(facts.imported())
    assert [row.name for row in reader.strategies(rank="incubator")] == ["alpha"]
    assert reader.strategies(rank="S") == []


def test_a_walk_forward_run_told_twice_is_one(do, reader):
    start = StartWfv(wfv_id="w", name="a", kind="cpcv", request_id=ONE, plan={}, at_us=T0, deadline_us=T0 + 1)
    assert (do(start), do(start)) == (True, True)
    assert len(reader.wfv_runs()) == 1


def test_a_file_can_be_read_where_nothing_may_be_written(path, monkeypatch):
    connect, opened = database.APSWDatabase, []

    def refusing(name, **options):
        opened.append(name)
        if len(opened) == 1:
            raise apsw.CantOpenError("unable to open database file")
        return connect(name, **options)

    monkeypatch.setattr(database, "APSWDatabase", refusing)
    with Reader(path) as reader:
        assert reader.queue_counts()["open"] == 0
    assert opened[1].endswith("?immutable=1")


def test_migrations_that_another_process_made_are_not_made_again(tmp_path):
    connection = apsw.Connection(str(tmp_path / "foldward.db"))
    migrate.migrate(connection)
    migrate._apply(connection, migrate.load()[0])
    assert migrate.version(connection) == 1
    connection.close()
