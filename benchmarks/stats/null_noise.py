"""How often does luck pass? Strategies without any skill, judged by PSR and DSR.

    python benchmarks/stats/null_noise.py [--strategies 1000] [--studies 200] [--days 1250] [--seed 1]

For each kind of noise, prints as JSON
  psr: share of the strategies with PSR(0) >= .95 (about .05 by construction)
  dsr: share of the strategies with DSR >= .95, all of them counted as trials (to be <= .05)
  best_psr, best_dsr: share of studies of 100 strategies each whose best reaches .95 (the error that counts
  when only the best is shown; DSR keeps it small, PSR does not)
"""

import argparse
import json

import numpy as np

from foldward.stats import deflated_sharpe_ratio, probabilistic_sharpe_ratio, sharpe_spread
from foldward.stats.moments import moments_of

PER_STUDY = 100


def normal(rng, days, count):
    return rng.normal(0.0, 0.01, (count, days))


def fat_tails(rng, days, count):
    return 0.01 * rng.standard_t(4, (count, days))


def seldom_in_the_market(rng, days, count):
    return normal(rng, days, count) * (rng.random((count, days)) < 0.1)


def one_common_factor(rng, days, count):
    return np.sqrt(0.5) * normal(rng, days, 1) + np.sqrt(0.5) * normal(rng, days, count)


def negative_skew(rng, days, count):
    return 0.01 * (1.0 - rng.exponential(1.0, (count, days)))


KINDS = (normal, fat_tails, seldom_in_the_market, one_common_factor, negative_skew)


def judged(returns):
    """(PSR, DSR) of each row, all rows counted as trials."""
    rows = [moments_of(row) for row in returns]
    spread = sharpe_spread([row.sharpe() for row in rows])
    psr = [probabilistic_sharpe_ratio(row.sharpe(), 0, row.n, row.skew, row.kurtosis) for row in rows]
    dsr = [
        deflated_sharpe_ratio(row.sharpe(), len(rows), spread, row.n, row.skew, row.kurtosis) for row in rows
    ]
    return np.array(psr), np.array(dsr)


def study(kind, *, strategies, studies, days, seed):
    """The four shares for one kind of noise."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    psr, dsr = judged(kind(rng, days, strategies))
    best = [tuple(part.max() >= 0.95 for part in judged(kind(rng, days, PER_STUDY))) for _ in range(studies)]
    best_psr, best_dsr = np.mean(best, axis=0) if studies else (None, None)
    return {
        "psr": float(np.mean(psr >= 0.95)),
        "dsr": float(np.mean(dsr >= 0.95)),
        "best_psr": best_psr,
        "best_dsr": best_dsr,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strategies", type=int, default=1000)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--days", type=int, default=1250)
    parser.add_argument("--seed", type=int, default=1)
    options = vars(parser.parse_args())
    shares = {kind.__name__: study(kind, **options) for kind in KINDS}
    print(json.dumps({**options, "per_study": PER_STUDY, "shares": shares}, indent=1))


if __name__ == "__main__":
    main()
