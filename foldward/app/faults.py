"""`foldward run --faults`: real faults on purpose, so that recovery is seen.

A CSV with bad rows whose strategy must be refused, an answer that cannot be read (a dead letter follows),
and a worker killed at work, whose requests must go out again.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foldward.app.strategy_files import strategy_from
from foldward.contracts.jobs import Strategy
from foldward.data import bundled_dir

if TYPE_CHECKING:
    from foldward.app.boot import Core
    from foldward.app.progress import Progress

SYMBOL = "BADDATA"
POISON = b'{"type":"BACKTEST_RESULT","result":{"request_id":"not an id","sharpe":"poison"'


@dataclass(frozen=True)
class Extra:
    """A data root with a bad file, and the strategy that wants it."""

    data: Path
    strategies: list[Strategy]


@contextmanager
def extra_inputs(wanted: bool) -> Iterator[Extra | None]:
    """A folder that lives as long as the run."""
    if not wanted:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="foldward-faults-"))
    try:
        source = (bundled_dir() / "AAPL_D1.csv").read_text(encoding="utf-8").splitlines()
        cells = source[100].split(",")
        cells[2], cells[3] = cells[3], cells[2]  # high below low
        source[100] = ",".join(cells)
        source[200] = source[200].rpartition(",")[0] + ",nan"
        (folder / f"{SYMBOL}_D1.csv").write_text("\n".join(source) + "\n", encoding="utf-8")
        plain = {"name": f"sma-{SYMBOL}", "kind": "sma", "symbol": SYMBOL, "timeframe": "D1"}
        yield Extra(folder, [strategy_from(plain)])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def meanwhile(wanted: bool, core: Core, progress: Progress, spoken: Callable[[str], str]) -> Iterator[None]:
    """Send the poison and kill a worker while the block runs. spoken: a command as a person can type it."""
    if not wanted:
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_strike, args=(core, progress, spoken, done), name="faults", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=5)


def _strike(core: Core, progress: Progress, spoken: Callable[[str], str], done: threading.Event) -> None:
    progress.say(f"fault: a file with two bad rows stands behind sma-{SYMBOL}, which will be refused")
    send_poison(core.endpoint)
    progress.say(f"fault: an answer that nobody can read was sent → {spoken('dead list')}")
    struck = False
    while not struck and not done.wait(0.02):
        busy = [worker for worker in core.workers() if worker["busy"] and worker["pid"]]
        if busy:
            struck = True
            os.kill(busy[0]["pid"], signal.SIGKILL)
            progress.say(
                f"fault: {busy[0]['id']} (pid {busy[0]['pid']}) was killed at work"
                f" → {spoken('failures --by event')}"
            )
    if not struck:
        progress.say("fault: no worker was at work, so none was killed (a new --home computes all again)")


def send_poison(endpoint: str, payload: bytes = POISON) -> None:
    """Join the link as a worker would and answer with bytes that are no message."""
    import zmq

    context = zmq.Context()
    try:
        peer = context.socket(zmq.DEALER)
        peer.setsockopt(zmq.LINGER, 2000)
        peer.connect(endpoint)
        peer.send_multipart([b"RESULT", payload])
        peer.close()
    finally:
        context.term()
