"""Migrations: numbered, frozen, each whole or not at all, and arriving at schema.sql."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from foldward.contracts.errors import StorageError
from foldward.settings import StorageTable
from storage import migrate, open_writer
from storage.maintenance import fsck
from storage.migrate import Migration
from storage.reads import Reader

FROZEN = Path(__file__).with_name("frozen.json")
SECOND = Migration(
    2, "add_colour", "ALTER TABLE runs ADD COLUMN colour TEXT;\nCREATE TABLE paint (x TEXT) STRICT;"
)
BROKEN = Migration(2, "break", "CREATE TABLE paint (x TEXT) STRICT;\nINSERT INTO nowhere VALUES (1);")


def schema(connection):
    rows = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    return [(kind, name, table, re.sub(r"\s+", " ", sql)) for kind, name, table, sql in rows]


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "foldward.db"
    open_writer(path, StorageTable(synchronous="NORMAL")).close()
    connection = apsw.Connection(str(path))
    yield connection
    connection.close()


def test_the_migrations_arrive_at_the_schema():
    migrated, written = apsw.Connection(":memory:"), apsw.Connection(":memory:")
    migrate.migrate(migrated)
    written.execute(migrate.SCHEMA.read_text())
    assert schema(migrated) == schema(written)


def test_a_migration_that_was_released_is_never_edited():
    frozen = json.loads(FROZEN.read_text())
    found = {f"{step.number:04d}_{step.name}": step.sha256 for step in migrate.load()}
    assert found == frozen, "add a new numbered file instead, and its hash to frozen.json"


def test_an_up_to_date_file_is_left_alone(database, tmp_path):
    assert migrate.migrate(database) is None
    assert [entry.name for entry in tmp_path.iterdir() if "before" in entry.name] == []


def test_a_file_with_data_is_copied_before_it_is_changed(database):
    database.execute("INSERT INTO meta VALUES ('paused', '1')")
    copy = migrate.migrate(database, [*migrate.load(), SECOND])
    assert migrate.version(database) == 2
    assert database.execute("SELECT value FROM meta").get == "1"
    with Reader(copy) as before:
        assert before.meta("paused") == "1"
    assert fsck(copy)["schema"] == 1


def test_a_step_that_fails_changes_nothing_and_names_the_copy(database):
    with pytest.raises(StorageError) as failed:
        migrate.migrate(database, [*migrate.load(), BROKEN])
    assert failed.value.code == "storage.migration"
    assert "0002_break" in failed.value.message
    assert Path(failed.value.context["copy"]).is_file()
    assert migrate.version(database) == 1
    assert not database.table_exists("main", "paint")


def test_a_newer_file_is_refused_by_an_older_program(database, tmp_path):
    migrate.migrate(database, [*migrate.load(), SECOND])
    database.close()
    path = tmp_path / "foldward.db"
    for refused in (lambda: open_writer(path, StorageTable()), lambda: Reader(path).queue_counts()):
        with pytest.raises(StorageError) as newer:
            refused()
        assert newer.value.code == "storage.newer"


def test_another_programs_file_is_not_migrated(tmp_path):
    path = tmp_path / "foldward.db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(StorageError, match="not a Foldward database"):
        open_writer(path, StorageTable())
    kept = apsw.Connection(str(path))
    assert kept.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]
    kept.close()


@pytest.mark.parametrize(
    "names", [["0001_a.sql", "0003_b.sql"], ["0002_a.sql"], ["1_a.sql"], ["0001_A b.sql"]]
)
def test_numbers_without_order_are_refused(names, tmp_path):
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(StorageError) as refused:
        migrate.load(tmp_path)
    assert refused.value.code == "storage.migration"


_KILLED = """
import os, signal, sys
import apsw
from storage import migrate
from storage.migrate import Migration

steps = int(sys.argv[2])
connection = apsw.Connection(sys.argv[1])
done = 0

def count(*_):
    global done
    done += 1
    if done == steps:
        os.kill(os.getpid(), signal.SIGKILL)
    return True

connection.set_exec_trace(count)
sql = "ALTER TABLE runs ADD COLUMN colour TEXT; CREATE TABLE paint (x TEXT) STRICT;"
second = Migration(2, "add_colour", sql)
migrate.migrate(connection, [*migrate.load(), second])
"""


@pytest.mark.slow
def test_a_process_killed_at_any_statement_leaves_a_whole_number(tmp_path):
    ended = set()
    for steps in range(1, 60, 4):
        path = tmp_path / f"{steps}.db"
        done = subprocess.run([sys.executable, "-c", _KILLED, str(path), str(steps)], check=False)
        assert done.returncode in (0, -signal.SIGKILL)
        connection = apsw.Connection(str(path))
        number = migrate.version(connection)
        ended.add(number)
        assert connection.table_exists("main", "oos_queue") == (number >= 1)
        assert connection.table_exists("main", "paint") == (number >= 2)
        migrate.migrate(connection, [*migrate.load(), SECOND])
        assert connection.execute("PRAGMA integrity_check").get == "ok"
        connection.close()
        for leftover in tmp_path.glob(f"{steps}.db*"):
            os.unlink(leftover)
    assert ended >= {0, 1}
