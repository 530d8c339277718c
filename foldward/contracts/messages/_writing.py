"""Asking the one writer to make a fact true."""

from __future__ import annotations

from typing import Any

from foldward.contracts.facts import Fact
from foldward.contracts.messages._base import Message


class Write(Message, frozen=True, kw_only=True):
    """To the DBWriter: make `fact` true. `sender` and `incarnation` fence a replaced actor's late writes."""

    fact: Fact
    reply_to: Any = None  # Address | None
    tag: Any = None
    sender: str = "-"
    incarnation: int = 0


class Written(Message, frozen=True, kw_only=True):
    """The answer to a Write, told after the commit: `value` is the fact's outcome; or why it failed."""

    tag: Any
    fact: Fact
    ok: bool
    value: Any = None
    code: str | None = None
    error: str | None = None
