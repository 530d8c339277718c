"""Any actor may crash, exit or hang during a run: the final tables are those of an undisturbed one."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from processes import Shell

pytestmark = pytest.mark.slow
DRIVER = Path(__file__).resolve().parents[1] / "_support" / "faulty_run.py"
SET = """
[[strategy]]
name = "sma-AAPL"
kind = "sma"
symbol = "AAPL"
timeframe = "D1"
units = 150
grid = { sma_short = [5, 10], sma_long = [50, 100] }
"""


def faulty_run(actor: str, fault: str, nth: int, home: Path, prices: Path) -> tuple[dict[str, object], str]:
    file = home.parent / "set.toml"
    file.write_text(SET)
    done = subprocess.run(
        [sys.executable, str(DRIVER), actor, fault, str(nth), "run", "--json", "--seed", "7",
         "--data", str(prices), "--strategies", str(file), "--home", str(home), "--workers", "1"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout), done.stderr


QUERIES = (
    "SELECT name, kind, digest, result_digest FROM results ORDER BY 1, 2, 3",
    "SELECT name, rank, verdict, stage, gates, reasons FROM strategies ORDER BY 1",
    "SELECT count(*) FROM oos_queue",
)


def tables(home: Path) -> list[list[tuple[object, ...]]]:
    """What a run leaves, without ids and times."""
    with sqlite3.connect(f"file:{home}/foldward.db?mode=ro", uri=True) as db:
        return [db.execute(query).fetchall() for query in QUERIES]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[list[tuple[object, ...]]]:
    from foldward.data import bundled_dir

    home = tmp_path_factory.mktemp("undisturbed") / "home"
    _, said = faulty_run("telemetry", "crash", 10**9, home, bundled_dir())
    assert "FAULT" not in said
    return tables(home)


@pytest.mark.parametrize(
    ("actor", "fault", "nth"),
    [
        ("oos_queue", "crash", 1),
        ("oos_queue", "exit", 9),
        ("oos_queue", "hang", 15),
        ("dispatcher", "crash", 2),
        ("dispatcher", "exit", 30),
        ("dispatcher", "hang", 25),
        ("db_writer", "crash", 3),
        ("db_writer", "exit", 20),
        ("db_writer", "hang", 25),
        ("rank_evaluator", "crash", 5),
        ("rank_evaluator", "hang", 8),
        ("telemetry", "crash", 5),
        ("dead_letter", "exit", 2),
        ("reporter", "crash", 2),
        ("heartbeat", "crash", 1),
    ],
)
def test_a_failing_actor_changes_nothing_in_the_end(
    actor: str,
    fault: str,
    nth: int,
    shell: Shell,
    prices: Path,
    undisturbed: list[list[tuple[object, ...]]],
) -> None:
    answer, said = faulty_run(actor, fault, nth, shell.home, prices)
    assert f"FAULT {actor} {fault}" in said
    assert tables(shell.home) == undisturbed
    assert answer["strategies"] == 4
    assert shell.json("db", "fsck")["ok"] is True
