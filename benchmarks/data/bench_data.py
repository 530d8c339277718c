"""How long candles take at the border, against polars reading the same file.

    python benchmarks/data/bench_data.py [--rows 2000000] [--rounds 5] [--binary] [--json]

Limits: checking a clean file <= 1.5 times, and reading + checking + caching (archive and fsyncs included)
<= 2.5 times, polars alone with an explicit time format; a load from the cache, also the first of a process,
<= 3 times the memory limit, which is one pass of one thread over the same columns in memory. Best of the
rounds, which alternate, so that a busy machine hurts all alike; CPU time likewise. Synthetic candles
(fixed seed, one a minute, prices of five places; with --binary of all bits, which no decimal holds).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from foldward.data import _npy
from foldward.data.cache import Cache
from foldward.data.contract import check_file
from foldward.data.identity import COLUMNS

LIMITS = {
    "check": ("polars_alone", 1.5),
    "read_check_cache": ("polars_alone", 2.5),
    "first_load": ("memory", 3.0),
    "first_load_reread": ("memory", 3.0),
    "later_load": ("memory", 3.0),
}
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_NAMES = ("open", "high", "low", "close", "volume")


def make(path: Path, rows: int, places: int = 5, seed: int = 7) -> None:
    """A clean random walk of minute bars, prices rounded to so many places."""
    rng = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 2e-4, rows))), places)
    open_ = np.concatenate(([100.0], close[:-1]))
    frame = pl.DataFrame(
        {
            "time": np.arange(rows) * 60 + 1_500_000_000 // 60 * 60,
            "open": open_,
            "high": np.round(np.maximum(open_, close) + rng.random(rows) * 0.02, places),
            "low": np.round(np.minimum(open_, close) - rng.random(rows) * 0.02, places),
            "close": close,
            "volume": rng.integers(1, 1000, rows),
        }
    ).with_columns(pl.from_epoch("time").dt.strftime(_FORMAT))
    frame.write_csv(path)


def polars_alone(path: Path) -> pl.DataFrame:
    """What the limits are measured against: every column typed, the time format given."""
    schema = {"time": pl.String, **dict.fromkeys(_NAMES, pl.Float64)}
    frame = pl.read_csv(path, schema=schema)
    return frame.with_columns(pl.col("time").str.to_datetime(_FORMAT, time_unit="ns"))


def forget(folder: Path) -> None:
    """Let the kernel forget the columns, as a restart of the machine does: the next load reads the disk.

    How that load reads them decides how large their pages are, and so how long those of later processes take.
    """
    for path in folder.glob("*.npy"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def one_pass(columns: list[np.ndarray]) -> int:
    """The memory limit: every byte of the columns read once."""
    return sum(int(column.max()) for column in columns)


def measure(rows: int, rounds: int, places: int) -> tuple[dict[str, float], dict[str, float]]:
    """Best seconds of each step by the clock, and of CPU."""
    best: dict[str, float] = {}
    cpu: dict[str, float] = {}

    def run(name: str, step: Callable[[], object]) -> object:
        begun, spent = time.perf_counter(), time.process_time()
        result = step()
        best[name] = min(best.get(name, float("inf")), time.perf_counter() - begun)
        cpu[name] = min(cpu.get(name, float("inf")), time.process_time() - spent)
        return result

    with tempfile.TemporaryDirectory() as folder:
        path, root = Path(folder) / "BENCH_M1.csv", Path(folder) / "cache"
        make(path, rows, places)
        for _ in range(rounds):
            run("polars_alone", lambda: polars_alone(path))
            report = run("check", lambda: check_file(path))
            if getattr(report, "findings", None) != ():
                raise SystemExit("the benchmark's file is not clean")
            shutil.rmtree(root, ignore_errors=True)
            entry = run("read_check_cache", lambda: Cache(root).ensure(path))
            fingerprint = str(getattr(entry, "fingerprint", ""))
            _npy._verified.clear()
            run("first_load", partial(Cache(root).load, fingerprint))
            run("later_load", partial(Cache(root).load, fingerprint))
            forget(getattr(entry, "folder", root))
            _npy._verified.clear()
            run("load_from_disk", partial(Cache(root).load, fingerprint))
            _npy._verified.clear()
            run("first_load_reread", partial(Cache(root).load, fingerprint))
            bars = Cache(root).load(fingerprint)
            copies = [np.array(getattr(bars, name)) for name in COLUMNS]
            run("memory", partial(one_pass, copies))
            run("ensure_unchanged", lambda: Cache(root).ensure(path))
    return best, cpu


def main() -> int:
    """Print the figures; exit 1 when a limit is passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--binary", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    best, cpu = measure(args.rows, args.rounds, 17 if args.binary else 5)
    ratios = {name: best[name] / best[beside] for name, (beside, _) in LIMITS.items()}
    kept = all(ratios[name] <= limit for name, (_, limit) in LIMITS.items())
    if args.json:
        said = {"rows": args.rows, "seconds": best, "cpu": cpu, "ratios": ratios, "limits": LIMITS}
        print(json.dumps({**said, "ok": kept}))
    else:
        for name, seconds in best.items():
            beside, limit = LIMITS.get(name, ("", 0))
            said_so = f"  {ratios[name]:.2f} x {beside} (limit {limit})" if beside else ""
            print(f"{name:20s}{seconds * 1000:10.1f} ms{cpu[name] * 1000:10.1f} ms cpu{said_so}")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
