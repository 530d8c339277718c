"""The whole supervision tree as one literal: who runs, under whom, and how often it may fail."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors.db_writer import DBWriter
from actors.dead_letter import DeadLetter
from actors.dispatcher import Dispatcher
from actors.heartbeat import Heartbeat
from actors.notifier import Notifier
from actors.oos_queue import OOSQueue
from actors.rank_evaluator import RankEvaluator
from actors.reporter import Reporter
from actors.telemetry import Telemetry
from actors.wfv_scheduler import WFVScheduler
from foldward.app.candles import Candles
from foldward.console.server import Console
from foldward.settings import Home, Snapshot
from supervision import Backoff, Child, Restart, Strategy, process, supervisor


@dataclass
class Parts:
    """What the tree is built from; one core, one of these."""

    home: Home
    snapshot: Snapshot
    run_id: str
    seed: int
    candles: Candles
    engine: str
    endpoint: str
    complete: bool = False
    board: dict[str, Any] = field(default_factory=dict)


def build(parts: Parts) -> Child:
    """The tree of spec design: root, memory, work, workers, watch."""
    return parts and _root(parts)


def _root(parts: Parts) -> Child:
    raise NotImplementedError


def worker_argv(parts: Parts, worker: str) -> list[str]:
    """The command line of one worker process."""
    core = parts.snapshot.settings.core
    argv = [sys.executable, "-m", "foldward.worker", "--connect", parts.endpoint, "--id", worker]
    argv += ["--cache", str(parts.home.cache.absolute()), "--memory-mb", str(core.memory_mb)]
    argv += ["--log", str((parts.home.logs / f"{worker}.log").absolute())]
    for root in core.data_roots:
        argv += ["--data-root", str(Path(root).absolute())]
    for module in core.kinds:
        argv += ["--kinds", module]
    return argv


__all__ = [
    "Backoff",
    "Console",
    "DBWriter",
    "DeadLetter",
    "Dispatcher",
    "Heartbeat",
    "Notifier",
    "OOSQueue",
    "Parts",
    "RankEvaluator",
    "Reporter",
    "Restart",
    "Strategy",
    "Telemetry",
    "WFVScheduler",
    "build",
    "process",
    "supervisor",
    "worker_argv",
]
