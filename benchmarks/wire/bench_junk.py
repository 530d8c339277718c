"""Good traffic before and under a flood of junk: what the flood costs the good, and what becomes of the junk.

python benchmarks/wire/bench_junk.py [--frames 100000] [--connections 500] [--rate 100] [--rounds 10]

A request's time runs from the order to the news that its answer is committed (synchronous=FULL). Three states
take turns, because a machine is not as fast in one minute as in the next: `quiet`; `beside`, while the same
junk is pushed as fast at a port of a process that only throws it away (what the flooder itself takes of the
processors that it shares with core); and `loud`, until core has taken this round's part of the frames.
Percentiles are of all rounds together.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import zmq
from loguru import logger

from foldward.app import collector
from foldward.testing.siege import Siege
from foldward.wire.links._pace import CALM_S

LIMIT_S = 60.0  # of one round's flood
PER_S = 500  # what the sink takes: as much as a core with the shipped link.junk_per_s


def percentiles(took: list[float]) -> dict[str, Any]:
    """Milliseconds."""
    ordered = sorted(took)
    at = {q: ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in (0.5, 0.9, 0.99)}
    return {
        "requests": len(took),
        "p50_ms": round(1e3 * at[0.5], 2),
        "p90_ms": round(1e3 * at[0.9], 2),
        "p99_ms": round(1e3 * at[0.99], 2),
        "max_ms": round(1e3 * ordered[-1], 2),
    }


def sink() -> None:
    """Print a port, and throw away what is pushed at it, ten messages at a time."""
    pull = zmq.Context.instance().socket(zmq.PULL)
    print(pull.bind_to_random_port("tcp://127.0.0.1"), flush=True)
    while True:
        for _ in range(10):
            pull.recv_multipart()
        time.sleep(10 / PER_S)


def beside(siege: Siege, options: argparse.Namespace) -> list[float]:
    """Good requests while somebody else is flooded."""
    argv = [sys.executable, __file__, "--sink"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            port = other.stdout.readline().strip()
            flood = siege.flood(1_000_000, options.connections, at=f"tcp://127.0.0.1:{port}")
            took = siege.trickle(options.quiet // options.rounds, options.rate)
            flood.kill()
            flood.wait()
        finally:
            other.kill()
    return took


def loud(siege: Siege, frames: int, seed: int, options: argparse.Namespace) -> tuple[list[float], float]:
    """Good requests until all junk is taken; the seconds until it was stored."""
    before, began = siege.letters(), time.monotonic()
    flood = siege.flood(frames, options.connections, seed)
    took: list[float] = []
    while flood.poll() is None and time.monotonic() - began < LIMIT_S:
        took += siege.trickle(100, options.rate)
    if flood.poll() != 0:
        raise TimeoutError(f"of {frames} junk frames {siege.letters() - before} were taken in {LIMIT_S} s")
    while siege.letters() < before + frames and time.monotonic() - began < LIMIT_S:
        time.sleep(0.1)
    return took, time.monotonic() - began


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--quiet", type=int, default=2000, help="requests of each of the other two states")
    parser.add_argument("--sink", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sink:
        sink()
    logger.remove()
    took: dict[str, list[float]] = {"quiet": [], "beside": [], "loud": []}
    flood_s = 0.0
    with tempfile.TemporaryDirectory() as folder, Siege(Path(folder)) as siege:
        collector.calm()
        siege.trickle(200, options.rate)
        for number in range(options.rounds):
            took["quiet"] += siege.trickle(options.quiet // options.rounds, options.rate)
            took["beside"] += beside(siege, options)
            requests, seconds = loud(siege, options.frames // options.rounds, number, options)
            took["loud"] += requests
            flood_s += seconds
            time.sleep(CALM_S)
        figures: dict[str, Any] = {state: percentiles(times) for state, times in took.items()}
        p99 = {state: figures[state]["p99_ms"] for state in took}
        figures |= {
            "loud / quiet": round(p99["loud"] / p99["quiet"], 2),
            "loud / beside": round(p99["loud"] / p99["beside"], 2),
            "flood_s": round(flood_s, 1),
            "dead_letters": siege.letters(),
            "links_made": siege.incarnations,
            "max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
