"""The queue without threads: OOSQueue, Dispatcher and DeadLetter over a real database, in virtual time.

Messages are delivered one batch at a time in the order in which they were told, timers fire when `pass_time`
reaches them, and every write is a real transaction. A test drives a day in milliseconds, always the same way.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from pathlib import Path
from typing import Any, Self

from actors._base import ProductActor
from actors._candles import GateResult
from actors.dead_letter import DeadLetter
from actors.dispatcher import Dispatcher
from actors.oos_queue import OOSQueue
from foldward.contracts.facts import ImportStrategies
from foldward.contracts.jobs import Backtest, Result, Strategy, Window
from foldward.contracts.messages import Emit, FrameReceived, Submit, SubmitOutcome, Submitted, Write, Written
from foldward.settings import Settings
from foldward.testing.fake_link import FakeLink
from foldward.testing.virtual_clock import VirtualClock
from foldward.wire import dumps, loads
from storage import open_writer
from storage.reads import Reader

DAY_S = 86_400
FIRST = 1_672_531_200  # 2023-01-01, the first of 730 daily bars
BARS = 730


class Candles:
    """A gate over daily bars: `codes` refuses symbols, `fingerprints` gives them other data."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}
        self.bars: dict[str, int] = {}

    def gate(self, strategy: Strategy) -> GateResult:
        code = self.codes.get(strategy.symbol)
        path = f"/data/{strategy.symbol}_D1.csv"
        if code is not None:
            return GateResult(ok=False, code=code, message=f"{code} in {path}", path=path)
        rows = self.bars.get(strategy.symbol, BARS)
        return GateResult(
            ok=True,
            fingerprint=f"sha256:{strategy.symbol}:{rows}",
            path=path,
            first=FIRST,
            last=FIRST + (rows - 1) * DAY_S,
            rows=rows,
        )

    def window(self, fingerprint: str, start: int | None, end: int | None) -> Window | None:
        rows = int(fingerprint.rsplit(":", 1)[1])
        last = FIRST + (rows - 1) * DAY_S
        low = FIRST if start is None else max(FIRST, FIRST + -(-(start - FIRST) // DAY_S) * DAY_S)
        high = last if end is None else min(last, FIRST + (end - FIRST) // DAY_S * DAY_S)
        return None if high < low else Window(low, high, (high - low) // DAY_S + 1)


class Box:
    """Where answers arrive."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def tell(self, message: Any) -> bool:
        self.messages.append(message)
        return True


class _Name:
    def __init__(self, world: ActorWorld, name: str) -> None:
        self._world = world
        self.name = name

    def tell(self, message: Any) -> bool:
        self._world.mail.append((self.name, message))
        return True


class _Names(dict[str, Any]):
    """Every name that is asked for."""

    def __init__(self, world: ActorWorld) -> None:
        super().__init__()
        self._world = world

    def get(self, name: str, _default: Any = None) -> Any:
        return _Name(self._world, self._world.alias.get(name, name))


class _Timer:
    def cancel(self) -> None:
        """Nothing here cancels."""


class ActorWorld:
    """See the module. `heard` is what others than the three were told, by name; `events` what was emitted."""

    def __init__(self, folder: Path, settings: Settings | None = None, seed: int = 1) -> None:
        self.path = folder / "foldward.db"
        self.settings = settings or Settings()
        self.clock = VirtualClock()
        self.candles = Candles()
        self.seed = seed
        self.mail: deque[tuple[str, Any]] = deque()
        self.heard: dict[str, list[Any]] = {}
        self.alias: dict[str, str] = {}
        self.actors: dict[str, ProductActor] = {}
        self.broken_store: str | None = None  # a code: every write is refused with it
        self.link: FakeLink
        self._timers: list[tuple[float, int, float | None, str, Any, ProductActor]] = []
        self._order = 0

    def __enter__(self) -> Self:
        self.clock.__enter__()
        self.writer = open_writer(self.path, self.settings.storage)
        self._sizes = itertools.count()
        self.reader = Reader(self.path)
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.reader.close()
        self.writer.close()
        self.clock.__exit__(None, None, None)

    # --- actors ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """A new incarnation of all three."""
        settings = self.settings
        queue = OOSQueue(
            database=self.path,
            queue=settings.queue,
            retry=settings.retry,
            candles=self.candles,
            engine=lambda _kind: "test-engine",
            run_id="run-1",
            rng=random.Random(self.seed),
        )
        dispatcher = Dispatcher(
            database=self.path,
            queue=settings.queue,
            retry=settings.retry,
            breaker=settings.breaker,
            make_link=self._make_link,
            max_frame=settings.link.max_frame,
        )
        letters = DeadLetter(database=self.path, storage=settings.storage, max_frame=settings.link.max_frame)
        self.actors = {"dead_letter": letters, "oos_queue": queue, "dispatcher": dispatcher}
        for name, actor in self.actors.items():
            self._adopt(name, actor)
        self.run()

    def _adopt(self, name: str, actor: Any) -> None:
        self.alias[actor.id] = name
        actor._handles = _Names(self)
        actor.after = lambda seconds, message: self._arm(seconds, None, name, message, actor)
        actor.every = lambda seconds, message: self._arm(seconds, seconds, name, message, actor)
        actor.recover()
        actor.on_start()

    def _make_link(self, sink: Any) -> FakeLink:
        self.link = FakeLink(sink)
        return self.link

    def kill(self) -> None:
        """The process dies: memory, mail and timers are gone, the rows stay."""
        self.mail.clear()
        self._timers.clear()
        self.actors.clear()

    def stop(self) -> None:
        """An orderly end: right to left, and the writer drains its inbox."""
        for name in ("dispatcher", "oos_queue", "dead_letter"):
            self.actors[name].on_stop()
        self._timers.clear()
        self._deliver_writes()
        self.mail.clear()
        self.actors.clear()

    def _arm(self, after_s: float, every_s: float | None, name: str, message: Any, actor: Any) -> _Timer:
        self._order += 1
        entry = (self.clock.now + after_s, self._order, every_s, name, message, actor)
        heapq.heappush(self._timers, entry)
        return _Timer()

    # --- time and mail ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Deliver until nobody has anything to say."""
        while self.mail:
            name, message = self.mail.popleft()
            if name == "db_writer":
                self.mail.appendleft((name, message))
                self._deliver_writes()
            elif name in self.actors:
                self.actors[name].drain([message])  # type: ignore[misc]
            else:
                self.heard.setdefault(name, []).append(message)

    def _deliver_writes(self) -> None:
        writes = [message for name, message in self.mail if name == "db_writer"]
        self.mail = deque(item for item in self.mail if item[0] != "db_writer")
        for write in writes:
            self._commit(write)

    def _commit(self, write: Write) -> None:
        if self.broken_store is not None:
            written = Written(
                tag=write.tag, fact=write.fact, ok=False, code=self.broken_store, error="the store is broken"
            )
        else:
            (outcome,) = self.writer.apply([write.fact])
            written = Written(
                tag=write.tag,
                fact=write.fact,
                ok=outcome.ok,
                value=outcome.value,
                code=outcome.code,
                error=outcome.error,
            )
        if write.reply_to is not None:
            write.reply_to.tell(written)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, firing every timer at its time."""
        end = self.clock.now + seconds
        while self._timers and self._timers[0][0] <= end + 1e-9:
            due, _, every_s, name, message, actor = heapq.heappop(self._timers)
            if self.actors.get(name) is not actor:
                continue
            self.clock.sleep(max(0.0, due - self.clock.now))
            if every_s is not None:
                self._arm(every_s, every_s, name, message, actor)
            self.mail.append((name, message))
            self.run()
        self.clock.sleep(max(0.0, end - self.clock.now))

    # --- what a test does ------------------------------------------------------------------------------

    def tell(self, name: str, message: Any) -> None:
        """Tell an actor something, and let everyone react."""
        self.mail.append((name, message))
        self.run()

    def add(self, *names: str, symbol: str = "EURUSD", **fields: Any) -> None:
        """Store strategies, each a rule of its own (they differ in their size)."""
        params = {"sma_short": 5.0, "sma_long": 20.0}
        strategies = tuple(
            Strategy(
                name=name,
                kind="sma",
                params=params,
                symbol=symbol,
                timeframe=1440,
                **{"units": 1.0 + next(self._sizes), **fields},
            )
            for name in names
        )
        (outcome,) = self.writer.apply([ImportStrategies(strategies=strategies, at_us=self.clock.utc_us)])
        assert outcome.ok, outcome

    def submit(self, *names: str, **fields: Any) -> list[SubmitOutcome]:
        """Submit, and give back what the caller hears."""
        box = Box()
        self.tell("oos_queue", Submit(names=names, reply_to=box, **fields))
        (answer,) = box.messages
        assert isinstance(answer, Submitted)
        return list(answer.items)

    def sent(self) -> list[tuple[str, str]]:
        """(peer, request_id) of everything that left, in its order."""
        return [(peer, request_id) for peer, request_id, _ in self.link.sent]

    def result(self, request_id: str, **fields: Any) -> Result:
        """A right answer to what was sent last under that id, with these fields changed."""
        data = next(data for _, sent_id, data in reversed(self.link.sent) if sent_id == request_id)
        job = loads(data)
        assert isinstance(job, Backtest)
        return answer_to(job, self.candles, **fields)

    def answer(self, request_id: str, peer: str = "w1", **fields: Any) -> bytes:
        """The peer answers; the bytes it sent."""
        raw = dumps(self.result(request_id, **fields))
        self.receive(raw, peer=peer)
        return raw

    def receive(self, *frames: bytes, peer: str = "w1") -> None:
        """Bytes arrive from a peer."""
        frame = FrameReceived(peer=peer, frames=frames, received_us=self.clock.utc_us)
        self.tell("dispatcher", frame)

    def events(self, event_type: str | None = None) -> list[Emit]:
        """What was emitted, all or of one type."""
        emitted = [message for message in self.heard.get("telemetry", []) if isinstance(message, Emit)]
        return [emit for emit in emitted if event_type in (None, emit.event_type)]

    def status(self, request_id: str) -> str:
        """The state of its row; `success` when it has a result, `unknown` when there is neither."""
        row = self.reader.request(request_id)
        if row is not None:
            return row.status
        return "success" if self.reader.result(request_id) is not None else "unknown"


def answer_to(job: Backtest, candles: Candles, **fields: Any) -> Result:
    """What a worker would answer."""
    window = candles.window(job.data_id or "", job.start_time, job.end_time)
    base: dict[str, Any] = {
        "request_id": job.request_id,
        "strategy_name": job.strategy.name,
        "trades": 42,
        "wins": 20,
        "losses": 22,
        "pnl": 12.5,
        "sharpe": 0.61 if job.phase == "oos" else 0.83,
        "sortino": 0.9,
        "max_drawdown": 0.1,
        "win_rate": 47.6,
        "profit_factor": 1.2,
        "window": window,
        "fingerprint": job.data_id,
        "result_digest": "sha256:" + "ab" * 32,
        "engine": "test-engine",
        "attempt": job.attempt,
        "trace_id": job.trace_id,
        "detail": {"folds": []} if job.phase in ("wfv", "cpcv", "evidence") else None,
    }
    return Result(**(base | fields))
