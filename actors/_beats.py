"""Who is alive: the last sign of life of every peer, and who has been silent too long. Pure."""

from __future__ import annotations

import msgspec

_MAX_PEERS = 10_000  # a peer may send any id; the ones that were silent longest are forgotten first


class Beat(msgspec.Struct, frozen=True):
    """The last sign of life of one peer; `at` is `clock.now()` seconds."""

    peer: str
    id: str
    source: str
    status: str
    at: float


class Beats:
    """Peers that have sent a HEARTBEAT. A peer that never sent one is never lost: legacy peers send none."""

    def __init__(self, lost_s: float) -> None:
        self._lost_s = lost_s
        self._alive: dict[str, Beat] = {}
        self._lost: dict[str, Beat] = {}

    def heard(self, beat: Beat) -> bool:
        """A sign of life. True when the peer was lost (or new): it is back."""
        back = beat.peer in self._lost or beat.peer not in self._alive
        self._lost.pop(beat.peer, None)
        self._alive.pop(beat.peer, None)
        self._alive[beat.peer] = beat
        if len(self._alive) > _MAX_PEERS:
            del self._alive[next(iter(self._alive))]
        return back

    def left(self, peer: str) -> None:
        """The peer said good-bye, or its connection ended: its silence means nothing."""
        self._alive.pop(peer, None)
        self._lost.pop(peer, None)

    def overdue(self, now: float) -> list[Beat]:
        """Peers that have now been silent for `lost_s`; each is told once, until it is heard again."""
        # A clock that was set back would make everyone young for ever: a beat from the future counts as now.
        found = []
        for peer, beat in list(self._alive.items()):
            if beat.at > now:
                self._alive[peer] = msgspec.structs.replace(beat, at=now)
            elif now - beat.at >= self._lost_s:
                del self._alive[peer]
                self._lost[peer] = beat
                if len(self._lost) > _MAX_PEERS:
                    del self._lost[next(iter(self._lost))]
                found.append(beat)
        return found

    def figures(self, now: float) -> dict[str, object]:
        """{alive: [{peer, source, status, age_s}], lost: [peer…]}."""
        alive = [
            {
                "peer": beat.peer,
                "source": beat.source,
                "status": beat.status,
                "age_s": max(0.0, now - beat.at),
            }
            for beat in self._alive.values()
        ]
        return {"alive": alive, "lost": list(self._lost)}
