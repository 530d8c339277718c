"""What the safeguards cost: invariants, border checks and telemetry as a share of a warm run.

`python benchmarks/overhead/checks.py [--rounds 10] [--json]` takes every request of a run (in-sample, out of
sample, walk-forward and CPCV of twelve strategies on bundled candles) through the whole of core and the desk
of a worker, in one thread: admission, durable rows, lease, bytes, the engine, bytes, the answer applied, the
events written. The candles are in the cache, the kernels compiled, the first round is left out. Safeguards
are timed inside that very run, in CPU seconds, so the ratio needs no second run to be compared with. Sockets
and switching between processes are left out, which makes the share larger than it is in truth.

invariants: check_status and check_ledger of every simulation (the kernel's second book is a few comparisons
in its compiled loop and part of the engine). border: the data contract at the gate and the check of each
answer against its request. wire: what decoding costs beyond bare parsing, on both sides (limits, types,
completeness). telemetry: making events and writing them to the file. Exit 1 when invariants, border and
telemetry together reach 5 % of the whole run; the contract of the wire is shown beside them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from time import thread_time
from typing import Any
from unittest.mock import patch

import msgspec
from loguru import logger

from actors._base import ProductActor
from actors._event_log import EventLog
from actors._rank_core import PLANS
from foldward.app.candles import Candles
from foldward.contracts.facts import ImportStrategies
from foldward.contracts.jobs import Strategy
from foldward.contracts.messages import Emit
from foldward.data import bundled_dir
from foldward.data.cache import Cache
from foldward.testing.actor_world import ActorWorld
from foldward.wire import codec
from foldward.worker.desk import Desk

LIMIT = 0.05
PARTS = ("invariants", "border", "telemetry")
SERIES = (("AAPL", 1440), ("SP500", 1440), ("EURUSD", 60))
KINDS: tuple[tuple[str, dict[str, float]], ...] = (
    ("sma", {"sma_short": 10, "sma_long": 50}),
    ("rsi", {"period": 14, "low": 30, "high": 70}),
    ("bb", {"period": 20, "band_mult": 2.0}),
    ("macd", {"fast": 12, "slow": 26, "signal": 9}),
)
PHASES = ("backtest", "oos", "wfv", "cpcv")


class Clock:
    """Seconds by part; what is timed inside another part is taken off that part."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.inner = 0.0

    def timed(self, part: str, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn`, its time counted as `part`."""

        def call(*args: Any, **kwargs: Any) -> Any:
            began, outer, self.inner = thread_time(), self.inner, 0.0
            try:
                return fn(*args, **kwargs)
            finally:
                took = thread_time() - began
                self.spent[part] += took - self.inner
                self.inner = outer + took

        return call


def main() -> int:
    """Print the table; 1 when the safeguards cost too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logger.remove()
    with tempfile.TemporaryDirectory(prefix="fw-overhead-") as folder:
        table = measure(Path(folder), options.rounds)
    if options.json:
        print(json.dumps(table))
    else:
        print(
            f"{'':10}{'requests':>9}{'ms each':>9}"
            + "".join(f"{name:>12}" for name in (*PARTS, "all", "wire"))
        )
        for name, row in table.items():
            cells = "".join(f"{100 * row[part]:>11.2f}%" for part in (*PARTS, "all", "wire"))
            print(f"{name:10}{row['requests']:>9}{row['ms_each']:>9.3f}{cells}")
    share = table["whole run"]["all"]
    if share >= LIMIT:
        sys.stderr.write(f"error: the safeguards cost {100 * share:.2f} % of a warm run, the limit is 5 %\n")
        return 1
    return 0


class World(ActorWorld):
    """Core in this thread, with real candles."""

    def __init__(self, folder: Path, candles: Candles) -> None:
        super().__init__(folder)
        self.candles = candles  # type: ignore[assignment]


def measure(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Shares of the time by phase and of the whole run."""
    cache = Cache(folder / "cache")
    log = EventLog(folder / "telemetry.jsonl", max_bytes=10 * 1024 * 1024, keep=2)
    log.open()
    clocks = {phase: Clock() for phase in PHASES}
    with World(folder, Candles(cache, [bundled_dir()])) as world:
        strategies = [
            Strategy(name=f"{kind}-{symbol}", kind=kind, params=params, symbol=symbol, timeframe=timeframe)
            for symbol, timeframe in SERIES
            for kind, params in KINDS
        ]
        world.writer.apply([ImportStrategies(strategies=tuple(strategies), at_us=world.clock.utc_us)])
        world.link.connect("w1", capacity=2)
        desk = Desk(cache, worker="w1")
        for number in range(rounds + 1):
            for phase in PHASES:
                clock = Clock() if number == 0 else clocks[phase]
                with safeguards(clock, world):
                    whole = clock.timed("work", request)
                    for strategy in strategies:
                        whole(world, desk, log, strategy.name, phase, number)
    count = rounds * len(SERIES) * len(KINDS)
    table = {phase: shares([clocks[phase]], count) for phase in PHASES}
    table["whole run"] = shares(list(clocks.values()), count * len(PHASES))
    return table


@contextmanager
def safeguards(clock: Clock, world: World) -> Iterator[None]:
    """Time them where they are called."""
    parse = clock.timed("parsing", msgspec.json.decode)
    read = clock.timed("wire", codec.loads)

    def loads(raw: bytes, **more: Any) -> Any:
        parse(raw)
        return read(raw, **more)

    with ExitStack() as stack:
        for part, owner, name in WHERE:
            stack.enter_context(patch(f"{owner}.{name}", clock.timed(part, resolve(owner, name))))
        for owner in ("actors.dispatcher", "foldward.worker.desk"):
            stack.enter_context(patch(f"{owner}.loads", loads))
        stack.enter_context(patch.object(world.candles, "gate", clock.timed("border", world.candles.gate)))
        stack.enter_context(patch.object(ProductActor, "emit", clock.timed("telemetry", ProductActor.emit)))
        stack.enter_context(patch.object(EventLog, "record", clock.timed("telemetry", EventLog.record)))
        yield


WHERE = (
    ("invariants", "foldward.backtest.engine", "check_ledger"),
    ("invariants", "foldward.backtest.engine", "check_status"),
    ("invariants", "foldward.backtest.windows", "check_ledger"),
    ("border", "actors._results", "check"),
    ("telemetry", "actors._ledger", "oos_event"),
    ("telemetry", "actors.oos_queue", "oos_event"),
)


def resolve(owner: str, name: str) -> Callable[..., Any]:
    """The function of that name in that module."""
    found: Callable[..., Any] = getattr(import_module(owner), name)
    return found


def request(world: World, desk: Desk, log: EventLog, name: str, phase: str, seed: int) -> None:
    """One request from its admission to its last event."""
    before = len(world.link.sent)
    (item,) = world.submit(name, kind=phase, now=True, seed=seed, plan=PLANS.get(phase))
    if item.status != "queued":
        raise SystemExit(f"{phase} {name}: {item.status} {item.code} {item.message}")
    ((_, request_id, raw),) = world.link.sent[before:]
    world.receive(desk.answer(raw, request_id))
    if world.reader.result(request_id) is None:
        raise SystemExit(f"{phase} {name}: not applied")
    told = world.heard.pop("telemetry", [])
    log.record([message for message in told if isinstance(message, Emit)])
    world.heard.clear()


def shares(clocks: list[Clock], requests: int) -> dict[str, float]:
    """Parts of the time, as ratios of all of it."""
    spent: dict[str, float] = defaultdict(float)
    for clock in clocks:
        for part, seconds in clock.spent.items():
            spent[part] += seconds
    spent["wire"] -= spent["parsing"]  # the bare parsing was done twice, once for this difference
    whole = sum(spent.values())
    row = {part: spent[part] / whole for part in (*PARTS, "wire")}
    return {
        "requests": requests,
        "ms_each": 1000 * whole / requests,
        **row,
        "all": sum(row[part] for part in PARTS),
    }


if __name__ == "__main__":
    raise SystemExit(main())
