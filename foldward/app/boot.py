"""Start and stop of one core: lock, checks, database, cache, tree; and the process around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from loguru import logger

from foldward.app import collector, doctor, logging
from foldward.app.candles import Candles
from foldward.app.endpoints import require_endpoints
from foldward.app.keys import KeyRing, link_of
from foldward.app.manager import tell_manager
from foldward.app.reload import Recheck, Reloader
from foldward.app.tree import Parts, build
from foldward.app.wiring import Wiring
from foldward.backtest import engine_of
from foldward.contracts import clock, ids
from foldward.contracts.errors import SupervisionError
from foldward.contracts.messages import Emit
from foldward.data.cache import Cache
from foldward.settings import CoreLock, Home, Settings, Snapshot
from foldward.wire.links import native_endpoint
from storage import open_writer
from supervision import Child, Root, boot, run

WARM_LIMIT_S = 300.0


class Core:
    """One core of one home. Use `with core.opened():`, then `start()`, `stop()`."""

    def __init__(
        self,
        home: Home,
        snapshot: Snapshot,
        *,
        seed: int = 0,
        complete: bool = False,
        roots: Sequence[Path] = (),
        stderr_level: str = "INFO",
        recheck: Recheck | None = None,
    ) -> None:
        self.home = home
        self.snapshot = snapshot
        self.seed = seed
        self.engine = engine_of
        self.run_id = ids.new_id()
        self.root: Root | None = None
        self.endpoint = ""
        self.link = snapshot.settings.link  # with the keys of the home, once it is opened
        self.local_keys: Path | None = None
        self.data: frozenset[str] = frozenset()
        self._complete = complete
        self._given = [*roots]
        self._roots = self._all_roots(snapshot.settings)
        self._stderr_level = stderr_level
        self._lock: CoreLock | None = None
        self._wiring = Wiring(self.run_id)
        self.reload = Reloader(snapshot, recheck, self._apply, self.emit) if recheck is not None else None
        self._warming: subprocess.Popen[bytes] | None = None
        self.candles: Candles = None  # type: ignore[assignment] # made in opened()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Own the home: lock, database migrated, cache swept. Raises before anything is changed."""
        doctor.require_own_rooms()
        self.home.make()
        self._lock = self.home.lock()
        try:
            logging.configure("core", self.home.logs / "core.log", stderr_level=self._stderr_level)
            self.endpoint = native_endpoint(self.snapshot.settings.link, self.home.run_dir)
            ring = KeyRing(self.home)
            self.link, self.local_keys = link_of(self.snapshot.settings.link, self.endpoint, ring)
            require_endpoints(self.link, self.endpoint)
            self._describe()
            # Migrate before the tree starts: a database that cannot be opened is a usage error, not a crash.
            open_writer(self.home.database, self.snapshot.settings.storage).close()
            cache = Cache(self.home.cache)
            cache.sweep()
            rules = self.snapshot.settings.data
            self.candles = Candles(cache, self._roots, rules.allow, rules.coverage_min)
            self._warming = subprocess.Popen(
                [sys.executable, "-P", "-m", "foldward.app.warm", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C at a terminal is for core, which ends this one itself
            )
            yield
        finally:
            if self._warming is not None and self._warming.poll() is None:
                self._warming.kill()
                self._warming.wait()
            self._lock.release()

    def tree(self) -> Child:
        """The spec of the whole tree."""
        self._wiring.run_id = self.run_id
        self._describe()
        return build(
            Parts(
                home=self.home,
                snapshot=self.snapshot,
                run_id=self.run_id,
                seed=self.seed,
                candles=self.candles,
                engine=self.engine,
                endpoint=self.endpoint,
                link=self.link,
                local_keys=self.local_keys,
                data_roots=[root.absolute() for root in self._roots],
                complete=self._complete,
                wiring=self._wiring,
                reload=self.reload,
                data=self.data,
            )
        )

    def start(self) -> None:
        """Bring the tree up in this process (for `foldward run`); returns when every child is ready."""
        self.warm()
        self.root = boot(self.tree(), **self.callbacks())
        self.started(self.root)

    def started(self, root: Root) -> None:
        """The tree is up: let its callbacks find it, and say so."""
        self._wiring.up(root)
        collector.calm()
        logger.info(
            "core {} is up: run {}, home {}", metadata.version("foldward"), self.run_id, self.home.root
        )

    def ready(self, root: Root) -> None:
        """`started`, and the service manager hears it."""
        self.started(root)
        self.emit(
            "run.started", {"run_id": self.run_id, "seed": self.seed, "strategies": None, "digest": None}
        )
        tell_manager(f"READY=1\nSTATUS=run {self.run_id}, home {self.home.root}")

    def _all_roots(self, settings: Settings) -> list[Path]:
        return [*self._given, *(Path(root) for root in settings.core.data_roots)]

    def _apply(self, settings: Settings) -> None:
        """What a reload may change under a running tree."""
        self.candles.reconfigure(self._all_roots(settings), settings.data.allow, settings.data.coverage_min)

    def callbacks(self) -> dict[str, Any]:
        """What supervision calls."""
        wiring = self._wiring
        return {"on_event": wiring.on_event, "on_dead": wiring.on_dead, "on_crash": wiring.on_crash}

    def warming(self, patience_s: float = 3.0) -> bool:
        """Whether kernels are still being compiled after a moment (loading compiled ones takes a second)."""
        if self._warming is None:
            return False
        try:
            self._warming.wait(patience_s)
        except subprocess.TimeoutExpired:
            return True
        return False

    def warm(self) -> None:
        """Wait until the kernels are compiled: once a machine, so that workers find them in the cache."""
        if self._warming is not None:
            with suppress(subprocess.TimeoutExpired):
                self._warming.wait(WARM_LIMIT_S)

    def stop(self) -> None:
        """Stop the tree in reverse order within the limit of the settings."""
        if self.root is not None:
            self.root.stop(self.snapshot.settings.core.stop_s)
            self.root = None
            self._wiring.up(None)

    def check(self) -> None:
        """Raise supervision.start_failed when the tree has given up."""
        if self.root is not None and self.root.wait(0):
            raise SupervisionError(
                "supervision.start_failed",
                "the supervision tree gave up",
                hint=f"the crash reports are in {self.home.logs / 'core.log'}",
            )

    def idle(self) -> bool:
        """Whether RankEvaluator neither asks for nor waits for anything."""
        if self.root is None:
            return False
        from foldward.contracts.messages import Figures

        try:
            return bool(self.root.handle("rank_evaluator").ask(Figures(), timeout=2.0)["idle"])
        except Exception:  # a restarting actor is not idle, whatever it raised
            return False

    def tell(self, name: str, message: Any) -> None:
        """Tell an actor; the tree must be up."""
        self._wiring.tell(name, message)

    def emit(self, event_type: str, data: dict[str, Any]) -> None:
        """One event of core itself."""
        self.tell(
            "telemetry",
            Emit(event_type=event_type, data=data, at_us=clock.utc_us(), service="core", run_id=self.run_id),
        )

    def workers(self) -> list[dict[str, Any]]:
        """Workers with pid and how busy they are at this moment: what status shows is up to a second old."""
        from foldward.console.verbs import worker_rows
        from foldward.contracts.messages import Look

        if self.root is None:
            return []
        try:
            seen: dict[str, Any] = self.root.handle("dispatcher").ask(Look(), timeout=2.0)
        except Exception:  # a restarting dispatcher knows no worker, whatever it raised
            seen = {}
        return worker_rows(self.root.snapshot(), seen.get("workers", []))

    def _describe(self) -> None:
        if self._lock is not None:
            self._lock.describe(
                pid=os.getpid(),
                run_id=self.run_id,
                inspect=str(self.home.socket("inspect")),
                workers=self.endpoint,
                started_at=clock.iso_ms(clock.utc_us()),
                version=metadata.version("foldward"),
            )


def run_core(home: Home, snapshot: Snapshot, recheck: Recheck) -> int:
    """`foldward core`: run the tree in the foreground; exit codes of `supervision.run`. SIGHUP reloads."""
    core = Core(home, snapshot, recheck=recheck)
    with core.opened(), _hang_up(core.reload):
        threading.current_thread().name = "core"
        return run(
            core.tree(),
            deadline=snapshot.settings.core.stop_s,
            on_ready=core.ready,
            on_stopping=lambda _: tell_manager("STOPPING=1"),
            **core.callbacks(),
        )


@contextmanager
def _hang_up(reload: Callable[[], Any] | None) -> Iterator[None]:
    """SIGHUP reads the settings anew, in a thread of its own: a handler may not wait."""
    if reload is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(
        signal.SIGHUP, lambda *_: threading.Thread(target=reload, name="reload", daemon=True).start()
    )
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
