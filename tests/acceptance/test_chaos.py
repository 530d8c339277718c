"""Core and peers are killed under load; nothing is lost, nothing is applied twice, and the check can tell."""

import shutil
from pathlib import Path

import apsw
import pytest

from foldward.testing._chaos_check import check
from foldward.testing.chaos import run

pytestmark = [pytest.mark.slow, pytest.mark.chaos]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """One short play; the database is left as it ended."""
    home = tmp_path_factory.mktemp("chaos") / "home"
    return home, run(home, kills=5, rate=200, seed=11, pace=(0.1, 0.8))


def test_nothing_is_lost_when_core_and_peers_are_killed(played: tuple[Path, dict[str, object]]) -> None:
    _, found = played
    assert found["violations"] == []
    assert found["ok"] is True
    assert found["kills"]["core"] >= 1
    assert found["kills"]["peer"] >= 1
    assert found["acknowledged"] >= 100
    assert found["results"] + found["counters"]["given_up"] == found["counters"]["requested"]


TWICE = """INSERT INTO events SELECT NULL, request_id, at, event, code, data FROM events
    WHERE event = 'oos.result' LIMIT 1"""


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("DELETE FROM results WHERE rowid = 1", "acknowledged and not stored"),
        (TWICE, "an answer is applied once"),
        ("UPDATE counters SET value = value + 1 WHERE name = 'sent'", "the counter sent is"),
        ("UPDATE results SET digest = (SELECT min(digest) FROM results)", "the same work is not done twice"),
        ("UPDATE results SET sharpe = 9.9 WHERE rowid = 1", "fsck: "),
        ("DELETE FROM strategies WHERE name = 'chaos-0-0'", "imported and not stored: chaos-0-0"),
    ],
)
def test_the_check_sees_what_would_be_wrong(
    played: tuple[Path, dict[str, object]], tmp_path: Path, damage: str, complaint: str
) -> None:
    home, _ = played
    copy = tmp_path / "foldward.db"
    shutil.copy(home / "foldward.db", copy)
    connection = apsw.Connection(str(copy))
    acknowledged = {key: "queued" for (key,) in connection.execute("SELECT request_id FROM results")}
    assert check(copy, acknowledged, ["chaos-0-0"])["violations"] == []
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(damage)
    connection.close()
    violations = check(copy, acknowledged, ["chaos-0-0"])["violations"]
    assert any(complaint in line for line in violations), violations
