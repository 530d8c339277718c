"""What comes in from peers: answers that fit a lease, answers that fit none, and bytes that are no answer."""

from __future__ import annotations

import msgspec

from actors import _frames
from actors._effects import Effects, Tell
from actors._flight import Flight
from actors._link_news import News
from actors._pacing import RunTimes
from actors._peers import Peer, Peers
from actors._silence import Silence
from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Result
from foldward.contracts.messages import Hold, ResultArrived

QUEUE = "oos_queue"
LARGE = 64 * 1024  # bytes of junk that count as one more message


class Arrivals:
    """Frees the slots, tells the breakers, and hands on to the queue or to the dead letters."""

    def __init__(
        self, peers: Peers, silence: Silence, flight: Flight, run_times: RunTimes, news: News
    ) -> None:
        self._peers = peers
        self._silence = silence
        self._flight = flight
        self._run_times = run_times
        self._news = news
        self._junk = self._bulk = 0

    def count_junk(self) -> tuple[int, int]:
        """Messages since the last look that were no answer to anything known here, and as how many more of
        them the large ones count."""
        counts = self._junk, self._bulk
        self._junk = self._bulk = 0
        return counts

    def _no_answer(self, raw: bytes) -> None:
        self._junk += 1
        self._bulk += len(raw) // LARGE

    def answered(self, result: Result, raw: bytes, peer_id: str, received_us: int, now: float) -> Effects:
        """A decoded answer: its slot is free, and the queue judges it."""
        peer = self._peers.get(peer_id)
        request_id = result.request_id
        if not request_id or request_id == "MISSING":
            named = self._flight.named(result.strategy_name) if not request_id else ()
            if len(named) != 1:
                self._no_answer(raw)
                _free_oldest(peer)
                return [_nobodys(result, raw, peer_id, len(named))]
            (request_id,) = named
            result = msgspec.structs.replace(result, request_id=request_id)
        if peer is not None:
            peer.answered_at = now
            self._silence.heard(peer)
        lease = self._flight.leases.get(request_id)
        if lease is not None and lease.peer.id == peer_id and not lease.asked and not lease.answered:
            lease.answered = True
            self._flight.unname(lease)
            lease.peer.answered(lease)
            lease.peer.succeeded(lease.permit)
            if result.error is None and result.code is None:
                self._run_times.add(lease.work.kind, now - lease.sent_at)
        elif peer is not None:
            late = peer.held(request_id)
            if late is not None:
                peer.answered(late)
            else:
                self._no_answer(raw)
            peer.succeeded(None)
        elif lease is None:
            self._no_answer(raw)
        arrived = ResultArrived(result=result, raw=raw, peer=peer_id, received_us=received_us)
        return self._news.after([Tell(QUEUE, arrived)])

    def unreadable(self, error: WireError, raw: bytes, peer_id: str) -> Effects:
        """Bytes that are no answer: kept exactly as they came; the lease runs out into the next attempt."""
        self._no_answer(raw)
        peer = self._peers.get(peer_id)
        request_id = _frames.readable_id(raw)
        if peer is not None:
            lease = None if request_id is None else peer.held(request_id)
            if lease is not None:
                peer.release(lease)
            elif not peer.legacy:
                _free_oldest(peer)
            if not peer.legacy:  # anyone can push bytes at a PULL socket: they say nothing about the peer
                peer.failed(None)
        known = None if request_id is None else self._flight.leases.get(request_id)
        hold = Hold(
            reason=_frames.reason_of(error.code),
            code=error.code,
            error=error.message,
            payload=raw,
            peer=peer_id,
            request_id=request_id,
            trace_id="-" if known is None else known.work.trace_id,
        )
        return self._news.after([Tell("dead_letter", hold)])


def _free_oldest(peer: Peer | None) -> None:
    """The peer answered for something that cannot be told: its oldest slot is free again."""
    if peer is not None and peer.holding:
        peer.release(next(iter(peer.holding.values())))


def _nobodys(result: Result, raw: bytes, peer_id: str, count: int) -> Tell:
    error = (
        f"the answer has no request_id and {count} requests are in flight as {result.strategy_name!r}"
        if not result.request_id
        else "the peer could not read the request_id of what it was sent"
    )
    return Tell(
        "dead_letter",
        Hold(
            reason="unknown_request_id",
            code="wire.missing_request_id",
            error=error if not result.error else f"{error}; it says: {result.error}",
            payload=raw,
            peer=peer_id,
        ),
    )
