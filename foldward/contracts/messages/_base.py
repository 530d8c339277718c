"""What every message is, and where answers go."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec


class Address(Protocol):
    """Where an answer goes."""

    def tell(self, message: Any, /) -> bool: ...


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all messages."""
