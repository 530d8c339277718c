"""What the Dispatcher needs of a link, and what it is told by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from actors._effects import Alarm, Effects, Event
from foldward.contracts.messages import LinkFlooded, Message


class Link(Protocol):
    """One of `foldward.wire.links`."""

    def start(self) -> None: ...

    def send(self, peer: str, request_id: str, data: bytes) -> None: ...

    def worked_off(self, frames: int, junk: int, bulk: int = 0) -> None: ...

    def close(self) -> None: ...


MakeLink = Callable[[Callable[[Message], None]], Link]


class FromLink(Message, frozen=True, kw_only=True):
    """What a link said, with the incarnation that it belongs to: an older link's peers are not here."""

    incarnation: int
    message: Any


def flooded(message: LinkFlooded, _now: float, _now_us: int) -> Effects:
    """Somebody sends more junk than the link reads."""
    data = {"link": message.link, "junk": message.junk, "per_s": message.per_s}
    body = (
        f"More than {message.per_s:g} messages a second, or large ones, are no answers. They are kept as dead"
        " letters at that rate; who sends them waits, and honest answers go first come, first served among"
        " all connections."
    )
    return [
        Event("link.flooded", data, "warning"),
        Alarm(f"flooded:{message.link}", f"The {message.link} link is flooded", body),
    ]
