"""A core's end of the native link, a cache with real prices, and workers as processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foldward.contracts.ids import new_id
from foldward.contracts.jobs import Backtest, Result, Strategy
from foldward.contracts.messages import FrameReceived, Message, PeerJoined
from foldward.data import bundled_dir
from foldward.data.cache import Cache
from foldward.settings import LinkTable
from foldward.wire import dumps, loads
from foldward.wire.links import NativeLink

WAIT_S = 30.0


class Core:
    """A link with its memory."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.told: list[tuple[float, Message]] = []
        self.changed = threading.Condition()
        self.link = NativeLink(self._hear, LinkTable(**settings), folder)
        self.link.start()
        self.processes: list[subprocess.Popen[bytes]] = []

    def _hear(self, message: Message) -> None:
        with self.changed:
            self.told.append((time.monotonic(), message))
            self.changed.notify_all()

    def of(self, kind: type) -> list[Any]:
        return [message for _, message in self.told if type(message) is kind]

    def wait(self, kind: type, count: int = 1, timeout: float = WAIT_S) -> list[Any]:
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.of(kind)) >= count, timeout):
                raise AssertionError(f"{len(self.of(kind))} of {count} {kind.__name__}: {self.told[-5:]}")
        return self.of(kind)

    def worker(self, *options: str, id: str = "worker-1", module: str = "foldward.worker") -> Any:
        argv = [sys.executable, "-m", module, "--connect", self.link.endpoint, "--id", id, *options]
        if module == "foldward.worker":
            argv += ["--cache", str(self.folder / "cache"), "--log", str(self.folder / f"{id}.log")]
        joined = len(self.of(PeerJoined))
        process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        self.wait(PeerJoined, joined + 1)
        return process

    def ask(self, job: Backtest | bytes, peer: str = "worker-1") -> Result:
        before = len(self.of(FrameReceived))
        raw = job if isinstance(job, bytes) else dumps(job)
        self.link.send(peer, job.request_id if isinstance(job, Backtest) else "on-envelope", raw)
        answer = loads(self.wait(FrameReceived, before + 1)[before].frames[0])
        assert isinstance(answer, Result)
        return answer

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait(10)
        self.link.close()


@pytest.fixture
def make_core(tmp_path) -> Iterator[Callable[..., Core]]:
    made: list[Core] = []

    def make(**settings: Any) -> Core:
        made.append(Core(tmp_path, **settings))
        return made[-1]

    yield make
    for core in made:
        core.close()


@pytest.fixture
def core(make_core) -> Core:
    return make_core()


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A core with one worker, for requests that leave both as they were: a start takes half a second."""
    core = Core(tmp_path_factory.mktemp("standing"))
    Cache(core.folder / "cache").ensure(bundled_dir() / "EURUSD_H1.csv", 60, symbol="EURUSD")
    try:
        core.worker("--data-root", str(core.folder))
        yield core
    finally:
        core.close()


@pytest.fixture
def eurusd(tmp_path) -> Any:
    return Cache(tmp_path / "cache").ensure(bundled_dir() / "EURUSD_H1.csv", 60, symbol="EURUSD")


@pytest.fixture
def make_job(eurusd) -> Callable[..., Backtest]:
    def make(**fields: Any) -> Backtest:
        strategy = fields.pop(
            "strategy",
            Strategy(name="s", kind="sma", params={"sma_short": 5.0, "sma_long": 20.0}, symbol="EURUSD"),
        )
        given = {"request_id": new_id(), "data_id": eurusd.fingerprint, "trace_id": "trace-1", **fields}
        return Backtest(strategy=strategy, **given)

    return make
