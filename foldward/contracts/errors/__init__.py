"""Every error that Foldward raises on purpose.

    FoldwardError                code, message, hint, context, retryable, fault, run_id, trace_id
    ├─ RequestError              request.*      the caller asked for something that cannot be
    ├─ DataError                 data.*         candles or files break the data contract
    ├─ WireError                 wire.*         bytes that are not a message; owns the bytes
    ├─ EngineError               engine.*       a simulation could not give a number
    ├─ StorageError              storage.*      the database or the disk
    ├─ ConfigError               config.*       settings, flags, environment
    ├─ SupervisionError          supervision.*  the tree
    ├─ ProviderError             provider.*     a market data provider
    └─ InternalError             internal.*     our fault: a bug

A leaf is a row of `CATALOGUE`, declared in the file of its family: a stable dotted code with what it means,
what to do, whether a retry can help and whose fault it is. Raising an unknown code is itself an internal
error, so the catalogue is whole.
"""

from __future__ import annotations

from foldward.contracts.errors._base import CATALOGUE, ErrorSpec, FoldwardError, declare
from foldward.contracts.errors._nearest import did_you_mean, suggestion

# The order of these is the order of the catalogue, and so of docs/ERROR_CODES.md.
from foldward.contracts.errors._request import RequestError  # isort: skip
from foldward.contracts.errors._data import DataError  # isort: skip
from foldward.contracts.errors._wire import WireError  # isort: skip
from foldward.contracts.errors._engine import EngineError  # isort: skip
from foldward.contracts.errors._storage import StorageError  # isort: skip
from foldward.contracts.errors._config import ConfigError  # isort: skip
from foldward.contracts.errors._supervision import SupervisionError  # isort: skip
from foldward.contracts.errors._provider import ProviderError  # isort: skip
from foldward.contracts.errors._internal import InternalError  # isort: skip

__all__ = [
    "CATALOGUE",
    "FAMILIES",
    "ConfigError",
    "DataError",
    "EngineError",
    "ErrorSpec",
    "FoldwardError",
    "InternalError",
    "ProviderError",
    "RequestError",
    "StorageError",
    "SupervisionError",
    "WireError",
    "declare",
    "did_you_mean",
    "is_retryable",
    "suggestion",
]

FAMILIES: dict[str, type[FoldwardError]] = {
    cls.family: cls
    for cls in (
        RequestError,
        DataError,
        WireError,
        EngineError,
        StorageError,
        ConfigError,
        SupervisionError,
        ProviderError,
        InternalError,
    )
}


def is_retryable(code: str) -> bool:
    """Whether a result that carries `code` may be tried again; an unknown code may (peers have their own)."""
    spec = CATALOGUE.get(code)
    return True if spec is None else spec.retryable
