"""The operator's ten questions as whole commands, on a million finished requests and 100,000 open ones.

    python benchmarks/operator/ten_questions.py [--finished 1000000] [--open 100000] [--times 5] [--home DIR]

Each command is a process of its own, its start included; those that need a core ask a running one (without
workers, so that nothing moves). Prints one JSON object: for each question the median and the slowest wall
time and the median CPU time of the command, in milliseconds. Goal: each answered within 1,000 ms. Exit 1
when one is not. --home keeps the database for another look.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

GOAL_MS = 1_000.0
COMMAND = [sys.executable, "-m", "foldward.cli"]
_MILLION = Path(__file__).parents[1] / "storage" / "bench_million.py"


def fill(database: Path, finished: int, waiting: int) -> None:
    """The finished requests of benchmarks/storage/bench_million.py, open ones and dead letters.

    The open ones are as the queue makes them, due in some hours, so that a core can run beside them.
    """
    spec = importlib.util.spec_from_file_location("bench_million", _MILLION)
    assert spec is not None
    assert spec.loader is not None
    million = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(million)
    million.fill(database, finished, 0)
    from foldward.contracts import clock
    from foldward.contracts.facts import AdmitRequest, HoldDeadLetter
    from foldward.contracts.jobs import Backtest, Strategy
    from foldward.settings import StorageTable
    from foldward.wire import dumps
    from storage import open_writer

    writer = open_writer(database, StorageTable(synchronous="NORMAL"))
    now = clock.utc_us()
    for start in range(0, waiting, 500):
        batch = []
        for number in range(start, min(start + 500, waiting)):
            request_id = f"019a0000-0000-7000-8000-{number:012d}"
            strategy = Strategy(name=f"s{number % 10_000}", kind="sma", symbol="EURUSD")
            batch.append(
                AdmitRequest(
                    request_id=request_id,
                    name=strategy.name,
                    kind="backtest",
                    digest=f"sha256:{number:064x}",
                    payload=dumps(Backtest(request_id=request_id, strategy=strategy, phase="backtest")),
                    requested_us=now - number,
                    due_us=now + 20 * 3600 * clock.US,
                )
            )
        refused = [outcome for outcome in writer.apply(batch) if not outcome.ok]
        assert not refused, refused[0]
    facts = [
        HoldDeadLetter(
            payload=b"{%d" % number,
            reason="unparseable",
            code="wire.unparseable",
            error="not JSON",
            direction="result",
            peer="worker-1",
            at_us=million.T0 + number,
        )
        for number in range(1_000)
    ]
    for start in range(0, len(facts), 250):
        assert all(outcome.ok for outcome in writer.apply(facts[start : start + 250]))
    writer.close()


def questions(finished: int, first_dead: int) -> dict[str, tuple[list[str], bool]]:
    """Question → (command line, whether it needs a core). The operator's ten, and what is near."""
    middle = f"01980000-0000-7000-8000-{finished // 2:012d}"
    return {
        "status": (["status"], False),
        "what is stuck": (["stuck"], False),
        "why": (["why", middle], False),
        "what failed, by cause": (["failures", "--since", "24h", "--by", "reason"], False),
        "what failed in a year, by cause": (["failures", "--since", "9000h", "--by", "reason"], False),
        "which passed": (["verdicts", "--passed"], False),
        "p99": (["latency"], False),
        "restarts": (["tree"], True),
        "status, core up": (["status"], True),
        "replay": (["dead", "replay", str(first_dead), "--dry-run"], True),
        "pause": (["pause"], True),
        "resume": (["resume"], True),
        "drain": (["drain"], True),
        "all verdicts": (["verdicts"], False),
        "list": (["oos", "list"], False),
        "dead letters": (["dead", "list"], False),
        "the ladder": (["rank"], False),
        "figures": (["report", "oos"], False),
    }


def ask(line: Sequence[str], env: dict[str, str]) -> tuple[float, float, int]:
    """(wall ms, CPU ms, exit code) of one command."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*COMMAND, *line, "--json"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(line)}: exit {done.returncode}: {done.stderr.decode()}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall * 1e3, cpu * 1e3, done.returncode


def measure(line: Sequence[str], env: dict[str, str], times: int) -> dict[str, float]:
    """Median and slowest of some tries."""
    tries = [ask(line, env) for _ in range(times)]
    walls, cpus = sorted(wall for wall, _, _ in tries), sorted(cpu for _, cpu, _ in tries)
    return {
        "median_ms": round(walls[len(walls) // 2], 1),
        "slowest_ms": round(walls[-1], 1),
        "cpu_ms": round(cpus[len(cpus) // 2], 1),
    }


def with_core(home: Path, env: dict[str, str], jobs: dict[str, list[str]], times: int) -> dict[str, Any]:
    """Ask a running core; it is ended afterwards."""
    log = (home / "core.out").open("wb")
    core = subprocess.Popen([*COMMAND, "core", "--workers", "0"], env=env, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until and core.poll() is None:
            done = subprocess.run([*COMMAND, "tree", "--json"], env=env, capture_output=True, check=False)
            if done.returncode == 0:
                break
            time.sleep(0.2)
        else:
            raise SystemExit(f"core did not come up: {(home / 'core.out').read_text()[-2000:]}")
        return {name: measure(line, env, times) for name, line in jobs.items()}
    finally:
        core.send_signal(signal.SIGTERM)
        try:
            core.wait(15)
        except subprocess.TimeoutExpired:
            core.kill()
            core.wait(5)
        log.close()


def main() -> int:
    """Run and print one JSON object."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--finished", type=int, default=1_000_000)
    options.add_argument("--open", type=int, default=100_000)
    options.add_argument("--times", type=int, default=5)
    options.add_argument("--home", type=Path, default=None)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="fw-ten-") as passing:
        home = given.home or Path(passing)
        home.mkdir(parents=True, exist_ok=True)
        database = home / "foldward.db"
        if not database.exists():
            fill(database, given.finished, given.open)
        env = {key: value for key, value in os.environ.items() if not key.startswith("FOLDWARD_")}
        # Without requests for what ten thousand strategies still need: the questions are what is measured.
        env |= {"FOLDWARD_HOME": str(home), "NO_COLOR": "1", "FOLDWARD_RANK__AUTO_REQUEST": "false"}
        asked = questions(given.finished, 1)
        ask(["status"], env)  # bytecode and file cache as on a machine that is in use
        found = {name: measure(line, env, given.times) for name, (line, core) in asked.items() if not core}
        found |= with_core(
            home, env, {name: line for name, (line, core) in asked.items() if core}, given.times
        )
        figures = {
            "finished": given.finished,
            "open": given.open,
            "file_mb": round(database.stat().st_size / 1e6),
            "goal_ms": GOAL_MS,
            "questions": {name: found[name] for name in asked},
        }
    print(json.dumps(figures, indent=2))
    return int(any(figure["slowest_ms"] > GOAL_MS for figure in found.values()))


if __name__ == "__main__":
    sys.exit(main())
