"""Workers of our own that live and do not answer: stopped by a signal, swapped out, stuck in the kernel.

Their link is lost within seconds (the heartbeats of the socket come from a thread that runs no Python), and
their work goes elsewhere; but the process does not end, so nobody replaces it. With one worker nothing would
ever be computed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Seen(NamedTuple):
    """A supervised worker process that runs. connected: its link stands."""

    id: str
    pid: int
    connected: bool


class Frozen:
    """away_s: how long one may be away that was connected before. Times are `clock.now()` seconds."""

    def __init__(self, away_s: float) -> None:
        self._away_s = away_s
        self._here: dict[tuple[str, int], float] = {}

    def look(self, workers: Iterable[Seen] | None, now: float) -> list[Seen]:
        """Who is to be ended; each is named once. None: it is not known now who is connected.

        A worker that has never been connected is still starting: that has a limit of its own nowhere, because
        compiling the kernels on a slow machine takes as long as it takes.
        """
        if workers is None:
            self._here = dict.fromkeys(self._here, now)
            return []
        found, here = [], {}
        for worker in workers:
            key = worker.id, worker.pid
            if worker.connected:
                here[key] = now
            elif key in self._here:
                if now - self._here[key] >= self._away_s:
                    found.append(worker)
                else:
                    here[key] = self._here[key]
        self._here = here
        return found
