"""Where the time of one request goes: load, check, signals, simulate, statistics, encode.

    python benchmarks/engine/where_time_goes.py [--bars N…] [--wall]

CPU time of the process (`--wall`: wall time), best of several runs, warm. One backtest of an SMA cross with
stop and target, as a worker computes it; `check` is what a new file costs once, before it is in the cache.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loguru import logger

from foldward.backtest import simulate
from foldward.backtest._series import read_series
from foldward.backtest._signals import builtin_signals
from foldward.backtest.engine import prepare, run, trade
from foldward.backtest.invariants import check_ledger
from foldward.contracts.jobs import Backtest, Strategy
from foldward.data import _npy
from foldward.data.cache import Cache
from foldward.data.contract import check_file
from foldward.wire import dumps, loads
from foldward.worker._fill import from_outcome
from foldward.worker.runner import run_job

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
from bench_data import make

CLOCK = time.perf_counter if "--wall" in sys.argv else time.process_time


def best(function: Callable[[], Any], runs: int = 5) -> float:
    """Milliseconds."""
    function()
    shortest = float("inf")
    for _ in range(runs):
        began = CLOCK()
        function()
        shortest = min(shortest, CLOCK() - began)
    return shortest * 1e3


def measure(folder: Path, bars: int) -> list[tuple[str, float, str]]:
    """(step, milliseconds, what it is)."""
    source = folder / "X_M1.csv"
    make(source, bars)
    cache = Cache(folder / "cache")
    entry = cache.ensure(source, 1)
    series = cache.load(entry.fingerprint)
    strategy = Strategy(
        name="s",
        kind="sma",
        params={"sma_short": 50.0, "sma_long": 200.0},
        symbol="X",
        timeframe=1,
        sl="1%",
        tp="2%",
        cash=1e6,
    )
    job = Backtest(
        request_id="r",
        strategy=strategy,
        data_id=entry.fingerprint,
        symbol="X",
        timeframe=1,
        include_trades=True,
    )
    raw = dumps(job)
    n = len(series)
    made = prepare(series, strategy)
    table, days, _, _ = trade(made, 0, n)
    outcome = simulate(series, strategy)
    answer = run_job(job, cache)

    def first_load() -> None:
        _npy._verified.clear()
        Cache(folder / "cache").load(entry.fingerprint)

    simulated, checked = (
        best(lambda: trade(made, 0, n)),
        best(lambda: check_ledger(series, table, days, 0, n, made.settings)),
    )
    whole = best(lambda: run(made, 0, n))
    return [
        ("check", best(lambda: check_file(source, 1), 2), "once a file: read the CSV, every rule"),
        ("load, first", best(first_load, 3), "once a process: map the columns, verify their hashes"),
        ("load, later", best(lambda: cache.load(entry.fingerprint)), "map and trust what was verified"),
        ("decode", best(lambda: loads(raw), 50), "the request"),
        ("extremes", best(lambda: read_series(series)), "once a series: of blocks of bars, day ends"),
        ("signals", best(lambda: builtin_signals("sma", series, made.strategy.params)), "one streaming pass"),
        ("simulate", simulated, "fills, stops, the day table, event-time checks"),
        ("ledger", checked, "sums by day, the ledger's checks"),
        ("statistics", max(0.0, whole - simulated - checked), "curve, metrics"),
        ("encode", best(lambda: dumps(answer), 20), "the answer's JSON"),
        ("fill", best(lambda: from_outcome(job, outcome), 20), "curves, block sums, trade list, digest"),
        ("all of a request", best(lambda: dumps(run_job(loads(raw), cache))), "as the worker computes it"),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bars", type=int, nargs="*", default=[2_000_000, 10_000])
    parser.add_argument("--wall", action="store_true")
    options = parser.parse_args()
    logger.remove()
    tables = []
    for bars in options.bars:
        with tempfile.TemporaryDirectory() as name:
            tables.append(measure(Path(name), bars))
    print(f"| step | {' | '.join(f'{bars:,} bars' for bars in options.bars)} | what it is |")
    print(f"|---|{'---|' * len(options.bars)}---|")
    for rows in zip(*tables, strict=True):
        figures = " | ".join(f"{row[1]:.2f} ms" for row in rows)
        print(f"| {rows[0][0]} | {figures} | {rows[0][2]} |")


if __name__ == "__main__":
    main()
