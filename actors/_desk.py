"""What the Dispatcher decides: who gets what, and when an attempt is over (spec 1.3).

`Desk` and its parts (`flight`: leases, `presence`: who is there, `arrivals`: what comes back) know no thread,
socket or file: each method takes a message and the time (`now`: `clock.now()` seconds for intervals,
`now_us`: wall clock for what is stored) and returns effects. In flight is the set of leases, one for every
row in state `sent`, never a difference of counters.
"""

from __future__ import annotations

import zlib

import msgspec

from actors import _frames
from actors._arrivals import Arrivals
from actors._buffer import Buffer
from actors._deferrals import Deferrals
from actors._effects import Effect, Effects, SendBytes, Tell, WriteFact
from actors._events import oos_event
from actors._flight import Flight
from actors._link_news import News
from actors._pacing import Interval, RateLimit, RetryBudget, RunTimes
from actors._peers import Lease, Peer, Peers
from actors._presence import QUEUE, Presence, returned
from actors._silence import Silence
from foldward.contracts import clock
from foldward.contracts.errors import WireError
from foldward.contracts.facts import LeaseRequest
from foldward.contracts.messages import Admitted, AttemptFailed, FrameRefused, Settled, Work
from foldward.resilience import State
from foldward.settings import BreakerTable, QueueTable, RetryTable


class Desk:
    """See the module."""

    def __init__(self, queue: QueueTable, retry: RetryTable, breaker: BreakerTable) -> None:
        self.settings = queue
        self.paused = False
        self.draining = False
        self.buffer = Buffer(queue.buffer)
        self.news = News(lambda name: self.peers.breakers[name].snapshot())
        self.silence = Silence()
        self.peers = Peers(breaker, self._moved, self.silence.forget)
        self.flight = Flight(breaker.recovery_s)
        self.run_times = RunTimes(queue.attempt_s, queue.attempt_min_s, queue.attempt_max_s)
        self.presence = Presence(self.peers, self.silence, self.flight, self.news, queue.disconnect_grace_s)
        self.arrivals = Arrivals(self.peers, self.silence, self.flight, self.run_times, self.news)
        self.flush = Interval(queue.flush_interval_s)
        self.sent = 0
        self._rate = RateLimit(queue.rate_per_s)
        self._budget = RetryBudget(retry.budget_ratio, retry.budget_min_per_s)
        self._deferrals = Deferrals()
        self._serial = 0

    def _moved(self, name: str, before: State, after: State) -> None:
        self.silence.moved(name, after)
        self.news.moved(name, before, after)

    # --- work comes in ---------------------------------------------------------------------------------

    def offer(self, message: Admitted) -> None:
        """A row is due, or will be."""
        if message.work.request_id not in self.flight.leases:
            self.buffer.add(message.work)

    def known_ids(self) -> set[str]:
        """Of rows that need not be read."""
        return self.buffer.ids() | self.flight.ids()

    def knows(self, request_id: str) -> bool:
        """Whether a row need not be read: it is waiting here, in flight, or about to be settled."""
        return request_id in self.flight or request_id in self.buffer

    def offer_row(self, work: Work, payload_crc: int, now_us: int) -> Effects:
        """A row that was read. A payload that is not what was stored ends the request."""
        if self.knows(work.request_id):
            return []
        if zlib.crc32(work.payload) != payload_crc:
            self.flight.rest_work(work, clock.now())
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
        work = self.flight.settled(request_id, now)
        self._deferrals.forget(request_id)
        self.buffer.discard(request_id)
        if message.state not in ("retry", "pending"):
            return False
        if work is None:
            return True
        if message.due_us is not None:
            work = msgspec.structs.replace(work, due_us=message.due_us, charged=message.charged)
        self.buffer.add(work)
        return False

    # --- work goes out ---------------------------------------------------------------------------------

    def plan(self, now: float, now_us: int, limit: int) -> Effects:
        """Up to `limit` leases to be committed; their bytes leave afterwards (see `leased`)."""
        effects: Effects = []
        if self.paused or self.draining or not len(self.peers):
            return effects
        buffer, leases = self.buffer, self.flight.leases
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
        return self.news.after(effects)

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
        self.flight.begin(lease)
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
        lease = self.flight.leases.get(request_id)
        if lease is None or lease.serial != serial:
            # The store took longer than the attempt: the row is sent, and nothing of it will leave.
            if not attempt:
                return []
            return [returned([request_id], frozenset(), "-", "its lease had run out", now_us)]
        lease.asked = False
        peer = lease.peer
        if not ok or attempt is None:
            self.flight.drop(lease)
            peer.spare = lease.permit
            if not ok:  # the store could not; the row is as it was
                self.buffer.add(lease.work, force=True)
            return []
        why = "left before the bytes did" if peer.gone else None
        if why is None and peer.breaker.state is State.OPEN:
            why = "its breaker has opened"
        if why is not None:
            return self.presence.give_back([lease], peer.id, why, frozenset(), now, now_us)
        lease.attempt = attempt
        work = lease.work
        try:
            data = _frames.spelled(work.payload, attempt, peer.encoding, peer.legacy)
        except WireError as error:
            self.flight.end(lease, now, holds=False)
            return [self._failed(request_id, "send", "storage.corrupt", f"the payload: {error}", now_us)]
        self.flight.name(lease)
        lease.sent_at = now
        self.sent += 1
        self._deferrals.forget(request_id)
        return [SendBytes(peer.id, request_id, data)]

    def refused(self, message: FrameRefused, now: float, now_us: int) -> Effects:
        """The socket did not take the bytes."""
        lease = self.flight.leases.get(message.request_id)
        if lease is None or lease.peer.id != message.peer or lease.asked or lease.answered:
            return []
        if lease.peer.gone:
            return []  # its return is under way, without a failure
        self.flight.end(lease, now, holds=False)
        lease.peer.failed(lease.permit)
        work = lease.work
        event = oos_event(
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
        )
        failed = self._failed(
            work.request_id, "send", "wire.send_failed", message.error, now_us, lease.attempt
        )
        return self.news.after([event, failed])

    def _failed(
        self, request_id: str, cause: str, code: str, error: str, now_us: int, attempt: int = 0
    ) -> Effect:
        return Tell(
            QUEUE,
            AttemptFailed(
                request_id=request_id, cause=cause, code=code, error=error, at_us=now_us, attempt=attempt
            ),
        )

    # --- time ------------------------------------------------------------------------------------------

    def expire(self, now: float, now_us: int) -> Effects:
        """Attempts whose deadline has passed."""
        effects: Effects = []
        for lease in self.flight.expired(now):
            peer = lease.peer
            if lease.asked:
                # The store never said whether the row is sent: the rows tell, see `Dispatcher._sweep`.
                self.flight.drop(lease)
                self.buffer.missed = True
                continue
            if peer.gone and not lease.answered:
                continue  # its return is under way, and that is no failure of the request
            if not lease.answered:
                peer.failed(lease.permit)
                if peer.id in self.silence:
                    # It was the probe of a peer that is known to be silent: not the request's fault.
                    effects += self.presence.give_back([lease], peer.id, "silent", frozenset(), now, now_us)
                    continue
            self.flight.end(lease, now, holds=True)
            effects.append(
                self._failed(
                    lease.work.request_id,
                    "deadline",
                    "request.timeout",
                    f"no answer of {peer.id} within {lease.limit_s:g} s",
                    now_us,
                    lease.attempt,
                )
            )
        self.peers.free_overdue(now)
        self.buffer.missed |= self.flight.forget(now)
        return self.news.after(effects)

    def overdue(self, request_id: str, attempt: int, now_us: int) -> Effect:
        """A row that is sent, and no lease of it is known here."""
        return self._failed(
            request_id, "deadline", "request.timeout", "its lease was lost and ran out", now_us, attempt
        )

    def defer(self, now_us: int, limit: int) -> Effects:
        """What is due and cannot leave, because nobody is there to take it: said once for each."""
        if self.paused or self.draining:
            return []
        if not len(self.peers):
            return self._deferrals.tell(self.buffer, "no_worker", now_us, limit)
        if self.presence.all_open():
            return self._deferrals.tell(self.buffer, "breaker_open", now_us, limit)
        return []
