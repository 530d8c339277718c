"""Who can take work, and what each one holds: credit, leases, and the breaker of each link.

`send()` succeeding proves nothing, so a slot is believed free only when the peer has answered for it: with
the answer, with the answer to something sent later (a peer works in order), by leaving, or after a while.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from foldward.contracts import clock
from foldward.contracts.messages import Work
from foldward.resilience import CircuitBreaker, Permit, State
from foldward.settings import BreakerTable

MAX_BREAKERS = 1000

OnTransition = Callable[[str, State, State], None]


class Lease:
    """One attempt: the work, who has it, and how far it is.

    Times are `clock.now()` seconds. asked: the row's change is not committed yet. answered: the peer is done
    with it, the store is not. holds: it takes one of the peer's slots.
    """

    __slots__ = (
        "answered",
        "asked",
        "attempt",
        "deadline",
        "free_at",
        "holds",
        "limit_s",
        "peer",
        "permit",
        "sent_at",
        "sent_name",
        "serial",
        "started",
        "work",
    )

    def __init__(
        self,
        serial: int,
        work: Work,
        peer: Peer,
        permit: Permit,
        deadline: float,
        limit_s: float,
        sent_name: str,
    ) -> None:
        self.serial = serial
        self.work = work
        self.peer = peer
        self.permit: Permit | None = permit
        self.deadline = deadline
        self.limit_s = limit_s
        self.sent_name = sent_name
        self.attempt = 0
        self.sent_at = 0.0
        self.free_at: float | None = None
        self.asked = True
        self.answered = False
        self.started = False
        self.holds = True


class Peer:
    """A worker or legacy peer that is connected."""

    __slots__ = (
        "answered_at",
        "beat_at_us",
        "breaker",
        "capacity",
        "declared",
        "encoding",
        "gone",
        "holding",
        "id",
        "joined_us",
        "legacy",
        "pid",
        "spare",
        "trouble",
        "version",
    )

    def __init__(
        self,
        id: str,
        capacity: int,
        breaker: CircuitBreaker,
        *,
        encoding: str = "json",
        legacy: bool = False,
        pid: int | None = None,
        version: str = "",
        joined_us: int = 0,
    ) -> None:
        self.id = id
        self.capacity = max(1, capacity)
        self.declared = not legacy  # it has said itself how much it takes
        self.breaker = breaker
        self.encoding = encoding
        self.legacy = legacy
        self.pid = pid
        self.version = version
        self.joined_us = joined_us
        self.beat_at_us = joined_us
        self.answered_at = -math.inf  # clock.now() seconds
        self.gone = False
        self.holding: dict[int, Lease] = {}  # by serial, so in the order of sending
        self.trouble = True  # a failure since the last success that the breaker heard of
        self.spare: Permit | None = None  # a permit whose work moved on before it was sent

    def credit(self) -> int:
        """How many more requests it can take."""
        return self.capacity - len(self.holding)

    def permit(self) -> Permit | None:
        """Leave of the breaker to send one request."""
        if self.spare is not None:
            permit, self.spare = self.spare, None
            return permit
        return self.breaker.allow()

    def succeeded(self, permit: Permit | None) -> None:
        """It did what it should. The breaker hears only what can change its mind."""
        if self.trouble or (permit is not None and permit.probe):
            self.trouble = False
            self.breaker.record_success(permit)

    def failed(self, permit: Permit | None) -> None:
        """It did not."""
        self.trouble = True
        self.breaker.record_failure(permit)

    def trip(self) -> bool:
        """Open the breaker: a silence is as much as all the failures that open it. False: it was open."""
        self.trouble = True
        self.spare = None
        return self.breaker.trip()

    def probe_now(self) -> None:
        """Its breaker need not wait any longer."""
        self.spare = None
        self.breaker.half_open()

    def figures(self) -> dict[str, object]:
        """What status shows of it."""
        return {
            "id": self.id,
            "state": "connected",
            "pid": self.pid,
            "busy": len(self.holding),
            "capacity": self.capacity,
            "version": self.version,
            "encoding": self.encoding,
            "last_beat_us": self.beat_at_us,
        }

    def hold(self, lease: Lease) -> None:
        """It has one more."""
        self.holding[lease.serial] = lease

    def release(self, lease: Lease) -> None:
        """It has one less."""
        if lease.holds:
            lease.holds = False
            self.holding.pop(lease.serial, None)

    def answered(self, lease: Lease) -> None:
        """It answered: the slot is free, and so are those of everything sent before it."""
        while self.holding:
            serial = next(iter(self.holding))
            if serial > lease.serial:
                break
            self.release(self.holding[serial])

    def held(self, request_id: str) -> Lease | None:
        """What it still holds under that id, even when the attempt is over."""
        for lease in self.holding.values():
            if lease.work.request_id == request_id:
                return lease
        return None

    def free_overdue(self, now: float) -> None:
        """Slots of attempts that ended without an answer come back after a while, so that a peer that lost
        everything is tried again."""
        for lease in [
            held for held in self.holding.values() if held.free_at is not None and held.free_at <= now
        ]:
            self.release(lease)


class Peers:
    """All that are connected, and the breakers, which outlive a connection.

    on_transition(name, old, new): told when a breaker moves. on_drop(name): told when one is forgotten.
    """

    def __init__(
        self, settings: BreakerTable, on_transition: OnTransition, on_drop: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._on_drop = on_drop
        self._on_transition = on_transition
        self.recovery_s = settings.recovery_s
        self._peers: dict[str, Peer] = {}
        self.breakers: dict[str, CircuitBreaker] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def get(self, peer: str) -> Peer | None:
        """The peer, if it is connected."""
        return self._peers.get(peer)

    def all(self) -> list[Peer]:
        """In the order of joining."""
        return list(self._peers.values())

    def of_pid(self, worker: str, pid: int) -> Peer | None:
        """The peer that is this OS process."""
        peer = self._peers.get(worker)
        if peer is not None and peer.pid in (None, pid):
            return peer
        return next((peer for peer in self._peers.values() if peer.pid == pid), None)

    def join(self, peer: str, capacity: int, **fields: object) -> Peer:
        """A new connection of that id."""
        made = Peer(peer, capacity, self.breaker(peer), **fields)  # type: ignore[arg-type]
        self._peers[peer] = made
        return made

    def leave(self, peer: str) -> Peer | None:
        """The connection is over."""
        left = self._peers.pop(peer, None)
        if left is not None:
            left.gone = True
        return left

    def breaker(self, peer: str) -> CircuitBreaker:
        """The breaker of that link."""
        found = self.breakers.get(peer)
        if found is None:
            if len(self.breakers) >= MAX_BREAKERS:
                self._drop_idle()
            found = self.breakers[peer] = CircuitBreaker(
                self._settings.threshold,
                self._settings.recovery_s,
                self._settings.success_threshold,
                clock.now,
                name=peer,
                on_transition=self._on_transition,
            )
        return found

    def _drop_idle(self) -> None:
        idle = next((name for name in self.breakers if name not in self._peers), None)
        if idle is not None:
            del self.breakers[idle]
            self._on_drop(idle)

    def choose(self) -> tuple[Peer, Permit] | None:
        """The connected peer with most room whose breaker lets one request through."""
        best: Peer | None = None
        room = 0
        for peer in self._peers.values():
            credit = peer.credit()
            if credit > room:
                best, room = peer, credit
        if best is None:
            return None
        permit = best.permit()
        if permit is not None:
            return best, permit
        others = sorted(
            (peer for peer in self._peers.values() if peer is not best and peer.credit() > 0),
            key=lambda peer: -peer.credit(),
        )
        for peer in others:
            permit = peer.permit()
            if permit is not None:
                return peer, permit
        return None

    def has_room(self) -> bool:
        """Whether any connected peer could take one more, whatever its breaker says."""
        return any(peer.credit() > 0 for peer in self._peers.values())

    def free_overdue(self, now: float) -> None:
        """See Peer.free_overdue."""
        for peer in self._peers.values():
            if peer.holding:
                peer.free_overdue(now)
