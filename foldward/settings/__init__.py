"""Settings: schema, sources and snapshots.

The schema is loaded when it is first asked for: pydantic takes 0.2 s, and most commands only need the home.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldward.settings._home import CoreLock, Home
    from foldward.settings._load import Finding, Snapshot, check, load
    from foldward.settings._schema import (
        BreakerTable,
        CoreTable,
        DataTable,
        GatesTable,
        GateTable,
        HeartbeatTable,
        LinkTable,
        NotifyTable,
        QueueTable,
        RankTable,
        RetentionTable,
        RetryTable,
        Settings,
        StorageTable,
        TelemetryTable,
        WebTable,
        WfvTable,
    )

__all__ = [
    "BreakerTable",
    "CoreLock",
    "CoreTable",
    "DataTable",
    "Finding",
    "GateTable",
    "GatesTable",
    "HeartbeatTable",
    "Home",
    "LinkTable",
    "NotifyTable",
    "QueueTable",
    "RankTable",
    "RetentionTable",
    "RetryTable",
    "Settings",
    "Snapshot",
    "StorageTable",
    "TelemetryTable",
    "WebTable",
    "WfvTable",
    "check",
    "load",
]

_HOME = ("CoreLock", "Home")
_LOAD = ("Finding", "Snapshot", "check", "load")


def __getattr__(name: str) -> Any:
    """PEP 562: the module that has it, on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    part = "_home" if name in _HOME else "_load" if name in _LOAD else "_schema"
    value = getattr(importlib.import_module(f"{__name__}.{part}"), name)
    globals()[name] = value
    return value
