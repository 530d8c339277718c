"""Copies that count, restoring, and finding what is damaged."""

import os

import apsw
import pytest

from foldward.contracts.errors import StorageError
from storage import open_writer
from storage.maintenance import backup, fsck, restore, stats
from storage.reads import Reader

T0 = 1_770_000_000_000_000
ONE = "01980000-0000-7000-8000-000000000001"


@pytest.fixture
def life(facts, do):
    """A database with something of everything."""
    do(facts.imported())
    do(facts.admit(1), facts.lease(1), facts.answer(1, trade_list=({"pnl": 1.0},)))
    do(facts.admit(2, kind="backtest"), facts.admit(3, "beta"), facts.give_up(3), facts.admit(4, "gamma"))
    do(facts.cancel(4))


def violations(path):
    return {violation["check"] for violation in fsck(path)["violations"]}


def spoil(path, sql):
    connection = apsw.Connection(str(path))
    connection.pragma("foreign_keys", 0)
    connection.pragma("ignore_check_constraints", 1)
    connection.execute(sql)
    connection.close()


def test_a_whole_database_has_no_violations(life, path):
    report = fsck(path)
    assert (report["ok"], report["violations"], report["schema"]) == (True, [], 1)
    assert report["checked"]["crc.oos_queue"] == 3
    assert report["checked"]["crc.results"] == 1


def test_a_zero_that_came_with_a_minus_is_no_violation(facts, do, path):
    numbers = dict.fromkeys(("pnl", "sharpe", "sortino", "max_drawdown", "win_rate", "profit_factor"), -0.0)
    do(facts.imported())
    do(facts.admit(1), facts.lease(1), facts.answer(1, trades=0, wins=0, losses=0, **numbers))
    do(facts.admit(2, kind="backtest"), facts.lease(2), facts.answer(2, **numbers, metrics={"a": -0.0}))
    assert fsck(path)["violations"] == []


@pytest.mark.parametrize(
    ("sql", "check"),
    [
        ("UPDATE oos_queue SET payload = CAST(replace(payload, 'alpha', 'alphb') AS BLOB)", "crc.oos_queue"),
        ("UPDATE results SET sharpe = 0.62", "crc.results"),
        ("UPDATE results SET detail = replace(detail, '}', ' }')", "crc.results"),
        ("UPDATE trade_lists SET trades = '[]'", "crc.trade_lists"),
        ("UPDATE dead_letters SET payload = zeroblob(size)", "crc.dead_letters"),
        ("UPDATE strategies SET definition = '{}'", "crc.strategies"),
        ("DELETE FROM dead_letters", "queue.error_without_letter"),
        ("DELETE FROM dead_letters", "dead.account"),
        ("DELETE FROM oos_queue WHERE status = 'error'", "dead.held_without_row"),
        ("UPDATE oos_queue SET request_id = '" + ONE + "' WHERE status = 'pending'", "queue.row_and_result"),
        ("DELETE FROM events", "queue.open_without_event"),
        ("DELETE FROM results", "results.success_counter"),
        ("DELETE FROM results", "foreign_keys"),
        ("DELETE FROM results", "strategies.out_of_sample_source"),
        ("DELETE FROM latencies", "results.latency_histogram"),
        ("UPDATE strategies SET is_request_id = 'nobody'", "strategies.in_sample_source"),
        ("UPDATE strategies SET revision = 99", "strategies.revision"),
        ("UPDATE migrations SET sha256 = 'other'", "migrations"),
        ("UPDATE oos_queue SET failures = -1", "queue.state"),
        ("UPDATE oos_queue SET next_attempt_at = NULL", "queue.state"),
        ("UPDATE dead_letters SET state = 'replayed'", "dead.state"),
    ],
)
def test_each_damage_is_found_by_its_check(sql, check, life, path):
    spoil(path, sql)
    assert check in violations(path)


def test_a_broken_page_is_reported_and_not_raised(life, do, path, writer):
    writer.close()
    with open(path, "r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096))
    assert fsck(path)["ok"] is False


def test_a_backup_is_taken_while_the_writer_works(life, do, facts, path, tmp_path):
    made = backup(path, tmp_path / "copies" / "one.db")
    do(facts.admit(9, "later"))
    assert made["schema"] == 1
    assert made["bytes"] == os.path.getsize(made["file"])
    assert fsck(made["file"])["ok"] is True
    with Reader(made["file"]) as copy:
        assert copy.result(ONE).sharpe == 0.61
        assert [row.name for row in copy.open_rows()] == ["alpha"]


def test_the_writer_can_make_the_backup_itself(life, writer, tmp_path):
    writer.backup(tmp_path / "two.db")
    assert fsck(tmp_path / "two.db")["ok"] is True


def test_a_backup_leaves_no_pieces(life, path, tmp_path):
    backup(path, tmp_path / "copies" / "one.db")
    assert [entry.name for entry in (tmp_path / "copies").iterdir()] == ["one.db"]


def test_a_backup_onto_the_database_is_refused(life, path, tmp_path):
    with pytest.raises(StorageError, match="itself"):
        backup(path, path)
    with pytest.raises(StorageError, match="folder"):
        backup(path, tmp_path)


def test_a_restore_brings_back_what_was_saved_and_keeps_what_stood(facts, path, settings, tmp_path):
    writer = open_writer(path, settings)
    writer.apply([facts.admit(1)])
    backup(path, tmp_path / "one.db")
    writer.apply([facts.admit(2, "beta")])
    with Reader(path) as reader:
        assert reader.queue_counts()["pending"] == 2
        writer.close()
        outcome = restore(path, tmp_path / "one.db")
        assert reader.queue_counts()["pending"] == 1
    with Reader(outcome["kept"]) as kept:
        assert kept.queue_counts()["pending"] == 2
    again = open_writer(path, settings)
    assert again.apply([facts.admit(3, "gamma")])[0].ok
    again.close()
    assert fsck(path)["ok"] is True


def test_a_restore_beside_a_running_writer_is_refused(life, path, tmp_path):
    backup(path, tmp_path / "one.db")
    with pytest.raises(StorageError, match="already has a writer"):
        restore(path, tmp_path / "one.db")


def test_a_restore_where_nothing_stood(life, path, tmp_path):
    backup(path, tmp_path / "one.db")
    outcome = restore(tmp_path / "new" / "foldward.db", tmp_path / "one.db")
    assert outcome["kept"] is None
    assert fsck(tmp_path / "new" / "foldward.db")["ok"] is True


def test_a_damaged_backup_is_refused_and_nothing_is_touched(life, path, tmp_path, writer):
    copy = tmp_path / "one.db"
    backup(path, copy)
    writer.close()
    copy.write_bytes(copy.read_bytes()[:-5000])
    with pytest.raises(StorageError) as refused:
        restore(path, copy)
    assert refused.value.code == "storage.backup"
    assert fsck(path)["ok"] is True


def test_a_damaged_database_can_be_replaced(life, path, tmp_path, writer, settings):
    backup(path, tmp_path / "one.db")
    writer.close()
    with open(path, "r+b") as file:
        file.write(b"\0" * 8192)
    restore(path, tmp_path / "one.db")
    assert fsck(path)["ok"] is True


def test_the_figures_of_the_file(life, path):
    found = stats(path)
    assert found["tables"]["results"] == 1
    assert found["tables"]["oos_queue"] == 3
    assert (found["schema"], found["known_schema"], found["journal_mode"]) == (1, 1, "wal")
    assert found["sqlite"] >= "3.51.3"
