"""Settings: schema, sources and snapshots."""

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
