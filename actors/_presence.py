"""Who is there: peers that join, leave, fall silent and are heard again, and what becomes of what they held.

Methods take the time as `now` (`clock.now()` seconds) and `now_us` (wall clock), and return effects.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from actors._effects import Effects, Tell
from actors._flight import Flight
from actors._link_news import News
from actors._peers import Lease, Peer, Peers
from actors._silence import Silence
from foldward.contracts.jobs import Heartbeat
from foldward.contracts.messages import PeerJoined, PeerLeft, PeerResized, WorkReturned
from foldward.resilience import State

QUEUE = "oos_queue"
MAX_CAPACITY = 100_000


class _Return(msgspec.Struct):
    """What a lost peer held, until its grace is over."""

    due: float
    leases: list[Lease]
    peer: str
    reason: str
    started: frozenset[str]


class Presence:
    """See the module. grace_s: how long the work of a lost connection rests before it goes out again."""

    def __init__(self, peers: Peers, silence: Silence, flight: Flight, news: News, grace_s: float) -> None:
        self._peers = peers
        self._silence = silence
        self._flight = flight
        self._news = news
        self._grace_s = grace_s
        self._returns: list[_Return] = []
        self._suspects: dict[str, float] = {}  # peers whose HEARTBEATs are missing → how long is too long

    def joined(self, message: PeerJoined, now: float, now_us: int) -> Effects:
        """A peer can take work; whatever an earlier connection of that name held comes back."""
        effects: Effects = []
        if self._peers.get(message.peer) is not None:
            effects = self.left(message.peer, "connected anew", now, now_us)
        joined = self._peers.join(
            message.peer,
            message.capacity,
            encoding=message.encoding,
            legacy=message.legacy,
            pid=message.pid,
            version=message.version,
            joined_us=now_us,
        )
        if not message.legacy:  # it said itself that it is ready; behind a bare connection may be anybody
            self._silence.heard(joined)
        return self._news.after(effects)

    def resized(self, message: PeerResized, _now: float, _now_us: int) -> Effects:
        """More or fewer services stand behind the link."""
        peer = self._peers.get(message.peer)
        if peer is not None and not peer.declared:
            peer.capacity = max(1, message.capacity)
        return []

    def left(self, peer_id: str, reason: str, now: float, now_us: int) -> Effects:
        """A connection is over: what it held goes out again after the grace, and nobody is to blame."""
        peer = self._peers.leave(peer_id)
        if peer is None:
            return []
        self._suspects.pop(peer_id, None)
        silent = reason.startswith("silent")
        if silent:
            peer.failed(None)  # a dead one leaves at once: this one was there and said nothing
        # A silence is for the Heartbeat to tell; whoever left otherwise is not missed.
        told: Effects = [] if silent else [Tell("heartbeat", PeerLeft(peer=peer_id, reason=reason))]
        held = self._flight.held_by(peer)
        if held:
            # A worker that says goodbye did not die of its work.
            polite = reason.startswith("bye")
            started = frozenset(
                lease.work.request_id for lease in held if not polite and (lease.started or len(held) == 1)
            )
            due = now + self._grace_s
            self._returns.append(_Return(due, held, peer_id, reason, started))
            if due <= now:
                told += self.returns(now, now_us)
        return self._news.after(told)

    def silent(self, peer_id: str, silent_s: float, now: float, now_us: int) -> Effects:
        """A connected peer has sent no HEARTBEAT for too long: when it has not answered anything either, its
        breaker opens, and what it holds waits for whoever is heard next. Nothing is counted against the
        requests."""
        peer = self._peers.get(peer_id)
        if peer is None:
            return []
        self._suspects[peer_id] = silent_s
        return self.watch(now, now_us)

    def watch(self, now: float, now_us: int) -> Effects:
        """Whoever sends no HEARTBEATs any more is silent once the answers stop as well."""
        effects: Effects = []
        for peer_id, silent_s in list(self._suspects.items()):
            peer = self._peers.get(peer_id)
            if peer is None or now - peer.answered_at >= silent_s:
                del self._suspects[peer_id]
                if peer is not None:
                    effects += self._fell_silent(peer, silent_s, now, now_us)
        return effects

    def _fell_silent(self, peer: Peer, silent_s: float, now: float, now_us: int) -> Effects:
        peer_id = peer.id
        reason = f"silent for {silent_s:.0f} s"
        self._news.silent(peer_id, reason)
        self._silence.fell(peer)
        held = self._flight.held_by(peer)
        begun = frozenset(lease.work.request_id for lease in held if lease.started)
        return self._news.after(self.give_back(held, peer_id, reason, begun, now, now_us))

    def beat(self, peer_id: str, beat: Heartbeat, at_us: int) -> Effects:
        """A sign of life, and how much the peer takes."""
        peer = self._peers.get(peer_id)
        if peer is None:
            return []
        peer.beat_at_us = at_us
        self._suspects.pop(peer_id, None)
        capacity = beat.data.get("capacity")
        if capacity is not None and 1 <= capacity <= MAX_CAPACITY:
            peer.capacity, peer.declared = int(capacity), True
        if not self._silence.heard(peer):
            self._silence.vouch(peer)
        return self._news.after([])

    def started(self, peer_id: str, request_id: str) -> None:
        """The peer reports that it began this request."""
        lease = self._flight.leases.get(request_id)
        if lease is not None and lease.peer.id == peer_id:
            lease.started = True

    def returns(self, now: float, now_us: int) -> Effects:
        """Graces that are over."""
        effects: Effects = []
        over = [entry for entry in self._returns if entry.due <= now]
        if over:
            self._returns = [entry for entry in self._returns if entry.due > now]
            for entry in over:
                effects += self.give_back(entry.leases, entry.peer, entry.reason, entry.started, now, now_us)
        return effects

    def give_back(
        self,
        leases: Iterable[Lease],
        peer: str,
        reason: str,
        started: frozenset[str],
        now: float,
        now_us: int,
    ) -> Effects:
        """These attempts are over without a failure."""
        flight = self._flight
        ids = []
        for lease in leases:
            request_id = lease.work.request_id
            if flight.leases.get(request_id) is not lease or lease.answered:
                continue
            flight.end(lease, now, holds=False)
            ids.append(request_id)
        return [returned(ids, started, peer, reason, now_us)] if ids else []

    def all_open(self) -> bool:
        """Whether the breakers of all who are connected are open."""
        return {peer.breaker.state for peer in self._peers.all()} == {State.OPEN}


def returned(ids: list[str], started: frozenset[str], peer: str, reason: str, now_us: int) -> Tell:
    """To the queue: these came back."""
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
