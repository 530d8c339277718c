"""What runs on a node of the cluster: the same desk as in a worker, over candles that came with the task.

A series comes as one object of the node's shared memory, fetched once a node by its content digest; its
columns are mapped read-only into every process, without a copy.
"""

from __future__ import annotations

import os
import platform
import threading
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from foldward.contracts import clock
from foldward.contracts.errors import DataError

if TYPE_CHECKING:
    from foldward.data.bars import Bars
    from foldward.data.cache import Cache
    from foldward.worker.desk import Desk

HUNG_GRACE_S = 5.0  # after a job's limit, before its process ends


@dataclass(frozen=True)
class Setup:
    """What every process of the cluster must know. engines: kind → which engine the bridge would use."""

    worker: str
    kinds: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    timeout_s: float | None = None
    profile: str | None = None
    engines: tuple[tuple[str, str], ...] = ()
    max_frame: int = 8 * 1024 * 1024


@dataclass(frozen=True)
class Series:
    """One series: the columns and fields of Bars, and what a cache entry says of it; or why there is none."""

    fingerprint: str
    columns: dict[str, Any] | None = None
    accepted: tuple[str, ...] = ()
    warnings: tuple[Any, ...] = ()
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class Computed:
    """Answers in the order of the requests, and how long they took."""

    answers: list[bytes]
    seconds: float


@dataclass(frozen=True)
class Refused:
    """This node would give other numbers."""

    why: str


class NodeCandles:
    """Stands for the cache on a node: knows what came with tasks, and nothing else."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}

    def keep(self, series: tuple[Series, ...]) -> None:
        """Know exactly these: what a task does not name may leave the shared memory."""
        from foldward.worker._candles import forget

        self._series = {item.fingerprint: item for item in series}
        forget(self, self._series)  # type: ignore[arg-type] # stands for a Cache

    def load(self, fingerprint: str) -> Bars:
        """The candles. Raises DataError as the bridge's cache did."""
        from foldward.data.bars import Bars

        found = self._series.get(fingerprint)
        if found is None:
            raise DataError("data.not_found", f"no {fingerprint} came with the task", fingerprint=fingerprint)
        if found.columns is None:
            raise DataError(found.code, found.message, fingerprint=fingerprint)
        return Bars(**found.columns)

    def entry(self, fingerprint: str) -> Series | None:
        """What is recorded on every result of these candles."""
        return self._series.get(fingerprint)

    def rebuild(self, fingerprint: str) -> None:
        """The bridge has tried already."""

    def ensure(self, *_source: Any, **_terms: Any) -> Any:
        """A file has no meaning on another machine."""
        raise DataError(
            "data.outside_root",
            "a cluster reads no candle files",
            hint="name the candles by data_id, or send them inline",
        )


def series_of(fingerprint: str, cache: Cache) -> Series:
    """A series to be shared, read from a real cache; an error of the data travels instead of them."""
    from foldward.worker._candles import load_whole

    try:
        bars = load_whole(fingerprint, cache)
    except DataError as error:
        return Series(fingerprint, code=error.code, message=error.message)
    entry = cache.entry(fingerprint)
    columns = {field.name: getattr(bars, field.name) for field in fields(bars)}
    if entry is None:
        return Series(fingerprint, columns)
    return Series(fingerprint, columns, tuple(entry.accepted), tuple(entry.warnings))


def compute(setup: Setup, items: list[tuple[str, bytes]], *series: Series) -> Computed | Refused:
    """The answers to (request_id, message) pairs. Raises nothing that a request is to blame for."""
    desk = _desk(setup)
    if isinstance(desk, Refused):
        return desk
    desk.cache.keep(series)  # type: ignore[attr-defined] # a NodeCandles
    began = clock.now()
    watch = _watch(setup)
    try:
        answers = [desk.answer(raw, request_id, watch.begin) for request_id, raw in items]
    finally:
        watch.end()
    return Computed(answers, clock.now() - began)


def ready(setup: Setup) -> str | None:
    """Prepare this process (compile, register kinds); why it would give other numbers, or None."""
    desk = _desk(setup)
    return desk.why if isinstance(desk, Refused) else None


def engines(kinds: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Kind → engine, for the engine itself and every kind of the user's own."""
    from foldward.backtest import ENGINE_VERSION, engine_of

    return (("", ENGINE_VERSION), *((kind, engine_of(kind)) for kind in sorted(kinds)))


_desks: dict[Setup, Desk | Refused] = {}
_watches: dict[Setup, _Watch] = {}


def _desk(setup: Setup) -> Desk | Refused:
    known = _desks.get(setup)
    if known is None:
        known = _desks[setup] = _prepare(setup)
    return known


def _prepare(setup: Setup) -> Desk | Refused:
    import sys

    from foldward.backtest import register, warm_up
    from foldward.contracts.errors import FoldwardError
    from foldward.worker import _log
    from foldward.worker.desk import Desk

    host = platform.node()
    _log.set_up(f"{setup.worker}@{host}", None, "WARNING")
    sys.path += [folder for folder in setup.path if folder not in sys.path]
    try:
        mine = engines(register(setup.kinds))
    except FoldwardError as error:
        return Refused(f"{host}: {error.code}: {error.message}")
    if mine != setup.engines:
        ours, theirs = dict(mine), dict(setup.engines)
        differing = sorted(kind for kind in {*ours, *theirs} if ours.get(kind) != theirs.get(kind))
        told = ", ".join(
            f"{kind or 'engine'} {ours.get(kind, 'missing')} instead of {theirs.get(kind, 'none')}"
            for kind in differing
        )
        return Refused(f"{host}: {told}")
    warm_up()
    candles: Any = NodeCandles()
    worker = f"{setup.worker}@{host}:{os.getpid()}"
    return Desk(
        candles,
        (),
        worker=worker,
        timeout_s=setup.timeout_s,
        profile=setup.profile,
        max_frame=setup.max_frame,
    )


class _Watch:
    """Ends the process when a job outlives its limit: a kernel that does not return hears no signal."""

    def __init__(self, timeout_s: float | None) -> None:
        self._timeout_s = timeout_s
        self._due: float | None = None
        self._started = False

    def begin(self, job: Any) -> None:
        """A job begins."""
        limits = [limit for limit in (self._timeout_s, job.deadline_s) if limit]
        self._due = clock.now() + min(limits) + HUNG_GRACE_S if limits else None
        if limits and not self._started:
            self._started = True
            threading.Thread(target=self._run, name="watch", daemon=True).start()

    def end(self) -> None:
        """No job runs."""
        self._due = None

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(0.25):
            due = self._due
            if due is not None and clock.now() > due:
                os._exit(70)


def _watch(setup: Setup) -> _Watch:
    return _watches.setdefault(setup, _Watch(setup.timeout_s))
