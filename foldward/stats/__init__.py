"""Evidence against luck: performance statistics and how far to trust them.

Pure arithmetic: no clock, no files, no settings, no global random numbers. Undefined is None, never 0,
infinity or NaN; `evidence` gives the reasons. Definitions and sources: docs/explanation/statistics.md.
"""

from foldward.stats._evidence import evidence
from foldward.stats.bootstrap import bootstrap_interval
from foldward.stats.deflated import (
    deflated_sharpe_ratio,
    effective_trials,
    expected_max_sharpe,
    mean_correlation,
    sharpe_spread,
)
from foldward.stats.drawdown import cagr, calmar, max_drawdown, ulcer
from foldward.stats.moments import Sums, sharpe_from_sums, sums_of
from foldward.stats.neighbourhood import neighbourhood_stability, surface_stability
from foldward.stats.overfit import pbo_from_blocks, probability_of_backtest_overfitting
from foldward.stats.ruin import probability_of_ruin
from foldward.stats.sharpe import (
    min_track_record_length,
    probabilistic_sharpe_ratio,
    sharpe_ratio,
    sortino,
)
from foldward.stats.trades import expectancy, profit_factor

__all__ = [
    "Sums",
    "bootstrap_interval",
    "cagr",
    "calmar",
    "deflated_sharpe_ratio",
    "effective_trials",
    "evidence",
    "expectancy",
    "expected_max_sharpe",
    "max_drawdown",
    "mean_correlation",
    "min_track_record_length",
    "neighbourhood_stability",
    "pbo_from_blocks",
    "probabilistic_sharpe_ratio",
    "probability_of_backtest_overfitting",
    "probability_of_ruin",
    "profit_factor",
    "sharpe_from_sums",
    "sharpe_ratio",
    "sharpe_spread",
    "sortino",
    "sums_of",
    "surface_stability",
    "ulcer",
]
