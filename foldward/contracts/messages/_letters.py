"""Keeping, replaying and closing dead letters."""

from __future__ import annotations

from typing import Any

from foldward.contracts.messages._base import Message


class Hold(Message, frozen=True, kw_only=True):
    """To the DeadLetter actor: keep these bytes. Fields as in facts.HoldDeadLetter."""

    reason: str
    code: str
    error: str
    payload: bytes
    direction: str = "result"
    peer: str = ""
    request_id: str | None = None
    trace_id: str = "-"


class ReplayDead(Message, frozen=True, kw_only=True):
    """To the DeadLetter actor: replay by ids, reason, strategy, age, or all; answered with ReplayDone."""

    ids: tuple[int, ...] = ()
    all: bool = False
    reason: str | None = None
    strategy: str | None = None
    older_than_s: float | None = None
    dry_run: bool = False
    rate: float = 50.0
    limit: int | None = None
    note: str = ""
    edit: dict[str, Any] | None = None
    reply_to: Any = None
    tag: Any = None


class ReplayDone(Message, frozen=True, kw_only=True):
    """Each entry with its own outcome: {"id", "outcome", "error"?}."""

    tag: Any
    replayed: int
    failed: int
    skipped: int
    items: tuple[dict[str, Any], ...]


class CancelReplay(Message, frozen=True, kw_only=True):
    """To the DeadLetter actor: end the replays with this tag (None: all); each answers its ReplayDone."""

    replay: Any = None
    reply_to: Any = None
    tag: Any = None


class DropDead(Message, frozen=True, kw_only=True):
    """To the DeadLetter actor: close entries without replay; answered with ReplayDone (outcome dropped)."""

    ids: tuple[int, ...]
    note: str = ""
    reply_to: Any = None
    tag: Any = None
