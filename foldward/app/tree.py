"""The whole supervision tree as one literal: who runs, under whom, and how often it may fail."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from actors._windows import OwnWindows
from actors.db_writer import HANG_AFTER_S as WRITER_HANG_S
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
from foldward.app.daily import write_page
from foldward.app.keys import near
from foldward.app.reload import Reloader
from foldward.app.wiring import Wiring
from foldward.backtest import ENGINE_VERSION
from foldward.console.plan_figures import PlanFigures
from foldward.console.plans import PlanDoor
from foldward.console.server import Console
from foldward.contracts.errors import ConfigError
from foldward.settings import Home, LinkTable, Snapshot
from foldward.wire.links import Link, Sink, make_link
from supervision import KEEP, Backoff, Child, Strategy, process, supervisor

# Busy on one message for longer than this is a hang. Each is several times the longest honest work:
DISK_S = 30.0  # appending to a file, writing a snapshot
ROWS_S = 60.0  # reading or judging a batch of rows on a slow disk
MIGRATION_S = 60.0  # opening a database that must be copied, checked and migrated first
GATE_S = 600.0  # the first check of a very large file of candles (2,000,000 rows take about two seconds)
CLUSTER = "cluster-1"  # the worker that hands its work to core.cluster
# A worker that fails at start (a broken installation) must not spend the budget within a second.
WORKER_BACKOFF = Backoff(first=0.1, ceiling=30.0, factor=2.0, jitter=0.2, reset_after=60.0)


@dataclass
class Parts:
    """What the tree is built from; one core, one of these."""

    home: Home
    snapshot: Snapshot
    run_id: str
    seed: int
    candles: Candles
    engine: Callable[[str], str]
    endpoint: str
    data_roots: Sequence[Path]
    wiring: Wiring
    complete: bool = False
    reload: Reloader | None = None
    link: LinkTable | None = None  # the settings' with the home's keys in it
    local_keys: Path | None = None  # what core's own workers connect with, where the link has keys
    data: frozenset[str] = frozenset()  # fingerprints of the run's candles; empty: any


def build(parts: Parts) -> Child:
    """root (memory, work, workers, watch): the order is the order of dependence."""
    return supervisor(
        "root",
        _memory(parts),
        _work(parts),
        _workers(parts),
        _watch(parts),
        strategy=Strategy.REST_FOR_ONE,
        intensity=3,
        period=60.0,
    )


def _memory(parts: Parts) -> Child:
    """What outlives everyone's crash."""
    settings, home = parts.snapshot.settings, parts.home
    return supervisor(
        "memory",
        Child(
            "telemetry",
            Telemetry,
            kwargs={"path": home.telemetry, "settings": settings.telemetry},
            inbox=KEEP,
            hang_after=DISK_S,
        ),
        Child(
            "db_writer",
            DBWriter,
            kwargs={"database": home.database, "settings": settings.storage},
            inbox=KEEP,
            start_timeout=MIGRATION_S,
            hang_after=WRITER_HANG_S,
        ),
        Child(
            "dead_letter",
            DeadLetter,
            kwargs={
                "database": home.database,
                "storage": settings.storage,
                "max_frame": settings.link.max_frame,
                "run_id": parts.run_id,
            },
            inbox=KEEP,
            hang_after=ROWS_S,
        ),
        Child("notifier", Notifier, kwargs={"settings": settings.notify}, inbox=KEEP, hang_after=DISK_S),
        strategy=Strategy.ONE_FOR_ONE,
        intensity=5,
        period=60.0,
    )


def _work(parts: Parts) -> Child:
    """What decides: re-reads its state from rows at every start."""
    settings, database = parts.snapshot.settings, parts.home.database
    return supervisor(
        "work",
        Child(
            "oos_queue",
            OOSQueue,
            kwargs={
                "database": database,
                "queue": settings.queue,
                "retry": settings.retry,
                "candles": parts.candles,
                "engine": parts.engine,
                "run_id": parts.run_id,
            },
            inbox=KEEP,
            hang_after=GATE_S,
        ),
        Child(
            "wfv_scheduler",
            WFVScheduler,
            kwargs={
                "database": database,
                "settings": settings.wfv,
                "deadline_s": settings.retry.deadline_s,
                "run_id": parts.run_id,
                "seed": parts.seed,
                "splits": PlanFigures(parts.candles),
            },
            inbox=KEEP,
            hang_after=ROWS_S,
        ),
        Child(
            "rank_evaluator",
            RankEvaluator,
            kwargs={
                "database": database,
                "settings": settings.rank,
                "complete": parts.complete,
                "data": parts.data,
                "engine": parts.engine,
                "windows": OwnWindows(parts.candles, settings.queue.oos_window_days),
                "run_id": parts.run_id,
                "seed": parts.seed,
            },
            inbox=KEEP,
            hang_after=ROWS_S,
        ),
        Child(
            "dispatcher",
            Dispatcher,
            kwargs={
                "database": database,
                "queue": settings.queue,
                "retry": settings.retry,
                "breaker": settings.breaker,
                "make_link": partial(_link, parts),
                "max_frame": settings.link.max_frame,
                "run_id": parts.run_id,
            },
            inbox=KEEP,
            hang_after=ROWS_S,
        ),
        strategy=Strategy.REST_FOR_ONE,
        intensity=5,
        period=60.0,
    )


def _link(parts: Parts, sink: Sink) -> Link:
    settings = parts.snapshot.settings
    lost_s, beat_s = settings.heartbeat.lost_s, settings.heartbeat.interval_s
    return make_link(
        parts.link or settings.link,
        parts.home.run_dir,
        sink,
        lost_s=lost_s,
        beat_s=beat_s,
        engine=ENGINE_VERSION,
    )


def _workers(parts: Parts) -> Child:
    """What computes: OS processes, as many as cores, and the bridge to a cluster; none where an existing
    peer's service computes."""
    settings = parts.snapshot.settings
    native = settings.link.mode == "native"
    names = [f"worker-{number}" for number in range(1, settings.core.workers + 1)]
    if settings.core.cluster:
        _require_ray()
        names.append(CLUSTER)
    return supervisor(
        "workers",
        *(
            process(
                worker,
                worker_argv(parts, worker),
                on_exit=parts.wiring.worker_exited,
                stderr="tail",
                shutdown=2.0,
                backoff=WORKER_BACKOFF,
            )
            for worker in (names if native else ())
        ),
        strategy=Strategy.ONE_FOR_ONE,
        intensity=20,
        period=60.0,
    )


def _watch(parts: Parts) -> Child:
    """What looks on: its end hurts nobody."""
    settings, home = parts.snapshot.settings, parts.home
    return supervisor(
        "watch",
        Child(
            "heartbeat",
            Heartbeat,
            kwargs={
                "settings": settings.heartbeat,
                "run_id": parts.run_id,
                "workers": parts.wiring.workers,
                "end": parts.wiring.end_worker,
            },
            inbox=KEEP,
            hang_after=DISK_S,
        ),
        Child(
            "reporter",
            Reporter,
            kwargs={
                "database": home.database,
                "folder": home.root,
                "reports": home.reports,
                "settings": settings.telemetry,
                "telemetry": home.telemetry,
                "tree": parts.wiring.snapshot,
                "run_id": parts.run_id,
                "on_daily": write_page,
            },
            inbox=KEEP,
            hang_after=ROWS_S,
        ),
        Child(
            "console",
            Console,
            kwargs={
                "socket": home.socket("inspect"),
                "root": lambda: parts.wiring.root,
                "core": {
                    "run_id": parts.run_id,
                    "seed": parts.seed,
                    "config_snapshot": {
                        "version": parts.snapshot.version,
                        "hash": parts.snapshot.config_hash,
                    },
                },
                "reload": parts.reload,
                "refuses": PlanDoor(home.database, parts.candles).refusals,
            },
            inbox=KEEP,
            hang_after=DISK_S,
        ),
        strategy=Strategy.ONE_FOR_ONE,
        intensity=5,
        period=300.0,
    )


def _require_ray() -> None:
    if importlib.util.find_spec("ray") is None:
        raise ConfigError(
            "config.invalid",
            "core.cluster is set and Ray is not installed",
            hint="pip install 'foldward[cluster]', or leave core.cluster empty",
        )


def worker_argv(parts: Parts, worker: str) -> list[str]:
    """The command line of one worker process."""
    core = parts.snapshot.settings.core
    # -P: a signal.py among somebody's strategies does not hide Python's own; the worker adds the folder last.
    argv = [sys.executable, "-P", "-m", "foldward.worker", "--connect", near(parts.endpoint), "--id", worker]
    if parts.local_keys is not None:
        argv += ["--keys", str(parts.local_keys.absolute())]
    argv += ["--parent", str(os.getpid())]  # known from the first moment: core may die before it is asked for
    argv += ["--cache", str(parts.home.cache.absolute()), "--memory-mb", str(core.memory_mb)]
    link, heartbeat = parts.snapshot.settings.link, parts.snapshot.settings.heartbeat
    argv += ["--cluster", core.cluster] if worker == CLUSTER else ["--capacity", str(link.capacity)]
    argv += ["--heartbeat-s", str(heartbeat.interval_s), "--max-frame", str(link.max_frame)]
    argv += ["--log", str((parts.home.logs / f"{worker}.log").absolute())]
    for root in parts.data_roots:
        argv += ["--data-root", str(root)]
    for module in core.kinds:
        argv += ["--kinds", module]
    return argv
