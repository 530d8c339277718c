"""What a second worker adds: its computing alone, and with the link and core around it.

    python benchmarks/engine/workers.py [--seconds 1.5] [--tree]

Each line: jobs a second of one process and of two side by side (each calls the worker's own `run_job`; no
core, no link), their ratio, and how much more CPU time a job takes when the neighbour works. "spin" is a loop
that touches no memory: what the machine itself gives a second process. "reading" does nothing but read the
series' columns, 41 MB: what the machine's memory gives a second process. `--tree` asks the same series
through the link with one and two workers beside a core. A ratio of 2 less the CPU that core takes is the most
there is where all share two cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from loguru import logger

from foldward.contracts.ids import new_id
from foldward.contracts.jobs import Backtest, Strategy
from foldward.data.cache import Cache
from foldward.worker.runner import run_job

sys.path.insert(0, str(Path(__file__).parent.parent / "cluster"))
from overhead import AHEAD, measure, series

GRID = {"mode": "rolling", "train": 20_000, "test": 5_000, "grid": {"sma_short": [5, 10, 20]}}
KINDS = {
    "spin": (0, "", {}),
    "reading, 1,000,000 bars": (1_000_000, "", {}),
    "backtest, 2,000 bars": (2_000, "backtest", {}),
    "backtest, 10,000 bars": (10_000, "backtest", {}),
    "backtest, 100,000 bars": (100_000, "backtest", {}),
    "backtest, 1,000,000 bars": (1_000_000, "backtest", {}),
    "backtest, 2,000,000 bars": (2_000_000, "backtest", {}),
    "wfv with a grid, 100,000 bars": (100_000, "wfv", GRID),
    "evidence, 100,000 bars": (100_000, "evidence", {}),
}


@numba.njit(nogil=True)
def spin(count: int) -> float:
    """Work without memory."""
    x = 1.0
    for _ in range(count):
        x = x * 1.000001 + 1e-9
    return x


def job(fingerprint: str, phase: Any, plan: Any, number: int) -> Backtest:
    """One request; its parameters vary, so that no answer can be remembered."""
    params = {"sma_short": 5.0 + number % 20, "sma_long": 40.0 + number % 50}
    return Backtest(
        request_id=new_id(),
        data_id=fingerprint,
        timeframe=1,
        phase=phase,
        plan=plan or None,
        strategy=Strategy(name=f"s{number}", kind="sma", params=params, symbol="X", timeframe=1),
    )


def serve(kind: str, folder: Path, fingerprint: str) -> None:
    """A worker's computing: told how long on stdin, answers with jobs, seconds and CPU seconds."""
    logger.remove()
    _, phase, plan = KINDS[kind]
    cache = Cache(folder / "cache")

    def one(number: int) -> None:
        answer = run_job(job(fingerprint, phase, plan, number), cache)
        if answer.error is not None:
            raise SystemExit(f"{kind}: {answer.error}")

    work: Callable[[int], object] = one if phase else lambda _: spin(2_000_000)
    if fingerprint and not phase:
        bars = cache.load(fingerprint)
        columns: list[Any] = [bars.open, bars.high, bars.low, bars.close, bars.volume, bars.day_end]
        work = lambda _: [values.max() for values in columns]  # noqa: E731
    for number in range(3):
        work(number)
    print("ready", flush=True)
    for line in sys.stdin:
        done, began, cpu = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < float(line):
            work(done)
            done += 1
        print(done, time.perf_counter() - began, time.process_time() - cpu, flush=True)


def rates(kind: str, folder: Path, fingerprint: str, seconds: float) -> dict[int, tuple[float, float]]:
    """Processes at work → (jobs a second together, CPU seconds a job); the best of four rounds each."""
    argv = [sys.executable, __file__, "--serve", kind, str(folder), fingerprint]
    hands = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    best: dict[int, tuple[float, float]] = {}
    try:
        for hand in hands:
            if hand.stdout is None or hand.stdout.readline() != "ready\n":
                raise SystemExit(f"{kind} did not start")
        for count in (1, 2) * 4:
            for hand in hands[:count]:
                print(seconds, file=hand.stdin, flush=True)
            told = [[float(word) for word in hand.stdout.readline().split()] for hand in hands[:count]]  # type: ignore[union-attr]
            rate = sum(jobs / wall for jobs, wall, _ in told)
            each = sum(cpu for *_, cpu in told) / sum(jobs for jobs, *_ in told)
            best[count] = max(best.get(count, (0.0, 0.0)), (rate, each))
    finally:
        for hand in hands:
            hand.kill()
            hand.wait()
    return best


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--tree", action="store_true", help="through the link too, with one and two workers")
    parser.add_argument("--only", default="", metavar="TEXT", help="the lines with this in their name")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve[0], Path(options.serve[1]), options.serve[2])
    kinds = {kind: of for kind, of in KINDS.items() if options.only in kind}
    logger.remove()
    with tempfile.TemporaryDirectory() as name:
        made: dict[int, tuple[Path, str]] = {0: (Path(name), "")}
        for bars, _, _ in kinds.values():
            if bars not in made:
                folder = Path(name) / str(bars)
                folder.mkdir()
                made[bars] = (folder, series(folder, bars))
        print(f"{'':32}{'one':>9}{'two':>9} jobs/s   ratio   CPU a job, two : one")
        for kind, (bars, _, _) in kinds.items():
            best = rates(kind, *made[bars], options.seconds)
            (one, cpu_one), (two, cpu_two) = best[1], best[2]
            print(f"{kind:32}{one:9.1f}{two:9.1f} {two / one:14.2f} {cpu_two / cpu_one:12.2f}", flush=True)
        if not options.tree:
            return None
        ahead = ["--capacity", str(AHEAD)]
        for bars in sorted(made.keys() - {0}):
            folder, fingerprint = made[bars]
            count = max(300, min(4000, 40_000_000 // bars))
            one, two = (measure(folder, fingerprint, count, *([ahead] * hands))[0] for hands in (1, 2))
            print(f"{f'with the link, {bars:,} bars':32}{one:9.1f}{two:9.1f} {two / one:14.2f}", flush=True)
    return None


if __name__ == "__main__":
    main()
