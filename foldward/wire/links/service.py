"""A backtest service's end of `pushpull`: PULL requests, PUSH answers. A worker stands in for one with it."""

from __future__ import annotations

from collections.abc import Sequence

import zmq

from foldward.settings import LinkTable
from foldward.wire.links._endpoints import bind, connect, secure
from foldward.wire.links._sockets import make_socket

LINGER_S = 5.0  # at least: an answer that is computed is worth waiting for


class ServicePort:
    """Same verbs as WorkerPort; requests have no envelope, so their ids are "" until they are decoded."""

    def __init__(
        self,
        requests: str,
        results: str,
        *,
        bind_requests: bool = True,
        bind_results: bool = False,
        settings: LinkTable | None = None,
    ) -> None:
        self.settings = settings or LinkTable()
        self.connected = True
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._pull = make_socket(self._context, zmq.PULL, self.settings)
        self._push = make_socket(self._context, zmq.PUSH, self.settings)
        self._push.setsockopt(zmq.IMMEDIATE, 0)
        self._push.setsockopt(zmq.LINGER, int(LINGER_S * 1000))
        secure(self._pull, self.settings, requests, server=bind_requests)
        secure(self._push, self.settings, results, server=bind_results)
        try:
            self.requests = bind(self._pull, requests) if bind_requests else requests
            self.results_endpoint = bind(self._push, results) if bind_results else results
            if not bind_requests:
                connect(self._pull, requests)
            if not bind_results:
                connect(self._push, results)
        except BaseException:
            self._context.destroy(linger=0)
            raise

    def poll(self, timeout_ms: int) -> list[tuple[str, bytes]]:
        """Requests that have arrived; a multipart one is joined so that it is answered as unreadable."""
        work: list[tuple[str, bytes]] = []
        if self._pull.poll(timeout_ms):
            while True:
                try:
                    frames = self._pull.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                work.append(("", frames[0] if len(frames) == 1 else b"\n".join(frames)))
        return work

    def started(self, request_id: str) -> None:
        """Nobody listens for it on this link."""

    def results(self, messages: Sequence[bytes]) -> None:
        """Answer; waits when the other side does not take any more."""
        for message in messages:
            self._push.send(message)

    def bye(self, reason: str) -> None:
        """Nobody listens for it on this link."""

    def close(self, linger: float = LINGER_S) -> None:
        """Wait at most `linger` seconds until the answers are taken."""
        self._context.destroy(linger=int(linger * 1000))
