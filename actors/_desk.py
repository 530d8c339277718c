"""What the Dispatcher decides: who gets what, when an attempt is over, what comes back (spec 1.3).

`Desk` holds buffer, peers and leases, and knows no thread, socket or file: each method takes a message and
the time (`now`: `clock.now()` seconds for intervals, `now_us`: wall clock for what is stored) and returns
effects. In flight is the set of leases, one for every row in state `sent`, never a difference of counters.
"""

from __future__ import annotations

import zlib
from heapq import heappop, heappush

import msgspec

from actors import _frames
from actors._buffer import Buffer, Work
from actors._effects import Alarm, Effect, Effects, Event, SendBytes, Tell, WriteFact
from actors._events import oos_event
from actors._pacing import Interval, RateLimit, RetryBudget, RunTimes
from actors._peers import Lease, Peer, Peers
from foldward.contracts import clock
from foldward.contracts.errors import WireError
from foldward.contracts.facts import CountUp, LeaseRequest, NoteEvent
from foldward.contracts.jobs import Result
from foldward.contracts.messages import (
    Admitted,
    AttemptFailed,
    FrameRefused,
    Hold,
    PeerJoined,
    ResultArrived,
    Settled,
    WorkReturned,
)
from foldward.resilience import State
from foldward.settings import BreakerTable, QueueTable, RetryTable

QUEUE = "oos_queue"
REST_S = 60.0
_BREAKER_EVENT = {
    State.CLOSED: "breaker.closed",
    State.OPEN: "breaker.opened",
    State.HALF_OPEN: "breaker.half_open",
}


class _Return(msgspec.Struct):
    """What a lost peer held, until its grace is over."""

    due: float
    leases: list[Lease]
    peer: str
    reason: str
    started: frozenset[str]


class Desk:
    """See the module."""

    def __init__(self, queue: QueueTable, retry: RetryTable, breaker: BreakerTable) -> None:
        self.settings = queue
        self.paused = False
        self.draining = False
        self.buffer = Buffer(queue.buffer)
        self.peers = Peers(breaker, self._breaker_moved)
        self.leases: dict[str, Lease] = {}
        self.run_times = RunTimes(queue.attempt_s, queue.attempt_min_s, queue.attempt_max_s)
        self.flush = Interval(queue.flush_interval_s)
        self.sent = 0
        self._rate = RateLimit(queue.rate_per_s)
        self._budget = RetryBudget(retry.budget_ratio, retry.budget_min_per_s)
        self._serial = 0
        self._deadlines: list[tuple[float, int, Lease]] = []
        self._returns: list[_Return] = []
        # Between the end of an attempt and what the queue makes of it: the work, and since when.
        self._resting: dict[str, tuple[Work, float]] = {}
        self._by_name: dict[str, set[str]] = {}  # legacy peers only: full name as sent → ids not answered
        self._deferred: set[str] = set()
        self._news: Effects = []

    # --- work comes in ---------------------------------------------------------------------------------

    def offer(self, message: Admitted) -> None:
        """A row is due, or will be."""
        if message.request_id not in self.leases:
            self.buffer.add(
                Work(
                    message.request_id,
                    message.name,
                    message.kind,
                    message.payload,
                    message.due_us,
                    message.priority,
                    message.trace_id,
                    message.charged,
                    message.origin,
                    message.requested_us or message.due_us,
                )
            )

    def known_ids(self) -> set[str]:
        """All of those."""
        return self.buffer.ids().union(self.leases, self._resting)

    def knows(self, request_id: str) -> bool:
        """Whether a row need not be read: it is waiting here, in flight, or about to be settled."""
        return request_id in self.leases or request_id in self._resting or request_id in self.buffer

    def offer_row(self, work: Work, payload_crc: int, now_us: int) -> Effects:
        """A row that was read. A payload that is not what was stored ends the request."""
        if self.knows(work.request_id):
            return []
        if zlib.crc32(work.payload) != payload_crc:
            self._resting[work.request_id] = (work, clock.now())
            return [
                self._failed(
                    work.request_id, "send", "storage.corrupt", "the stored payload is damaged", now_us
                )
            ]
        self.buffer.add(work)
        return []

    def settle(self, message: Settled, now: float) -> bool:
        """The queue says what became of a request. True: its row must be read to go on."""
        request_id = message.request_id
        lease = self.leases.pop(request_id, None)
        rested = self._resting.pop(request_id, None)
        work = None if rested is None else rested[0]
        if lease is not None:
            self._over(lease, now)
            work = work or lease.work
        self._deferred.discard(request_id)
        if message.state not in ("retry", "pending"):
            self.buffer.discard(request_id)
            return False
        self.buffer.discard(request_id)
        if work is None:
            return True
        if message.due_us is not None:
            work = msgspec.structs.replace(work, due_us=message.due_us, charged=message.charged)
        self.buffer.add(work)
        return False

    def _over(self, lease: Lease, now: float) -> None:
        """An attempt is over. The slot of a peer that never answered stays taken for a while."""
        self._unname(lease)
        if lease.holds and lease.free_at is None:
            if lease.asked:
                lease.peer.release(lease)
            else:
                lease.free_at = now + self.peers.recovery_s

    def _unname(self, lease: Lease) -> None:
        if lease.peer.legacy:
            names = self._by_name.get(lease.sent_name)
            if names is not None:
                names.discard(lease.work.request_id)
                if not names:
                    del self._by_name[lease.sent_name]

    # --- work goes out ---------------------------------------------------------------------------------

    def plan(self, now: float, now_us: int, limit: int) -> Effects:
        """Up to `limit` leases to be committed; their bytes leave afterwards (see `leased`)."""
        effects: Effects = []
        if self.paused or self.draining or not len(self.peers):
            return effects
        buffer, leases = self.buffer, self.leases
        buffer.mature(now_us)
        while len(effects) < limit and len(leases) < self.settings.max_inflight and self._rate.allows(now):
            resends = self._budget.allows(now)
            if not buffer.has_due(resends):
                break
            chosen = self.peers.choose()
            if chosen is None:
                break
            peer, permit = chosen
            work = buffer.take(resends)
            if work is None:
                peer.spare = permit
                break
            self._rate.take()
            if work.charged:
                self._budget.resend(now)
            elif not work.sends:
                self._budget.first(now)
            effects.append(self._lease(work, peer, permit, now, now_us))
        return self._with_news(effects)

    def _lease(self, work: Work, peer: Peer, permit: object, now: float, now_us: int) -> WriteFact:
        limit_s = self.run_times.deadline_s(work.kind)
        self._serial = serial = self._serial + 1
        lease = Lease(
            serial,
            work,
            peer,
            permit,  # type: ignore[arg-type]
            now + limit_s,
            limit_s,
            _frames.sent_name(work.name, work.kind, peer.legacy),
        )
        self.leases[work.request_id] = lease
        peer.hold(lease)
        heappush(self._deadlines, (lease.deadline, serial, lease))
        fact = LeaseRequest(
            request_id=work.request_id,
            worker=peer.id,
            sent_us=now_us,
            deadline_us=now_us + int(limit_s * clock.US),
        )
        return WriteFact(fact, ("lease", serial))

    def leased(
        self, request_id: str, serial: int, ok: bool, attempt: int | None, now: float, now_us: int
    ) -> Effects:
        """The row is committed as sent, or it is not: only now may bytes leave."""
        lease = self.leases.get(request_id)
        if lease is None or lease.serial != serial:
            # The store took longer than the attempt: the row is sent, and nothing of it will leave.
            return (
                [_given_back([request_id], frozenset(), "-", "its lease had run out", now_us)]
                if attempt
                else []
            )
        lease.asked = False
        if not ok or attempt is None:
            del self.leases[request_id]
            lease.peer.release(lease)
            lease.peer.spare = lease.permit
            if not ok:  # the store could not; the row is as it was
                self.buffer.add(lease.work, force=True)
            return []
        if lease.peer.gone:
            return self._return([lease], lease.peer.id, "left before the bytes did", frozenset(), now, now_us)
        if lease.peer.breaker.state is State.OPEN:
            return self._return([lease], lease.peer.id, "its breaker has opened", frozenset(), now, now_us)
        lease.attempt = attempt
        work = lease.work
        try:
            data = _frames.spelled(work.payload, attempt, lease.peer.encoding, lease.peer.legacy)
        except WireError as error:
            self._end(lease, now, holds=False)
            return [self._failed(request_id, "send", "storage.corrupt", f"the payload: {error}", now_us)]
        if lease.peer.legacy:
            self._by_name.setdefault(lease.sent_name, set()).add(request_id)
        lease.sent_at = now
        self.sent += 1
        self._deferred.discard(request_id)
        return [SendBytes(lease.peer.id, request_id, data)]

    def refused(self, message: FrameRefused, now: float, now_us: int) -> Effects:
        """The socket did not take the bytes."""
        lease = self.leases.get(message.request_id)
        if lease is None or lease.peer.id != message.peer or lease.asked or lease.answered:
            return []
        if lease.peer.gone:
            return []  # its return is under way, without a failure
        self._end(lease, now, holds=False)
        lease.peer.failed(lease.permit)
        work = lease.work
        return self._with_news(
            [
                oos_event(
                    "oos.dispatch_failed",
                    request_id=work.request_id,
                    name=work.name,
                    kind=work.kind,
                    origin=work.origin,
                    status="sent",
                    attempt=lease.attempt,
                    trace_id=work.trace_id,
                    severity="warning",
                    error=message.error,
                    code="wire.send_failed",
                ),
                self._failed(
                    work.request_id, "send", "wire.send_failed", message.error, now_us, lease.attempt
                ),
            ]
        )

    def _end(self, lease: Lease, now: float, *, holds: bool) -> None:
        """The attempt failed; the queue decides what follows, until then the work rests."""
        self.leases.pop(lease.work.request_id, None)
        self._rest(lease, now)
        if not holds:
            lease.peer.release(lease)
        self._over(lease, now)

    def _rest(self, lease: Lease, now: float) -> None:
        work = msgspec.structs.replace(lease.work, sends=max(1, lease.attempt))
        self._resting[work.request_id] = (work, now)

    def _failed(
        self, request_id: str, cause: str, code: str, error: str, now_us: int, attempt: int = 0
    ) -> Effect:
        return Tell(
            QUEUE,
            AttemptFailed(
                request_id=request_id, cause=cause, code=code, error=error, at_us=now_us, attempt=attempt
            ),
        )

    # --- answers ---------------------------------------------------------------------------------------

    def answered(self, result: Result, raw: bytes, peer_id: str, received_us: int, now: float) -> Effects:
        """A decoded answer: its slot is free, and the queue judges it."""
        peer = self.peers.get(peer_id)
        request_id = result.request_id
        if not request_id or request_id == "MISSING":
            named = self._by_name.get(result.strategy_name, ()) if not request_id else ()
            if len(named) != 1:
                self._count_answer(peer)
                error = (
                    f"the answer has no request_id and {len(named)} requests are in flight"
                    f" as {result.strategy_name!r}"
                    if not request_id
                    else "the peer could not read the request_id of what it was sent"
                )
                return [
                    Tell(
                        "dead_letter",
                        Hold(
                            reason="unknown_request_id",
                            code="wire.missing_request_id",
                            error=error if not result.error else f"{error}; it says: {result.error}",
                            payload=raw,
                            peer=peer_id,
                        ),
                    )
                ]
            (request_id,) = named
            result = msgspec.structs.replace(result, request_id=request_id)
        lease = self.leases.get(request_id)
        if lease is not None and lease.peer.id == peer_id and not lease.asked and not lease.answered:
            lease.answered = True
            self._unname(lease)
            lease.peer.answered(lease)
            lease.peer.succeeded(lease.permit)
            if result.error is None and result.code is None:
                self.run_times.add(lease.work.kind, now - lease.sent_at)
        elif peer is not None:
            late = peer.held(request_id)
            if late is not None:
                peer.answered(late)
            peer.succeeded(None)
        arrived = ResultArrived(result=result, raw=raw, peer=peer_id, received_us=received_us)
        return self._with_news([Tell(QUEUE, arrived)])

    def _count_answer(self, peer: Peer | None) -> None:
        """The peer answered for something that cannot be told: its oldest slot is free again."""
        if peer is not None and peer.holding:
            peer.release(next(iter(peer.holding.values())))

    def unreadable(self, error: WireError, raw: bytes, peer_id: str) -> Effects:
        """Bytes that are no answer: kept exactly as they came; the lease runs out into the next attempt."""
        peer = self.peers.get(peer_id)
        request_id = _frames.readable_id(raw)
        if peer is not None:
            lease = None if request_id is None else peer.held(request_id)
            if lease is not None:
                peer.release(lease)
            elif not peer.legacy:
                self._count_answer(peer)
            if not peer.legacy:  # anyone can push bytes at a PULL socket: they say nothing about the peer
                peer.failed(None)
        known = None if request_id is None else self.leases.get(request_id)
        hold = Hold(
            reason=_frames.reason_of(error.code),
            code=error.code,
            error=error.message,
            payload=raw,
            peer=peer_id,
            request_id=request_id,
            trace_id="-" if known is None else known.work.trace_id,
        )
        return self._with_news([Tell("dead_letter", hold)])

    # --- peers -----------------------------------------------------------------------------------------

    def joined(self, message: PeerJoined, now: float, now_us: int) -> Effects:
        """A peer can take work; whatever an earlier connection of that name held comes back."""
        effects: Effects = []
        if self.peers.get(message.peer) is not None:
            effects = self.left(message.peer, "connected anew", now, now_us)
        self.peers.join(
            message.peer,
            message.capacity,
            encoding=message.encoding,
            legacy=message.legacy,
            pid=message.pid,
            version=message.version,
            joined_us=now_us,
        )
        return effects

    def left(self, peer_id: str, reason: str, now: float, now_us: int) -> Effects:
        """A connection is over: what it held goes out again after the grace, and nobody is to blame."""
        peer = self.peers.leave(peer_id)
        if peer is None:
            return []
        if reason.startswith("silent"):
            peer.failed(None)  # a dead one leaves at once: this one was there and said nothing
        held = [
            lease
            for lease in self.leases.values()
            if lease.peer is peer and not lease.asked and not lease.answered
        ]
        if not held:
            return self._with_news([])
        # A worker that says goodbye did not die of its work.
        polite = reason.startswith("bye")
        started = frozenset(
            lease.work.request_id for lease in held if not polite and (lease.started or len(held) == 1)
        )
        due = now + self.settings.disconnect_grace_s
        self._returns.append(_Return(due, held, peer_id, reason, started))
        return self._with_news([] if due > now else self.returns(now, now_us))

    def started(self, peer_id: str, request_id: str) -> None:
        """The peer reports that it began this request."""
        lease = self.leases.get(request_id)
        if lease is not None and lease.peer.id == peer_id:
            lease.started = True

    def returns(self, now: float, now_us: int) -> Effects:
        """Graces that are over."""
        effects: Effects = []
        over = [entry for entry in self._returns if entry.due <= now]
        if over:
            self._returns = [entry for entry in self._returns if entry.due > now]
            for entry in over:
                effects += self._return(entry.leases, entry.peer, entry.reason, entry.started, now, now_us)
        return effects

    def _return(
        self, leases: list[Lease], peer: str, reason: str, started: frozenset[str], now: float, now_us: int
    ) -> Effects:
        ids = []
        for lease in leases:
            request_id = lease.work.request_id
            if self.leases.get(request_id) is not lease or lease.answered:
                continue
            del self.leases[request_id]
            self._rest(lease, now)
            self._unname(lease)
            lease.peer.release(lease)
            ids.append(request_id)
        if not ids:
            return []
        return [_given_back(ids, started, peer, reason, now_us)]

    def _forget(self, now: float) -> None:
        """Work whose fate nobody told: the queue was storing an answer that could not be stored, or crashed.
        The row says how it goes on."""
        while self._resting:
            request_id, (_, since) = next(iter(self._resting.items()))
            if 0 <= now - since < REST_S:
                break
            del self._resting[request_id]
            self.buffer.missed = True

    def beat(self, peer_id: str, at_us: int) -> None:
        """A sign of life."""
        peer = self.peers.get(peer_id)
        if peer is not None:
            peer.beat_at_us = at_us

    # --- time ------------------------------------------------------------------------------------------

    def expire(self, now: float, now_us: int) -> Effects:
        """Attempts whose deadline has passed."""
        effects: Effects = []
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            lease = heappop(deadlines)[2]
            if self.leases.get(lease.work.request_id) is not lease:
                continue
            if lease.asked:
                # The store never said whether the row is sent: the rows tell, see `Dispatcher._sweep`.
                del self.leases[lease.work.request_id]
                lease.peer.release(lease)
                self.buffer.missed = True
                continue
            if lease.peer.gone and not lease.answered:
                continue  # its return is under way, and that is no failure of the request
            if not lease.answered:
                lease.peer.failed(lease.permit)
            self._end(lease, now, holds=True)
            effects.append(
                self._failed(
                    lease.work.request_id,
                    "deadline",
                    "request.timeout",
                    f"no answer of {lease.peer.id} within {lease.limit_s:g} s",
                    now_us,
                    lease.attempt,
                )
            )
        self.peers.free_overdue(now)
        self._forget(now)
        if len(deadlines) > 4 * len(self.leases) + 1000:
            self._deadlines = sorted(
                entry for entry in deadlines if self.leases.get(entry[2].work.request_id) is entry[2]
            )
        return self._with_news(effects)

    def overdue(self, request_id: str, attempt: int, now_us: int) -> Effect:
        """A row that is sent, and no lease of it is known here."""
        return self._failed(
            request_id, "deadline", "request.timeout", "its lease was lost and ran out", now_us, attempt
        )

    def defer(self, now_us: int, limit: int) -> Effects:
        """What is due and cannot leave, because nobody is there to take it: said once for each."""
        reason = "no_worker" if not len(self.peers) else self._all_open()
        if reason is None or self.paused or self.draining:
            return []
        self.buffer.mature(now_us)
        effects: Effects = []
        for work in self.buffer.due(limit, without=self._deferred):
            self._deferred.add(work.request_id)
            age = max(0.0, (now_us - work.requested_us) / clock.US)
            effects.append(
                oos_event(
                    "oos.deferred",
                    request_id=work.request_id,
                    name=work.name,
                    kind=work.kind,
                    origin=work.origin,
                    status="retry" if work.sends else "pending",
                    attempt=work.sends,
                    trace_id=work.trace_id,
                    reason=reason,
                    age_sec=age,
                )
            )
            note = NoteEvent(
                request_id=work.request_id,
                event="oos.deferred",
                at_us=now_us,
                data={"reason": reason, "age_sec": age},
            )
            effects.append(WriteFact(note, reply=False))
        if effects:
            effects.append(WriteFact(CountUp(counts={"deferred": len(effects) // 2}), reply=False))
        return effects

    def _all_open(self) -> str | None:
        states = {peer.breaker.state for peer in self.peers.all()}
        return "breaker_open" if states == {State.OPEN} else None

    # --- breakers --------------------------------------------------------------------------------------

    def _breaker_moved(self, name: str, _before: State, after: State) -> None:
        breaker = self.peers.breakers[name].snapshot()
        due = breaker["retry_at"]
        left_us = 0 if due is None else int((due - clock.now()) * clock.US)
        retry_at = None if due is None else clock.iso_ms(clock.utc_us() + left_us)
        self._news.append(
            Event(
                _BREAKER_EVENT[after],
                {"breaker": name, "failures": breaker["failures"], "retry_at": retry_at},
                "warning" if after is State.OPEN else "info",
            )
        )
        if after is State.OPEN:
            self._news.append(
                Alarm(
                    f"breaker:{name}",
                    f"Breaker of {name} is open",
                    f"{breaker['failures']} failures in a row; its requests wait.",
                )
            )

    def _with_news(self, effects: Effects) -> Effects:
        if self._news:
            effects = effects + self._news
            self._news = []
        return effects


def _given_back(ids: list[str], started: frozenset[str], peer: str, reason: str, now_us: int) -> Tell:
    return Tell(
        QUEUE,
        WorkReturned(
            request_ids=tuple(ids),
            started=tuple(id for id in ids if id in started),
            peer=peer,
            reason=reason,
            at_us=now_us,
        ),
    )
