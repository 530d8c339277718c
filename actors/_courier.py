"""The thread that sends notifications: one at a time, so that a slow service holds up nobody else."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from actors import _heard
from actors._notices import Notice
from foldward.contracts.errors import ProviderError
from foldward.contracts.masking import mask_text

Send = Callable[[Notice], None]
_LEVELS = {"debug": "info", "info": "info", "warning": "warning", "error": "failure", "critical": "failure"}


class Courier:
    """Owns one daemon thread, which calls `answer(serial, error, wait_s)` after each notice.

    error None = sent. wait_s: how long the service asked to be left alone; None when it did not.
    """

    def __init__(self, send: Send, answer: Callable[[int, str | None, float | None], Any]) -> None:
        self._send = send
        self._answer = answer
        self._orders: queue.SimpleQueue[tuple[int, Notice] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def send(self, serial: int, notice: Notice) -> None:
        """Hand over; returns at once."""
        self._orders.put((serial, notice))

    def close(self, timeout: float = 0.0) -> None:
        """End after what was handed over; a thread that hangs in a socket dies with the process."""
        self._orders.put(None)
        if timeout:
            self._thread.join(timeout)

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            serial, notice = order
            error = wait_s = None
            try:
                self._send(notice)
            except (
                Exception
            ) as failure:  # a service's plugin may raise anything; the operator's news must go on
                error = mask_text(f"{type(failure).__name__}: {failure}")
                wait_s = getattr(failure, "retry_after", None)
            self._answer(serial, error, wait_s)


def apprise_sender(urls: Sequence[str]) -> Send:
    """Send through apprise to every URL. A retry goes only to those that have not taken the notice.

    What it gives raises ProviderError provider.failed, with `retry_after` when a service asked for a pause.
    Raises ConfigError config.invalid (when called, naming no URL) for one that apprise does not know.
    """
    import apprise

    from foldward.contracts.errors import ConfigError

    services = []
    for number, url in enumerate(urls, start=1):
        service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if service is None:
            raise ConfigError("config.invalid", f"notify.urls: number {number} is no URL that apprise knows")
        services.append(service)
    taken: dict[tuple[str, str], set[int]] = {}

    _heard.listen()

    def send(notice: Notice) -> None:
        _heard.forget()
        mark = (notice.title, notice.body)
        have = taken.setdefault(mark, set())
        for number, service in enumerate(services):
            if number not in have and service.notify(
                title=notice.title, body=notice.body, notify_type=_LEVELS.get(notice.severity, "info")
            ):
                have.add(number)
        if len(have) < len(services):
            if len(taken) > 100:
                del taken[next(iter(taken))]
            failed = len(services) - len(have)
            raise ProviderError(
                "provider.failed",
                f"{failed} of {len(services)} services did not take it",
                retry_after=_heard.wait_s(),
            )
        del taken[mark]

    return send
