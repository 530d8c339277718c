"""The engine's figures beside its peers', in one run on one machine.

    python benchmarks/engine/compare.py [--bars 2000000] [--peers PYTHON …] [--json FILE]

Each --peers names the interpreter of an environment that has one or more of: vectorbt (with vectorbt-rust),
backtesting, backtrader. A peer that no interpreter has is named as missing; nothing is estimated. Slow peers
run on fewer bars and are scaled by the number of bars, which the table says.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numba
import numpy as np

from foldward.backtest import _kernels as k
from foldward.backtest import cpcv, simulate, walk_forward
from foldward.backtest._signals import column, flags
from foldward.backtest.engine import prepare, run
from foldward.backtest.invariants import check_ledger
from foldward.backtest.windows import measure_ranges
from foldward.contracts.jobs import Strategy
from foldward.data.bars import NS, Bars, day_ends

HERE = Path(__file__).parent
STRATEGY = Strategy(
    name="bench",
    kind="sma",
    params={"sma_short": 10, "sma_long": 30},
    sl="1%",
    tp="2%",
    timeframe=1,
    cash=1e6,
)
# Peer → (share of the bars it is given, goal for peer's time ÷ ours). The goals are the project's own.
PEERS = {
    "vectorbt numba": (1.0, 20),
    "vectorbt rust": (1.0, 5),
    "backtesting.py": (0.02, 500),
    "backtrader": (0.01, 5000),
}


def synthetic(n: int) -> Bars:
    """n minute bars of a random walk, fixed seed, prices near 100."""
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 2e-4, n)))
    opening = np.concatenate((close[:1], close[:-1]))
    reach = np.abs(rng.normal(0, 1e-4, n)) * close
    time_ns = (1_500_000_000 // 86_400 * 86_400 + 60 * np.arange(n, dtype=np.int64)) * NS
    return Bars(
        time=time_ns,
        open=opening,
        high=np.maximum(opening, close) + reach,
        low=np.minimum(opening, close) - reach,
        close=close,
        volume=rng.integers(1, 1000, n).astype(np.float64),
        day_end=day_ends(time_ns),
        timeframe=1,
        provenance="synthetic",
    )


def best(function: Callable[[], Any], runs: int = 7) -> float:
    """Shortest wall time in seconds, after one call that warms caches."""
    function()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def ours(bars: Bars) -> dict[str, float]:
    """Seconds of every part of one backtest, and of all splits together."""
    n = len(bars)
    prepared = prepare(bars, STRATEGY)
    columns = [column(x) for x in (bars.open, bars.high, bars.low, bars.close)]
    wishes, ends = np.zeros(n, dtype=np.uint8), flags(bars.day_end)
    costs = (prepared.settings, prepared.atr, prepared.swap_long, prepared.swap_short)
    nothing, no_table = np.zeros(0), np.zeros((0, k.TRADE_COLUMNS))

    def kernel() -> Any:
        return k.simulate(*columns, prepared.signals, ends, 0, n, *costs, nothing, no_table, False)

    trades, days, _, _ = kernel()
    cut = n * 4 // 5
    windows = [(0, cut), (cut, n)]
    windows += [(i * n // 120, (i + 1) * n // 120) for i in range(120)]
    windows += [(i * n // 10, (i + 1) * n // 10) for i in range(10)]

    def everything() -> Any:
        return measure_ranges(prepare(bars, STRATEGY), windows)

    def rerun() -> Any:
        made = prepare(bars, STRATEGY)
        return [run(made, lo, hi, check_rows=False) for lo, hi in windows]

    report_plan = {"mode": "rolling", "train": n // 40, "test": n // 123}
    small = first_bars(bars, 100_000)
    return {
        "reading the four columns once": best(lambda: [float(x.sum()) for x in columns]),
        "signal kernel": best(lambda: k.signal_sma(columns[3], wishes, 10, 30)),
        "simulation kernel": best(kernel),
        "ledger and invariants": best(lambda: check_ledger(bars, trades, days, 0, n, prepared.settings)),
        "one backtest, complete": best(lambda: simulate(bars, STRATEGY)),
        "in/out of sample + 120 windows + 10 groups, with signals": best(everything, 5),
        "the same, each simulated alone": best(rerun, 1),
        "walk-forward report, about 120 folds with train parts": best(
            lambda: walk_forward(bars, STRATEGY, report_plan), 3
        ),
        "CPCV(10,2) report": best(lambda: cpcv(bars, STRATEGY, {}), 3),
        "one of 1,000 parameter sets x 100,000 bars": best(lambda: grid(small), 1) / 1000,
        "trades": float(len(trades)),
    }


def first_bars(bars: Bars, n: int) -> Bars:
    """The first n bars."""
    names = ("time", "open", "high", "low", "close", "volume", "day_end")
    columns: dict[str, Any] = {name: getattr(bars, name)[:n] for name in names}
    return replace(bars, **columns)


def grid(bars: Bars) -> None:
    """1,000 complete backtests with different averages."""
    for number in range(1000):
        params = {"sma_short": 5 + number % 20, "sma_long": 30 + number // 20 * 2}
        simulate(bars, msgspec.structs.replace(STRATEGY, params=params), calendar=365)


def ask(peer: str, pythons: list[str], candles: Path, bars: int) -> dict[str, Any]:
    """The peer's answer from the first interpreter that has it, or why none has."""
    why = "no interpreter given (--peers)"
    for python in pythons:
        command = [python, str(HERE / "_peers.py"), peer, str(candles), str(bars)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            why = (done.stderr.strip().splitlines() or ["no output"])[-1]
            continue
        answer = json.loads(lines[-1])
        if "missing" not in answer:
            return answer
        why = answer["missing"]
    return {"missing": why}


def main() -> int:
    """Measure, print the tables, write the JSON; 0 even when a goal is missed: the table says so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bars", type=int, default=2_000_000)
    parser.add_argument("--peers", nargs="*", default=[], metavar="PYTHON")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    bars = synthetic(options.bars)
    mine = ours(bars)
    trades = mine.pop("trades")
    print(f"{options.bars:,} bars, {trades:,.0f} trades, numba {numba.__version__}, {platform.machine()}")
    print("\nWhere the time goes")
    reading = mine["reading the four columns once"]
    for name, seconds in mine.items():
        print(f"  {seconds * 1e3:10.2f} ms  {seconds / reading:7.1f} x reading   {name}")
    kernels = mine["signal kernel"] + mine["simulation kernel"]
    whole = mine["one backtest, complete"]
    splits = mine["in/out of sample + 120 windows + 10 groups, with signals"]
    ratios = {
        "signals + simulation / reading (goal <= 7)": kernels / reading,
        "invariants / backtest (goal <= 0.03)": mine["ledger and invariants"] / whole,
        "all splits / one backtest (goal <= 1.6)": splits / whole,
    }
    for name, value in ratios.items():
        print(f"  {value:10.3f}  {name}")
    print("\nPeers in this run (their time / our simulation kernel's, per bar)")
    answers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        candles = Path(folder) / "candles.npz"
        names = ("open", "high", "low", "close", "volume")
        np.savez(candles, time=bars.time // NS, **{name: getattr(bars, name) for name in names})
        for peer, (share, goal) in PEERS.items():
            given = int(options.bars * share)
            answers[peer] = answer = ask(peer, options.peers, candles, given)
            if "missing" in answer:
                print(f"  {peer:16s} MISSING: {answer['missing']}")
                continue
            factor = answer["seconds"] / given * options.bars / mine["simulation kernel"]
            answer["factor"] = factor
            print(
                f"  {peer:16s} {answer['version']:10s} {given:>9,} bars {answer['seconds'] * 1e3:12.1f} ms "
                f"{answer['trades']:>7,} trades {factor:10.1f} x  (goal {goal:,})"
            )
        answers["vectorbt grid"] = answer = ask("vectorbt grid", options.peers, candles, options.bars)
        if "missing" in answer:
            print(f"  {'vectorbt grid':16s} MISSING: {answer['missing']}")
        else:
            each = mine["one of 1,000 parameter sets x 100,000 bars"]
            answer["factor"] = answer["seconds"] / each
            print(
                f"  one parameter set x 100,000 bars, signals included: {answer['factor']:.1f} x  (goal 30)"
            )
    if options.json:
        options.json.write_text(
            json.dumps({"bars": options.bars, "seconds": mine, "ratios": ratios, "peers": answers}, indent=1)
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
