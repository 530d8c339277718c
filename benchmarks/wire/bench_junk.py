"""Good traffic before and under a flood of junk: what the flood costs the good, and what becomes of the junk.

python benchmarks/wire/bench_junk.py [--frames 100000] [--connections 500] [--rate 100] [--quiet 1000]

A request's time runs from the order to the news that its answer is committed (synchronous=FULL). The good
traffic goes on at its rate until every junk frame has been taken.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from loguru import logger

from foldward.app import collector
from foldward.testing.siege import Siege

LIMIT_S = 220.0


def percentiles(took: list[float]) -> dict[str, Any]:
    """Milliseconds."""
    ordered = sorted(took)
    at = {q: ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in (0.5, 0.99)}
    return {
        "requests": len(took),
        "p50_ms": round(1e3 * at[0.5], 2),
        "p99_ms": round(1e3 * at[0.99], 2),
        "max_ms": round(1e3 * ordered[-1], 2),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--quiet", type=int, default=1000, help="requests of the quiet phase")
    options = parser.parse_args()
    logger.remove()
    with tempfile.TemporaryDirectory() as folder, Siege(Path(folder)) as siege:
        collector.calm()
        siege.trickle(200, options.rate)
        quiet = siege.trickle(options.quiet, options.rate)
        began = time.monotonic()
        flood = siege.flood(options.frames, options.connections)
        loud: list[float] = []
        while flood.poll() is None and time.monotonic() - began < LIMIT_S:
            loud += siege.trickle(100, options.rate)
        loud_s = time.monotonic() - began
        while siege.letters() < options.frames and time.monotonic() - began < LIMIT_S:
            time.sleep(0.2)
        figures = {
            "quiet": percentiles(quiet),
            "loud": percentiles(loud),
            "flood_s": round(loud_s, 1),
            "flood_done": flood.poll() == 0,
            "dead_letters": siege.letters(),
            "links_made": siege.incarnations,
            "max_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
