"""Any actor may crash, exit or hang at any message of a run, any worker may die or freeze: the final tables
are those of an undisturbed run.

Chosen points first, one at least for each of the eleven actors and for the worker processes; then a seeded
sample of all points there are. FOLDWARD_FAULTS=200 makes the sample longer, FOLDWARD_FAULTS_SEED=2 draws
another one, FOLDWARD_FAULT="dispatcher crash 12 after" repeats one point (docs/STABILITY_TESTING.md).
"""

import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from foldward.data import bundled_dir
from storage.maintenance import fsck

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
QUERIES = (
    "SELECT name, kind, digest, result_digest FROM results ORDER BY 1, 2, 3",
    "SELECT name, rank, verdict, stage, gates, reasons FROM strategies ORDER BY 1",
    "SELECT count(*) FROM oos_queue",
)
FAULTS = ("crash", "exit", "hang")
WHEN = ("before", "within", "after")
ANSWERS = 20  # of workers: four strategies, each validated in five phases
SAMPLE = 6

Tables = list[list[tuple[object, ...]]]


class Point(NamedTuple):
    """Which part fails, how, and when."""

    part: str
    fault: str
    nth: int
    when: str

    def __str__(self) -> str:
        return f"{self.part} {self.fault} {self.nth} {self.when}"


class Played(NamedTuple):
    """What is left of one run."""

    struck: bool
    handled: dict[str, int]
    tables: Tables
    sound: bool
    said: str


def play(point: Point) -> Played:
    """One run in a home of its own, with one worker: what freezes must be replaced."""
    # Ours are no settings, and the product refuses names with its prefix that it does not know.
    env = {name: value for name, value in os.environ.items() if not name.startswith("FOLDWARD_FAULT")}
    env["FOLDWARD_QUEUE__GRACE_S"] = "1"  # a worker that lives answers in a tenth of that
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        home, file = Path(folder) / "home", Path(folder) / "set.toml"
        file.write_text(SET)
        done = subprocess.run(
            [sys.executable, str(DRIVER), *map(str, point), "run", "--json", "--seed", "7", "--data",
             str(bundled_dir()), "--strategies", str(file), "--home", str(home), "--workers", "1"],
            capture_output=True, text=True, timeout=150, check=False, env=env,
        )  # fmt: skip
        assert done.returncode == 0, f"{point}: exit {done.returncode}\n{done.stderr[-3000:]}"
        assert json.loads(done.stdout)["strategies"] == 4
        *_, handled = (line for line in done.stderr.splitlines() if line.startswith("HANDLED "))
        return Played(
            struck=f"FAULT {point.part} {point.fault} " in done.stderr,
            handled=json.loads(handled.removeprefix("HANDLED ")),
            tables=tables(home),
            sound=fsck(home / "foldward.db")["ok"] is True,
            said=done.stderr,
        )


def tables(home: Path) -> Tables:
    """What a run leaves, without ids and times."""
    with sqlite3.connect(f"file:{home}/foldward.db?mode=ro", uri=True) as db:
        return [db.execute(query).fetchall() for query in QUERIES]


@pytest.fixture(scope="module")
def undisturbed() -> Played:
    # A run that compiles first takes long, and its actors handle more ticks than any other run gives them:
    # points drawn from it would not be reached.
    compiled = "from foldward.backtest import warm_up; warm_up()"
    subprocess.run([sys.executable, "-c", compiled], capture_output=True, check=True)
    played = play(Point("none", "crash", 0, "before"))
    assert not played.struck
    assert played.sound
    assert len(played.tables[0]) == ANSWERS
    return played


POINTS = [
    Point("oos_queue", "exit", 9, "before"),
    Point("oos_queue", "hang", 15, "within"),
    Point("dispatcher", "crash", 2, "after"),
    Point("dispatcher", "hang", 25, "before"),
    Point("db_writer", "exit", 20, "before"),
    Point("db_writer", "crash", 3, "after"),
    Point("rank_evaluator", "hang", 8, "before"),
    Point("wfv_scheduler", "exit", 5, "after"),
    Point("telemetry", "crash", 5, "before"),
    Point("dead_letter", "exit", 2, "before"),
    Point("notifier", "hang", 1, "before"),
    Point("reporter", "crash", 2, "before"),
    Point("heartbeat", "crash", 1, "before"),
    Point("console", "crash", 1, "after"),
    Point("worker", "crash", 7, "before"),
    Point("worker", "hang", 3, "after"),
]


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[dict[Point, Future[Played]]]:
    """The runs of the chosen points, two at a time: each waits for its own clocks most of the while."""
    wanted = {
        getattr(item, "callspec", None) and item.callspec.params.get("point")
        for item in request.session.items
    }
    with ThreadPoolExecutor(2) as pool:
        yield {point: pool.submit(play, point) for point in POINTS if point in wanted}


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_failing_part_changes_nothing_in_the_end(
    point: Point, undisturbed: Played, runs: dict[Point, Future[Played]]
) -> None:
    played = runs[point].result()
    assert played.struck, played.said[-2000:]
    assert played.tables == undisturbed.tables
    assert played.sound


def drawn(count: int, seed: int, handled: dict[str, int]) -> list[Point]:
    """Points drawn evenly over parts, and over the messages of each.

    Ticks come by the clock, and a run that is faster than the counted one has fewer of them: the last fifth
    of the messages is left out.
    """
    rng = random.Random(seed)
    parts = [*sorted(handled), "worker"]
    points = []
    for _ in range(count):
        part = rng.choice(parts)
        reach = ANSWERS if part == "worker" else handled[part]
        points.append(
            Point(part, rng.choice(FAULTS), rng.randint(1, max(1, reach * 4 // 5)), rng.choice(WHEN))
        )
    return points


def test_no_point_of_a_sample_changes_anything_in_the_end(undisturbed: Played) -> None:
    count = int(os.environ.get("FOLDWARD_FAULTS", SAMPLE))
    seed = int(os.environ.get("FOLDWARD_FAULTS_SEED", 1))
    points = drawn(count, seed, undisturbed.handled)
    if alone := os.environ.get("FOLDWARD_FAULT"):
        part, fault, nth, when = alone.split()
        points = [Point(part, fault, int(nth), when)]

    def outcome(point: Point) -> str:
        try:
            played = play(point)
        except (AssertionError, subprocess.TimeoutExpired) as failure:
            return f"{point}: {failure}"
        if played.tables != undisturbed.tables:
            return f"{point}: other tables: {difference(undisturbed.tables, played.tables)}"
        if not played.sound:
            return f"{point}: db fsck finds violations"
        return "" if played.struck else "not reached"

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(outcome, points))
    wrong = [text for text in outcomes if text and text != "not reached"]
    assert not wrong, "\n\n".join(wrong)
    assert outcomes.count("not reached") <= len(points) // 4, [
        str(point) for point, text in zip(points, outcomes, strict=True) if text
    ]


def difference(expected: Tables, found: Tables) -> str:
    """The rows that only one side has."""
    missing = [row for one, two in zip(expected, found, strict=True) for row in one if row not in two]
    more = [row for one, two in zip(expected, found, strict=True) for row in two if row not in one]
    return f"missing {missing[:3]}, instead {more[:3]}"
