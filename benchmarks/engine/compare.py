"""The engine's figures beside its peers', in one run on one machine.

    python benchmarks/engine/compare.py [--bars 2000000] [--peers PYTHON …] [--json FILE] [--cpu]

Each --peers names the interpreter of an environment that has one or more of: vectorbt (with vectorbt-rust),
backtesting, backtrader, nautilus_trader. A peer that no interpreter has is named as missing; nothing is
estimated. Slow peers run on fewer bars and are scaled by the number of bars, which the table says.
"""

from __future__ import annotations

import argparse
import json
import os
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
from foldward.backtest._series import read_series
from foldward.backtest.engine import prepare, run, trade
from foldward.backtest.invariants import check_ledger
from foldward.backtest.windows import measure_ranges
from foldward.contracts.jobs import Strategy
from foldward.data.bars import NS, Bars, day_ends

HERE = Path(__file__).parent
# On a machine that others use, CPU time says more than wall time; all of this is one thread, peers included.
CPU = "--cpu" in sys.argv
CLOCK = time.process_time if CPU else time.perf_counter
# The usual crossing, and one that trades every 26 bars: what a position costs against what a bar costs.
PAIRS = {"usual": (50, 200), "dense": (10, 30)}


def strategy(pair: tuple[int, int]) -> Strategy:
    """SMA cross with stop and target, always in the market."""
    params = {"sma_short": pair[0], "sma_long": pair[1]}
    return Strategy(name="bench", kind="sma", params=params, sl="1%", tp="2%", timeframe=1, cash=1e6)


@numba.njit(nogil=True, error_model="numpy")
def sums_alone(trades: Any, days: Any, settings: Any, per_day: Any) -> None:
    """What `check_trades` sums up by day, without a check: the difference is what its checks cost."""
    units, rate = settings[k.S_UNITS], settings[k.S_COMMISSION]
    worse = settings[k.S_HALF] + settings[k.S_SLIPPAGE]
    per_day[:] = 0.0
    day = 0
    for t in range(trades.shape[0]):
        pnl, side, leave = trades[t, k.T_PNL], trades[t, k.T_SIDE], int(trades[t, k.T_EXIT])
        price_in = trades[t, k.T_RAW_ENTRY] + side * worse
        price_out = trades[t, k.T_RAW_EXIT] - side * worse
        while day < days.shape[1] - 1 and days[k.D_LAST, day] < leave:
            day += 1
        per_day[k.P_TRADES, day] += 1.0
        if pnl > 0.0:
            per_day[k.P_WINS, day] += 1.0
            per_day[k.P_PROFIT, day] += pnl
        else:
            per_day[k.P_LOSS, day] -= pnl
        per_day[k.P_NOTIONAL, day] += (price_in + price_out) * units
        per_day[k.P_RETURNS, day] += pnl / (price_in * units)
        if rate < 0.0:
            return


ALL_SPLITS = "in/out of sample + 120 windows + 10 groups, with signals"
# Peer → (share of the bars it is given, goal for peer's time ÷ ours). The goals are the project's own.
PEERS = {
    "vectorbt numba": (1.0, 20),
    "vectorbt rust": (1.0, 5),
    "backtesting.py": (0.02, 500),
    "backtrader": (0.01, 5000),
    "nautilus_trader": (0.01, 5000),
}


def synthetic(n: int) -> Bars:
    """n minute bars of a random walk, fixed seed, prices near 100."""
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 2e-4, n)))
    opening = np.concatenate((close[:1], close[:-1]))
    reach = np.abs(rng.normal(0, 1e-4, n)) * close
    time_ns = (1_500_000_000 // 86_400 * 86_400 + 60 * np.arange(n, dtype=np.int64)) * NS
    made = Bars(
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
    # As the cache gives them: what nobody can write to is read once for all strategies.
    for name in ("time", "open", "high", "low", "close", "volume", "day_end"):
        getattr(made, name).flags.writeable = False
    return made


def best(function: Callable[[], Any], runs: int = 7) -> float:
    """Shortest time in seconds, after one call that warms caches."""
    function()
    times = []
    for _ in range(runs):
        start = CLOCK()
        function()
        times.append(CLOCK() - start)
    return min(times)


def ours(bars: Bars, pair: tuple[int, int]) -> dict[str, float]:
    """Seconds of every part of one backtest, and of all splits together."""
    n = len(bars)
    rule = strategy(pair)
    prepared = prepare(bars, rule)
    series = prepared.series
    columns = [series.open, series.high, series.low, series.close]
    wishes = np.zeros(n, dtype=np.uint8)
    trades, days, _, _ = trade(prepared, 0, n)
    sums = np.zeros((k.PER_DAY, days.shape[1]))
    cut = n * 4 // 5
    windows = [(0, cut), (cut, n)]
    windows += [(i * n // 120, (i + 1) * n // 120) for i in range(120)]
    windows += [(i * n // 10, (i + 1) * n // 10) for i in range(10)]

    def everything() -> Any:
        return measure_ranges(prepare(bars, rule), windows)

    def rerun() -> Any:
        made = prepare(bars, rule)
        return [run(made, lo, hi, check_rows=False) for lo, hi in windows]

    report_plan = {"mode": "rolling", "train": n // 40, "test": n // 123}
    return {
        "reading the four columns once": best(lambda: [float(x.sum()) for x in columns]),
        "extremes of blocks, day ends: once a series": best(lambda: read_series(bars)),
        "signal kernel": best(lambda: k.signal_sma(columns[3], wishes, *pair)),
        "simulation kernel": best(lambda: trade(prepared, 0, n)),
        "ledger's sums and checks": best(
            lambda: check_ledger(bars, trades, days, 0, n, prepared.settings), 25
        ),
        "ledger's sums alone": best(lambda: sums_alone(trades, days, prepared.settings, sums), 25),
        "one backtest, complete": best(lambda: simulate(bars, rule)),
        ALL_SPLITS: best(everything, 15),
        "the same, each simulated alone": best(rerun, 1),
        "walk-forward report, about 120 folds with train parts": best(
            lambda: walk_forward(bars, rule, report_plan), 3
        ),
        "CPCV(10,2) report": best(lambda: cpcv(bars, rule, {}), 3),
        "trades": float(len(trades)),
    }


def first_bars(bars: Bars, n: int) -> Bars:
    """The first n bars."""
    names = ("time", "open", "high", "low", "close", "volume", "day_end")
    columns: dict[str, Any] = {name: getattr(bars, name)[:n] for name in names}
    return replace(bars, **columns)


def grid(bars: Bars) -> tuple[float, dict[str, float]]:
    """Median seconds of a complete backtest over 1,000 parameter sets, and of its parts."""
    rule = strategy(PAIRS["dense"])
    times: dict[str, list[float]] = {}

    def took(name: str, function: Callable[[], Any]) -> Any:
        start = CLOCK()
        answer = function()
        times.setdefault(name, []).append(CLOCK() - start)
        return answer

    for number in range(1000):
        params = {"sma_short": 5 + number % 20, "sma_long": 30 + number // 20 * 2}
        one = msgspec.structs.replace(rule, params=params)
        outcome = took("complete", lambda one=one: simulate(bars, one, calendar=365))
        if number % 10 == 0:
            made = prepare(bars, one, calendar=365)
            sizes, wishes = params.values(), np.zeros(len(bars), dtype=np.uint8)
            took("signal kernel", lambda m=made, w=wishes, p=sizes: k.signal_sma(m.series.close, w, *p))
            took("simulation kernel", lambda m=made: trade(m, 0, len(bars)))
            took("digest, when asked for", lambda of=outcome: of.digest)
    middle = {name: float(np.median(found)) for name, found in times.items()}
    whole = middle.pop("complete")
    return whole, {**middle, "all else": whole - middle["signal kernel"] - middle["simulation kernel"]}


def ask(peer: str, pythons: list[str], candles: Path, bars: int, pair: tuple[int, int]) -> dict[str, Any]:
    """The peer's answer from the first interpreter that has it, or why none has."""
    why = "no interpreter given (--peers)"
    for python in pythons:
        command = [python, str(HERE / "_peers.py"), peer, str(candles), str(bars), *map(str, pair)]
        env = {**os.environ, "BENCH_CLOCK": "cpu" if CPU else "wall"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800, env=env)
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            why = (done.stderr.strip().splitlines() or ["no output"])[-1]
            continue
        answer = json.loads(lines[-1])
        if "missing" not in answer:
            return answer
        why = answer["missing"]
    return {"missing": why}


def show(mine: dict[str, float]) -> dict[str, float]:
    """Print the table of parts and the goals' ratios; returns the ratios."""
    reading = mine["reading the four columns once"]
    for name, seconds in mine.items():
        print(f"  {seconds * 1e3:10.2f} ms  {seconds / reading:7.1f} x reading   {name}")
    whole = mine["one backtest, complete"]
    ratios = {
        "signals + simulation / reading (goal <= 7)": (mine["signal kernel"] + mine["simulation kernel"])
        / reading,
        "invariants / backtest (goal <= 0.03)": (
            mine["ledger's sums and checks"] - mine["ledger's sums alone"]
        )
        / whole,
        "all splits / one backtest (goal <= 1.6)": mine[ALL_SPLITS] / whole,
    }
    for name, value in ratios.items():
        print(f"  {value:10.3f}  {name}")
    return ratios


def ask_and_show(
    peer: str,
    share: float,
    goal: int,
    options: argparse.Namespace,
    candles: Path,
    pair: tuple[int, int],
    mine: dict[str, float],
) -> dict[str, Any]:
    """One peer's line: its time over our simulation kernel's, per bar, or that it is missing."""
    given = int(options.bars * share)
    answer = ask(peer, options.peers, candles, given, pair)
    if "missing" in answer:
        print(f"  {peer:16s} MISSING: {answer['missing']}")
        return answer
    answer["factor"] = answer["seconds"] / given * options.bars / mine["simulation kernel"]
    print(
        f"  {peer:16s} {answer['version']:12s} {given:>9,} bars {answer['seconds'] * 1e3:10.1f} ms "
        f"{answer['trades']:>7,} trades {answer['factor']:9.1f} x our kernel, per bar (goal {goal:,})"
    )
    return answer


def main() -> int:
    """Measure, print the tables, write the JSON; 0 even when a goal is missed: the table says so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bars", type=int, default=2_000_000)
    parser.add_argument("--peers", nargs="*", default=[], metavar="PYTHON")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cpu", action="store_true", help="CPU time instead of wall time, peers too")
    parser.add_argument("--only", nargs="*", metavar="PEER", help="these peers alone")
    parser.add_argument("--grid", action="store_true", help="the 1,000 parameter sets alone")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    bars = synthetic(options.bars)
    report: dict[str, Any] = {"bars": options.bars, "numba": numba.__version__}
    said = "CPU time" if CPU else "wall time"
    print(f"{options.bars:,} bars, numba {numba.__version__}, {platform.machine()}, {said}")
    with tempfile.TemporaryDirectory() as folder:
        candles = Path(folder) / "candles.npz"
        names = ("open", "high", "low", "close", "volume")
        np.savez(candles, time=bars.time // NS, **{name: getattr(bars, name) for name in names})
        for label, pair in {} if options.grid else PAIRS.items():
            mine = ours(bars, pair)
            trades = mine.pop("trades")
            print(f"\n{label}: SMA {pair[0]}/{pair[1]}, {trades:,.0f} trades. Where the time goes")
            ratios = show(mine)
            answers = {
                peer: ask_and_show(peer, share, goal, options, candles, pair, mine)
                for peer, (share, goal) in PEERS.items()
                if (share == 1.0 or label == "usual") and (options.only is None or peer in options.only)
            }
            report[label] = {"seconds": mine, "trades": trades, "ratios": ratios, "peers": answers}
        each, parts = grid(first_bars(bars, 100_000))
        answer = ask("vectorbt grid", options.peers, candles, options.bars, PAIRS["dense"])
        print("\n1,000 parameter sets x 100,000 bars, signals included, per set")
        if "missing" in answer:
            print(f"  ours {each * 1e3:.2f} ms; vectorbt MISSING: {answer['missing']}")
        else:
            factor = answer["seconds"] / each
            theirs = answer["seconds"] * 1e3
            print(f"  ours {each * 1e3:.2f} ms, vectorbt {theirs:.2f} ms: {factor:.1f} x (goal 30)")
        print("  of ours: " + ", ".join(f"{name} {seconds * 1e6:.0f} µs" for name, seconds in parts.items()))
        report["grid"] = {"ours": each, "parts": parts, **answer}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
