"""Candles: the contract at the border, the cache behind it, and the columns that the engine reads.

Imports neither polars nor pyarrow: workers load bars through this package. `contract`, `repair` and the
ingesting half of `cache` import polars when they are used.
"""

from pathlib import Path

from foldward.data.bars import NS, Bars, day_ends
from foldward.data.findings import Finding, Place, Report

__all__ = ["NS", "Bars", "Finding", "Place", "Report", "bundled_dir", "day_ends"]


def bundled_dir() -> Path:
    """The folder of the real price series that ship with the product: EURUSD_H1, SP500_D1, AAPL_D1."""
    return Path(__file__).parent / "bundled"
