"""Peers that sent signs of life and then none, and what their breakers do when they are heard again.

A breaker that failures opened keeps its time: the peer was there and did its work badly. One that a silence
opened has waited for a sign of life and for nothing else: with the sign it lets one probe through.
"""

from __future__ import annotations

from actors._peers import Peer
from foldward.resilience import State


class Silence:
    """Names outlive a connection, as the breakers do."""

    def __init__(self) -> None:
        self._opened: dict[str, bool] = {}  # who is silent → whether that is why its breaker is open
        self._back: set[str] = set()  # heard again, and half-open until a probe has been answered

    def __contains__(self, name: object) -> bool:
        return name in self._opened

    def fell(self, peer: Peer) -> None:
        """Nothing is heard of it: its breaker opens, if it is not open."""
        self._opened[peer.id] = peer.trip() or self._opened.get(peer.id, False)

    def heard(self, peer: Peer) -> bool:
        """A sign of life. True when it ends a silence."""
        opened = self._opened.pop(peer.id, None)
        if opened:
            peer.probe_now()
            self._back.add(peer.id)
        return opened is not None

    def vouch(self, peer: Peer) -> None:
        """A further sign of life: with nothing to send it is the probe, or the breaker would stay half-open
        until there is work."""
        if peer.id in self._back:
            permit = peer.breaker.allow()
            if permit is not None:
                peer.succeeded(permit)

    def moved(self, name: str, after: State) -> None:
        """A breaker has changed its state: closed, or open because the probe failed."""
        if after is not State.HALF_OPEN:
            self._back.discard(name)

    def forget(self, name: str) -> None:
        """Its breaker is gone."""
        self._opened.pop(name, None)
        self._back.discard(name)
