"""RankEvaluator's core: which strategies to look at, what to write and what to ask for.

Knows no thread: `Rows` is what it reads (storage.reads.Reader has these methods), effects are what it
answers. Everything it remembers can be built again from rows: a crash costs a second look, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from actors import _ladder
from actors._asked import Asked
from actors._effects import Effects, Event, WriteFact
from actors._evidence import EvidenceDesk
from actors._gates import Judgement, judge
from actors._numbers import Numbers
from actors._rank_asks import RankAsks
from actors._rank_cursor import Cursor
from actors._rank_reads import RankReads, Rows
from actors._verdict_desk import VerdictDesk
from actors._windows import OwnWindows
from foldward.contracts.canonical import digest
from foldward.contracts.facts import SetMeta
from foldward.contracts.messages import Settled, Submitted, Written
from foldward.settings import RankTable

CURSOR = "rank_revision"
BATCH = 100  # strategies looked at in one go: some hundredths of a second
CHECKED = 200  # open requests looked after in a cycle
PAGE = 2_000  # requests read in one go
FAILURES = ("data_invalid", "send_failure", "db_error")


class Cycle(msgspec.Struct):
    """Figures since the last rank.cycle."""

    considered: int = 0
    requested: int = 0
    moved: int = 0
    seconds: float = 0.0
    data_invalid: int = 0
    send_failure: int = 0
    db_error: int = 0


class RankCore:
    """See the module.

    complete: every strategy gets every kind of work whatever the gates say (`foldward run`), and evidence
    waits until every backtest is in, so that the same set of strategies always has the same numbers.
    """

    def __init__(
        self,
        settings: RankTable,
        *,
        complete: bool = False,
        run_id: str = "-",
        seed: int = 0,
        data: Collection[str] = (),
        address: Any = None,
        engine: Callable[[str], str] | None = None,
        windows: OwnWindows | None = None,
    ) -> None:
        self.settings = settings
        self.complete = complete
        self.run_id = run_id
        self.cycle = Cycle()
        self.asked = Asked()
        self.evidence = EvidenceDesk(strict=complete)
        fits = None if windows is None else windows.fits
        self._reads = RankReads(complete=complete, seed=seed, data=data, engine=engine, fits=fits)
        self._engine = engine
        self._engines: dict[str, str] = {}  # kinds looked at → the engine of the time
        self._asks = RankAsks(self.asked, wish=complete, run_id=run_id, seed=seed, address=address)
        self.caught_up = False
        self._revision = 0
        self._stored_cursor = ""
        # Other thresholds or bars are other verdicts, and what was not asked for may be now: each one again.
        rules = {"gates": settings.gates.model_dump(), "auto": settings.auto_request}
        self._gates = digest({**rules, "oos_days": None if windows is None else windows.oos_days})[7:23]
        self._to_read: list[tuple[str, str | None]] = []  # requests of a former life: state, last id read
        self._seen: dict[str, int] = {}  # name → revision at the last look
        self._dirty: dict[str, None] = {}
        self.verdicts = VerdictDesk(run_id)
        self._defined: dict[str, int] = {}  # names with something asked → the definition it was for
        self._asking = complete  # within a cycle: only there work begins for a strategy
        self._begun: set[str] = set()  # names that a cycle has asked for: their next steps follow at once
        self._held: dict[str, None] = {}  # names that want something, for the next cycle
        self._send_failures: int | None = None

    # --- what is told ------------------------------------------------------------------------------------

    def recover(self, rows: Rows) -> None:
        """Go on where the last complete look ended, unless the gates or an engine have changed since."""
        stored = rows.meta(CURSOR) or ""
        cursor = Cursor.read(stored)
        if cursor is not None and cursor.gates == self._gates and not self.complete:
            engines = {kind: self._engine_of(kind) for kind in cursor.engines}
            if engines == cursor.engines:
                self._revision, self._engines = cursor.revision, engines
                self._stored_cursor = stored
        self._send_failures = rows.counters().get("send_failure", 0)
        # A run is an operator's wish: what was given up before it is tried again.
        states = ("open",) if self.complete else ("open", "error", "cancelled")
        self._to_read = [(status, None) for status in states]

    def settled(self, message: Settled) -> None:
        """A request's state changed."""
        if self.asked.settled(message):
            self.touch(message.name)

    def submitted(self, message: Submitted, now: float) -> None:
        """The queue's answer to what was asked for."""
        if not self._asks.answered(message):
            return
        for item in message.items:
            self.asked.outcome(item, message.kind, now)
            family = (item.code or "").partition(".")[0]
            if item.status == "queued":
                self.cycle.requested += 1
            elif item.status == "refused":
                self.cycle.data_invalid += family == "data"
                self.cycle.db_error += family == "storage"
            if item.status in ("cached", "refused"):
                self.touch(item.name)

    def written(self, message: Written, now: float) -> Effects:
        """A verdict is committed, or could not be."""
        name, effects = self.verdicts.written(message, now)
        if not message.ok and name is not None:
            self.cycle.db_error += 1
        elif name is not None:
            self.touch(name)
        self.cycle.moved += sum(_is_move(effect) for effect in effects)
        return effects

    def touch(self, name: str) -> None:
        """Look at a strategy again."""
        self._dirty[name] = None

    # --- what time does ----------------------------------------------------------------------------------

    def work(self, rows: Rows, now: float, now_us: int) -> Effects:
        """Look at up to BATCH strategies; `busy` says whether there are more to look at now."""
        if self._to_read:
            self._read_requests(rows)
            return []
        self._expire(now)
        effects: Effects = []
        asks: dict[str, list[str]] = {}
        for row in self._next(rows):
            effects += self._look(row, rows, now, now_us, asks)
        if self._may_deflate():
            if self.evidence.learn(rows):
                for name in self.evidence.outdated():
                    self.touch(name)
            plans = self.evidence.ready(self.asked.closed)
            if plans:
                effects += self._asks.ask("evidence", tuple(plans), now, plans)
        for kind in _ladder.ORDER:
            effects += self._asks.ask(kind, tuple(asks.get(kind, ())), now, None)
        self._asking = self.complete or (self._asking and self.busy)
        return effects

    @property
    def busy(self) -> bool:
        """Whether `work` has more to do at once."""
        if self._to_read:
            return True
        return bool(self._dirty) or not self.caught_up or (self._may_deflate() and self.evidence.busy)

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for, under way, or to be looked at: what a run waits for."""
        return not (
            self.busy
            or self._held
            or self.asked.open_count
            or self.asked.passing
            or len(self._asks)
            or self.verdicts.busy
            or self.evidence.waiting
        )

    def end_cycle(self, rows: Rows) -> Effects:
        """The cycle's event; its counters start anew, and whatever changed since is looked at."""
        total = rows.counters().get("send_failure", 0)
        if self._send_failures is not None:
            self.cycle.send_failure += max(0, total - self._send_failures)
        self._send_failures = total
        done, self.cycle = self.cycle, Cycle()
        self._asking = True
        for name in self._held:
            self.touch(name)
        self._held.clear()
        effects: Effects = [
            Event(
                "rank.cycle",
                {
                    "considered": done.considered,
                    "requested": done.requested,
                    "moved": done.moved,
                    "failures": {name: getattr(done, name) for name in FAILURES},
                    "seconds": round(done.seconds, 6),
                },
                run_id=self.run_id,
            )
        ]
        cursor = str(Cursor(self._revision, self._gates, self._engines))
        if self.idle and not self.asked.holds and cursor != self._stored_cursor:
            # Everything up to here is judged and asked for: a restart need not look at it again.
            self._stored_cursor = cursor
            effects.append(WriteFact(SetMeta(key=CURSOR, value=cursor), reply=False))
        self.caught_up = False
        self.evidence.look_again()
        for name in self.asked.check(lambda request_id: _is_open(rows, request_id), CHECKED):
            self.touch(name)
        return effects

    def figures(self) -> dict[str, Any]:
        """What the evaluator says about itself."""
        return {
            "idle": self.idle,
            "caught_up": self.caught_up,
            "to_look_at": len(self._dirty),
            "open": self.asked.open_count,
            "asking": len(self._asks),
            "writing": self.verdicts.writing,
            "waiting_for_trials": len(self.evidence.waiting),
            "revision": self._revision,
            "cycle": msgspec.to_builtins(self.cycle),
        }

    def _engine_of(self, kind: str) -> str:
        return "" if self._engine is None else self._engine(kind)

    def _read_requests(self, rows: Rows) -> None:
        """One page of the requests of a former life: reading all at once would hold up the start."""
        status, before = self._to_read.pop()
        page = rows.requests(PAGE, status=status, before=before)
        self.asked.recover(page)
        if len(page) == PAGE:
            self._to_read.append((status, page[-1].request_id))

    # --- looking at one strategy -------------------------------------------------------------------------

    def _next(self, rows: Rows) -> list[Any]:
        found: dict[str, Any] = {}
        while self._dirty and len(found) < BATCH:
            name = next(iter(self._dirty))
            del self._dirty[name]
            row = rows.strategy(name)
            if row is not None:
                found[name] = row
        room = BATCH - len(found)
        if room > 0 and not self.caught_up:
            changed = rows.strategies(revision_gt=self._revision, limit=room)
            self.caught_up = len(changed) < room
            for row in changed:
                self._revision = max(self._revision, row.revision)
                # What a told result made be looked at already is not looked at again.
                if self._seen.get(row.name) != row.revision:
                    found[row.name] = row
        return list(found.values())

    def _look(self, row: Any, rows: Rows, now: float, now_us: int, asks: dict[str, list[str]]) -> Effects:
        self.cycle.considered += 1
        name = row.name
        self._seen[name] = row.revision
        if row.rank == "retired":
            self.evidence.drop(name)
            return []
        if row.kind not in self._engines:
            self._engines[row.kind] = self._engine_of(row.kind)
        if self._defined.setdefault(name, row.defined_at) != row.defined_at:
            self.asked.forget(name)
            self._begun.discard(name)
            self._defined[name] = row.defined_at
        numbers = self._reads.numbers(row, rows, self.asked.reasons(name))
        if numbers.backtest is None and not numbers.missing and not self.settings.auto_request:
            return []  # nothing to record before an in-sample result, and nobody asks for one
        judgement = judge(numbers, self.settings.gates)
        wanted = self._wanted(row, numbers, judgement)
        if self.asked.reasons(name) != numbers.missing:
            numbers = msgspec.structs.replace(numbers, missing=self.asked.reasons(name))
            judgement = judge(numbers, self.settings.gates)
        effects: Effects = []
        if numbers.backtest is not None or numbers.missing:
            pending = self.asked.pending(name)
            effects = self.verdicts.record(row, judgement, pending=pending, now=now, now_us=now_us)
        for kind in self._now(name, wanted):
            if kind == "evidence":
                self.evidence.wait(name, _ladder.newest_data(numbers))
            else:
                asks.setdefault(kind, []).append(name)
        return effects

    def _now(self, name: str, wanted: list[str]) -> list[str]:
        """What of it may be asked for now. Between cycles nothing begins that nobody asked for."""
        if not wanted:
            return wanted
        if not self._asking and name not in self._begun:
            self._held[name] = None
            return []
        self._begun.add(name)
        return wanted

    def _wanted(self, row: Any, numbers: Numbers, judgement: Judgement) -> list[str]:
        if not self.settings.auto_request:
            return []
        data = _ladder.newest_data(numbers)
        known = numbers.evidence.report.get("n_trials") if numbers.evidence else None
        if numbers.evidence is not None:
            self.evidence.knows(row.name, data, known)
        wanted = _ladder.wanted(
            row.rank,
            numbers,
            judgement,
            complete=self.complete,
            open_kinds=self.asked.closed(row.name),
            stale_evidence=self.evidence.stale(data, known),
        )
        return [
            kind
            for kind in wanted
            if numbers.result(kind) is not None or not self.asked.ended(row.name, kind, row.defined_at)
        ]

    def _may_deflate(self) -> bool:
        """Whether trials may be counted now: in a complete run only when every backtest is in."""
        if not self.evidence.wanted:
            return False
        if not self.complete:
            return True
        quiet = self.caught_up and not self._dirty and not len(self._asks) and not self.verdicts.busy
        return quiet and not self.asked.opened("backtest")

    def _expire(self, now: float) -> None:
        self._asks.expire(now)
        for name in self.verdicts.due(now):
            self.touch(name)
        for name in self.asked.due(now):
            self.touch(name)


def _is_move(effect: Any) -> bool:
    return isinstance(effect, Event) and effect.event_type == "rank.changed"


def _is_open(rows: Rows, request_id: str) -> bool:
    row = rows.request(request_id)
    return row is not None and row.status in ("pending", "sent", "retry")
