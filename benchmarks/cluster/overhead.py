"""What a cluster costs: the same requests through one worker, two workers and a bridge to a local cluster.

`python benchmarks/cluster/overhead.py [--jobs 2000] [--bars 2000]` prints requests a second of each, the
time of each request that is not computing, and Ray's bare time per task. Needs the extra `cluster`.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from foldward.contracts.ids import new_id
from foldward.contracts.jobs import Backtest, Strategy
from foldward.contracts.messages import FrameReceived, PeerJoined
from foldward.data.cache import Cache
from foldward.settings import LinkTable
from foldward.wire import dumps, loads
from foldward.wire.links import NativeLink

AHEAD = 40


class Core:
    """Keeps every peer at its capacity and counts answers."""

    def __init__(self, folder: Path) -> None:
        self.answers: list[bytes] = []
        self.capacity: dict[str, int] = {}
        self.out: dict[str, int] = {}
        self.left: list[tuple[str, bytes]] = []
        self.changed = threading.Condition()
        self.link = NativeLink(self._hear, LinkTable(), folder)
        self.link.start()

    def _hear(self, message: object) -> None:
        with self.changed:
            if isinstance(message, PeerJoined):
                self.capacity[message.peer] = message.capacity
                self.out[message.peer] = 0
            elif isinstance(message, FrameReceived):
                self.answers.append(message.frames[0])
                self.out[message.peer] -= 1
            else:
                return
            self._feed()
            self.changed.notify_all()

    def _feed(self) -> None:
        for peer, capacity in self.capacity.items():
            while self.left and self.out[peer] < capacity:
                request_id, raw = self.left.pop()
                self.out[peer] += 1
                self.link.send(peer, request_id, raw)

    def run(self, jobs: list[Backtest]) -> float:
        """Seconds until all are answered."""
        wanted = len(self.answers) + len(jobs)
        packed = [(job.request_id, dumps(job)) for job in jobs]
        began = time.perf_counter()
        with self.changed:
            self.left = packed
            self._feed()
            self.changed.wait_for(lambda: len(self.answers) >= wanted, 600)
        return time.perf_counter() - began

    def peers(self, count: int) -> None:
        with self.changed:
            self.changed.wait_for(lambda: len(self.capacity) >= count, 120)


def series(folder: Path, bars: int) -> str:
    """A series of minute bars in a cache."""
    walk = 100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.001, bars)))
    lines = ["time,open,high,low,close,volume"]
    before = 100.0
    for number, close in enumerate(walk.tolist()):
        low, high = min(before, close) - 0.01, max(before, close) + 0.01
        lines.append(f"{1_599_998_400 + 60 * number},{before!r},{high!r},{low!r},{close!r},1")
        before = close
    file = folder / "X_M1.csv"
    file.write_text("\n".join(lines) + "\n")
    return Cache(folder / "cache").ensure(file, 1, symbol="X", utc=True).fingerprint


def jobs_of(fingerprint: str, count: int) -> list[Backtest]:
    return [
        Backtest(
            request_id=new_id(),
            data_id=fingerprint,
            timeframe=1,
            strategy=Strategy(
                name=f"s{number}",
                kind="sma",
                params={"sma_short": 5.0 + number % 20, "sma_long": 40.0 + number % 50},
                symbol="X",
                timeframe=1,
            ),
        )
        for number in range(count)
    ]


def measure(folder: Path, fingerprint: str, count: int, *extra: list[str]) -> tuple[float, float]:
    """(requests a second, mean seconds a request that are computing)."""
    run = Path(tempfile.mkdtemp(dir=folder))
    core = Core(run)
    workers = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "foldward.worker", "--connect", core.link.endpoint),
                *("--id", f"w{number}", "--cache", str(folder / "cache"), *options),
            ],
            stderr=subprocess.DEVNULL,
        )
        for number, options in enumerate(extra)
    ]
    try:
        core.peers(len(extra))
        core.run(jobs_of(fingerprint, 200))
        seconds = core.run(jobs_of(fingerprint, count))
        told = [loads(raw) for raw in core.answers[-count:]]
        computing = sum(sum(answer.timings.values()) for answer in told) / count
        return count / seconds, computing
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(20)
        core.link.close()


def ready(folder: Path) -> float:
    """Seconds from starting a worker's process until core hears from it; kernels are in the cache."""
    best = math.inf
    for _ in range(5):
        core = Core(Path(tempfile.mkdtemp(dir=folder)))
        argv = [sys.executable, "-m", "foldward.worker", "--connect", core.link.endpoint, "--id", "cold"]
        began = time.perf_counter()
        worker = subprocess.Popen([*argv, "--cache", str(folder / "cache")], stderr=subprocess.DEVNULL)
        core.peers(1)
        best = min(best, time.perf_counter() - began)
        worker.terminate()
        worker.wait(20)
        core.link.close()
    return best


def bare() -> float:
    """Seconds a task of Ray that does nothing."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)

    @ray.remote(max_retries=0)
    def nothing(items: list[bytes]) -> list[bytes]:
        return items

    ray.get([nothing.remote([b"x" * 1000]) for _ in range(100)])
    count = 1000
    began = time.perf_counter()
    ray.get([nothing.remote([b"x" * 1000]) for _ in range(count)])
    seconds = time.perf_counter() - began
    ray.shutdown()
    return seconds / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--bars", type=int, default=2000)
    parser.add_argument("--no-cluster", action="store_true", help="workers alone, and how soon one is ready")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fingerprint = series(folder, options.bars)
        ahead = ["--capacity", str(AHEAD)]
        rows = {
            "1 worker": (1, [ahead]),
            "2 workers": (2, [ahead, ahead]),
            "cluster of 2 CPUs": (2, [["--cluster", "local:2"]]),
        }
        if options.no_cluster:
            del rows["cluster of 2 CPUs"]
            print(f"cold worker ready after {1e3 * ready(folder):.0f} ms (best of 5)")
        print(f"{options.jobs} backtests of {options.bars} bars")
        for label, (hands, extra) in rows.items():
            rate, computing = measure(folder, fingerprint, options.jobs, *extra)
            besides = hands / rate - computing if math.isfinite(rate) else math.nan
            print(f"{label:20s} {rate:8.0f} requests/s, {1e3 * besides:6.2f} ms a request beside computing")
    if not options.no_cluster:
        print(f"{'bare Ray task':20s} {1e3 * bare():8.2f} ms")


if __name__ == "__main__":
    main()
