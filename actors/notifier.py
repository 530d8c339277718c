"""Notifier: tells the operator, never holds anybody up (spec 4.3)."""

from __future__ import annotations

import random
from typing import Any

from loguru import logger

from actors._base import ProductActor
from actors._courier import Courier, Send, apprise_sender
from actors._notices import Notices
from foldward.contracts import clock
from foldward.contracts.errors import FoldwardError
from foldward.contracts.facts import CountUp
from foldward.contracts.masking import mask_text
from foldward.contracts.messages import Figures, Message, Notify, Tick
from foldward.settings import NotifyTable

HUNG_S = 120.0  # a service that has not answered by then gets no more from this thread
_LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "critical": "CRITICAL"}


class Delivered(Message, frozen=True, kw_only=True):
    """From the sending thread: what became of a notice."""

    serial: int
    error: str | None
    wait_s: float | None = None


class Notifier(ProductActor):
    """Every notification also stands in the human log; without URLs it stands only there.

    send: what carries one notice out (raises when it cannot); by default apprise with `settings.urls`.
    """

    service = "notifier"

    def __init__(
        self, *, settings: NotifyTable, send: Send | None = None, rng: random.Random | None = None
    ) -> None:
        super().__init__()
        self._settings = settings
        self._send = send
        self._notices = Notices(settings.min_interval_s, (rng or random.Random()).random)
        self._courier: Courier | None = None
        self._serial = 0
        self._timer: Any = None
        self._hung = 0

    def recover(self) -> None:
        """Prepare the services. A URL that is wrong is said in the log and turns sending off."""
        self._serial = self.incarnation << 32  # no late word about an earlier incarnation's notice fits
        urls = [url.get_secret_value() for url in self._settings.urls]
        if self._send is None and urls:
            try:
                self._send = apprise_sender(urls)
            except FoldwardError as error:
                logger.error("notifications are off: {}", error.line())
        if self._send is not None:
            self._hire(self._send)

    def on_stop(self) -> None:
        """What was handed over may still leave; nobody waits for it."""
        if self._courier is not None:
            self._courier.close()

    def on_failure(self, *_why: Any) -> None:
        """A crash: the sending thread goes; the next incarnation hires its own."""
        self.on_stop()

    def fence(self) -> None:
        """An abandoned incarnation sends nothing more."""
        self.on_stop()

    def on_receive(self, message: Any) -> Any:
        """One message, or a question."""
        now = clock.now()
        match message:
            case Figures():
                return {**self._notices.figures(), "on": self._courier is not None, "hung": self._hung}
            case Notify():
                self._offer(message, now)
            case Delivered():
                self._delivered(message, now)
        self._go_on(now)
        return None

    def _offer(self, message: Notify, now: float) -> None:
        level = _LEVELS.get(message.severity, "INFO")
        logger.log(level, "{}: {}", mask_text(message.title), mask_text(message.body))
        if self._courier is not None:
            self._notices.offer(message, now)

    def _delivered(self, message: Delivered, now: float) -> None:
        if message.serial != self._serial:
            return  # of a thread that was given up
        failed = self._notices.failed
        self._notices.done(message.error, now, message.wait_s)
        if self._notices.failed > failed:
            self.write(CountUp(counts={"notify_failure": 1}), reply=False)

    def _go_on(self, now: float) -> None:
        under_way = self._notices.under_way
        if under_way is not None and now - under_way[1] > HUNG_S and self._send is not None:
            self._hung += 1
            self._notices.done(f"no answer within {HUNG_S:g} s", now)
            self._serial += 1
            if self._courier is not None:
                self._courier.close()
            self._hire(self._send)
        notice = self._notices.next(now)
        if notice is not None and self._courier is not None:
            self._serial += 1
            self._courier.send(self._serial, notice)
        self._wake(now)

    def _wake(self, now: float) -> None:
        wait = HUNG_S + 1.0 if self._notices.under_way is not None else self._notices.wait_s(now)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if wait == float("inf") else self.after(max(wait, 0.05), Tick())

    def _hire(self, send: Send) -> None:
        me = self.handle(self.id)

        def delivered(serial: int, error: str | None, wait_s: float | None) -> None:
            me.tell(Delivered(serial=serial, error=error, wait_s=wait_s))

        self._courier = Courier(send, delivered)
