"""What is in flight: one lease for every row in state `sent`, and the work that rests between two attempts.

Times are `clock.now()` seconds. Pure bookkeeping; the Desk decides.
"""

from __future__ import annotations

from heapq import heappop, heappush

import msgspec

from actors._peers import Lease
from foldward.contracts.messages import Work

REST_S = 60.0


class Flight:
    """leases: by request id. recovery_s: how long the slot of a peer that never answered stays taken."""

    def __init__(self, recovery_s: float) -> None:
        self.leases: dict[str, Lease] = {}
        self._recovery_s = recovery_s
        self._deadlines: list[tuple[float, int, Lease]] = []
        # Between the end of an attempt and what the queue makes of it: the work, and since when.
        self._resting: dict[str, tuple[Work, float]] = {}
        self._by_name: dict[str, set[str]] = {}  # legacy peers only: full name as sent → ids not answered

    def __len__(self) -> int:
        return len(self.leases)

    def __contains__(self, request_id: object) -> bool:
        return request_id in self.leases or request_id in self._resting

    def ids(self) -> set[str]:
        """Of leases and of what rests."""
        return set(self._resting).union(self.leases)

    def begin(self, lease: Lease) -> None:
        """An attempt; its row is being changed."""
        self.leases[lease.work.request_id] = lease
        lease.peer.hold(lease)
        heappush(self._deadlines, (lease.deadline, lease.serial, lease))

    def drop(self, lease: Lease) -> None:
        """As if it had not begun."""
        del self.leases[lease.work.request_id]
        lease.peer.release(lease)

    def end(self, lease: Lease, now: float, *, holds: bool) -> None:
        """The attempt failed; the queue decides what follows, until then the work rests."""
        self.leases.pop(lease.work.request_id, None)
        self.rest(lease, now)
        if not holds:
            lease.peer.release(lease)
        self.over(lease, now)

    def over(self, lease: Lease, now: float) -> None:
        """An attempt is over. The slot of a peer that never answered stays taken for a while."""
        self.unname(lease)
        if lease.holds and lease.free_at is None:
            if lease.asked:
                lease.peer.release(lease)
            else:
                lease.free_at = now + self._recovery_s

    def rest(self, lease: Lease, now: float) -> None:
        """Its work waits for what the queue says."""
        work = msgspec.structs.replace(lease.work, sends=max(1, lease.attempt))
        self.rest_work(work, now)

    def rest_work(self, work: Work, now: float) -> None:
        """The same for work that has no lease."""
        self._resting[work.request_id] = (work, now)

    def settled(self, request_id: str, now: float) -> Work | None:
        """The queue has said what became of it: the work, if it is known here."""
        lease = self.leases.pop(request_id, None)
        rested = self._resting.pop(request_id, None)
        if lease is not None:
            self.over(lease, now)
        if rested is not None:
            return rested[0]
        return None if lease is None else lease.work

    def forget(self, now: float) -> bool:
        """Work whose fate nobody told: the queue was storing an answer that could not be stored, or crashed.
        True: there was some, and its row says how it goes on."""
        gone = False
        while self._resting:
            request_id, (_, since) = next(iter(self._resting.items()))
            if 0 <= now - since < REST_S:
                break
            del self._resting[request_id]
            gone = True
        return gone

    def expired(self, now: float) -> list[Lease]:
        """Leases whose deadline has passed; each is told once."""
        deadlines = self._deadlines
        found = []
        while deadlines and deadlines[0][0] <= now:
            lease = heappop(deadlines)[2]
            if self.leases.get(lease.work.request_id) is lease:
                found.append(lease)
        if len(deadlines) > 4 * len(self.leases) + 1000:
            self._deadlines = sorted(
                entry for entry in deadlines if self.leases.get(entry[2].work.request_id) is entry[2]
            )
        return found

    def held_by(self, peer: object) -> list[Lease]:
        """What this peer was sent and has not answered."""
        return [
            lease
            for lease in self.leases.values()
            if lease.peer is peer and not lease.asked and not lease.answered
        ]

    # --- by name ---------------------------------------------------------------------------------------

    def name(self, lease: Lease) -> None:
        """A legacy peer may answer without an id: remember the name as sent."""
        if lease.peer.legacy:
            self._by_name.setdefault(lease.sent_name, set()).add(lease.work.request_id)

    def unname(self, lease: Lease) -> None:
        """It is answered, or over."""
        if lease.peer.legacy:
            names = self._by_name.get(lease.sent_name)
            if names is not None:
                names.discard(lease.work.request_id)
                if not names:
                    del self._by_name[lease.sent_name]

    def named(self, sent_name: str) -> tuple[str, ...]:
        """Ids in flight under that name."""
        return tuple(self._by_name.get(sent_name, ()))
