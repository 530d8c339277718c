"""An address for whoever is not an actor: a thread, a test, a socket handler."""

from __future__ import annotations

import queue
from typing import Any

from supervision.errors import Empty


class Inbox:
    """Thread-safe; give it as a reply address, then `get`."""

    __slots__ = ("_closed", "_queue")

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._closed = False

    def tell(self, message: Any) -> bool:
        """Put; False after close."""
        if self._closed:
            return False
        self._queue.put(message)
        return True

    def get(self, timeout: float | None = 5.0) -> Any:
        """The next message. Raises Empty (a TimeoutError) after `timeout` seconds, real time."""
        try:
            return self._queue.get(timeout=None if timeout is None else max(0.0, timeout))
        except queue.Empty:
            raise Empty(f"no message within {timeout} seconds") from None

    def take(self) -> list[Any]:
        """Everything that is there now, without waiting."""
        items = []
        try:
            while True:
                items.append(self._queue.get_nowait())
        except queue.Empty:
            return items

    def close(self) -> None:
        """Refuse what comes later."""
        self._closed = True

    def __len__(self) -> int:
        return self._queue.qsize()
