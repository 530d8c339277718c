"""How long does PBO take? 12,870 splits (16 blocks) of 100 strategies; the figure to reach is 0.1 s.

    python benchmarks/stats/pbo.py [--strategies 100] [--days 2520] [--blocks 16] [--repeats 7]

Prints JSON: seconds from returns and from block sums (best and median of the repeats), and the same by the
paper's algorithm written plainly with numpy, one split after the other.
"""

import argparse
import itertools
import json
import platform
import statistics
import time

import numpy as np

from foldward.stats import pbo_from_blocks, probability_of_backtest_overfitting
from foldward.stats.overfit import block_sums


def plain(matrix, blocks):
    """CSCV over block sums, one split at a time."""
    counts, sums, squares = block_sums(matrix, blocks)
    everyone = set(range(blocks))
    overfit = splits = 0
    for inside in itertools.combinations(range(blocks), blocks // 2):
        ratios = []
        for side in (list(inside), sorted(everyone - set(inside))):
            n, s1, s2 = counts[side].sum(), sums[side].sum(axis=0), squares[side].sum(axis=0)
            ratios.append(s1 / n / np.sqrt((s2 - s1 * s1 / n) / (n - 1)))
        best = ratios[0].argmax()
        rank = 1 + np.count_nonzero(ratios[1] < ratios[1][best])
        overfit += rank / (matrix.shape[1] + 1) <= 0.5
        splits += 1
    return overfit / splits


def seconds(work, repeats):
    """(best, median) wall time."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return {"best": round(min(times), 5), "median": round(statistics.median(times), 5)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strategies", type=int, default=100)
    parser.add_argument("--days", type=int, default=2520)
    parser.add_argument("--blocks", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    matrix = np.random.default_rng(0).normal(0.0002, 0.01, (options.days, options.strategies))
    sums = block_sums(matrix, options.blocks)
    report = {
        **vars(options),
        "pbo": pbo_from_blocks(*sums),
        "pbo_plain": plain(matrix, options.blocks),
        "from_returns_s": seconds(
            lambda: probability_of_backtest_overfitting(matrix, options.blocks), options.repeats
        ),
        "from_blocks_s": seconds(lambda: pbo_from_blocks(*sums), options.repeats),
        "plain_s": seconds(lambda: plain(matrix, options.blocks), 1),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
