"""Strategies, simulation, splits. Definitions are checked without a compiler; what computes loads lazily."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from foldward.backtest._kind import Kind, Param
from foldward.backtest.kinds import KINDS, resolve_params
from foldward.backtest.levels import Level, parse_level
from foldward.backtest.strategy import validate_strategy
from foldward.backtest.version import ENGINE_VERSION

if TYPE_CHECKING:
    from foldward.backtest.blocks import Block, combine
    from foldward.backtest.combinatorial import cpcv
    from foldward.backtest.engine import simulate, simulate_windows
    from foldward.backtest.filters import resample
    from foldward.backtest.folds import walk_forward
    from foldward.backtest.ledger import trade_list
    from foldward.backtest.metrics import METRICS
    from foldward.backtest.outcome import Outcome
    from foldward.backtest.plugins import engine_of, register
    from foldward.backtest.robust import sensitivity
    from foldward.backtest.warm import warm_up

__all__ = [
    "ENGINE_VERSION",
    "KINDS",
    "METRICS",
    "Block",
    "Kind",
    "Level",
    "Outcome",
    "Param",
    "combine",
    "cpcv",
    "engine_of",
    "parse_level",
    "register",
    "resample",
    "resolve_params",
    "sensitivity",
    "simulate",
    "simulate_windows",
    "trade_list",
    "validate_strategy",
    "walk_forward",
    "warm_up",
]

_LAZY = {
    "Block": "blocks",
    "combine": "blocks",
    "cpcv": "combinatorial",
    "sensitivity": "robust",
    "simulate": "engine",
    "simulate_windows": "engine",
    "resample": "filters",
    "trade_list": "ledger",
    "METRICS": "metrics",
    "Outcome": "outcome",
    "engine_of": "plugins",
    "register": "plugins",
    "walk_forward": "folds",
    "warm_up": "warm",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value
