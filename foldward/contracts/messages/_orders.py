"""Asking for work: orders and what became of them."""

from __future__ import annotations

from typing import Any

from foldward.contracts.jobs import Backtest
from foldward.contracts.messages._base import Message


class Submit(Message, frozen=True, kw_only=True):
    """To the OOSQueue: validate these strategies. Answered with Submitted once all rows are committed.

    kind: backtest | oos | wfv | cpcv | evidence. now: an operator's wish passes the throttle. plan: splits or
    trial statistics. group_id: the wfv or cpcv run this belongs to.
    """

    names: tuple[str, ...]
    kind: str = "oos"
    now: bool = False
    origin: str = "operator"
    run_id: str = "-"
    trace_id: str | None = None
    seed: int = 0
    priority: int = 0
    plan: dict[str, Any] | None = None
    plans: dict[str, dict[str, Any]] | None = None  # per strategy name; wins over plan
    group_id: str | None = None
    parent_id: str | None = None
    window: tuple[int | None, int | None] | None = None  # Unix seconds, inclusive; None: the kind's own
    reply_to: Any = None
    tag: Any = None


class Readmit(Message, frozen=True, kw_only=True):
    """To the OOSQueue: make a new request of an old one's (edited) content, answered with Submitted.

    parent_id: the request it came from. The gate is asked again; the window and the seed stay.
    """

    job: Backtest
    parent_id: str
    origin: str = "replay"
    reply_to: Any = None
    tag: Any = None


class SubmitOutcome(Message, frozen=True, kw_only=True):
    """What became of one name: queued | cached | pending | throttled | refused."""

    name: str
    status: str
    request_id: str | None = None
    code: str | None = None
    message: str | None = None
    hint: str | None = None


class Submitted(Message, frozen=True, kw_only=True):
    """The answer to Submit, in the order of its names."""

    tag: Any
    kind: str
    items: tuple[SubmitOutcome, ...]


class Cancel(Message, frozen=True, kw_only=True):
    """To the OOSQueue: end these open requests. Answered with Cancelled."""

    request_ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    why: str = "operator"
    reply_to: Any = None
    tag: Any = None


class Cancelled(Message, frozen=True, kw_only=True):
    """Ids that were open and are cancelled now."""

    tag: Any
    request_ids: tuple[str, ...]


class RetryNow(Message, frozen=True, kw_only=True):
    """To the OOSQueue: make a waiting or given-up request due at once. Answered with Retried.

    note: kept with the dead letters that this closes.
    """

    request_ids: tuple[str, ...]
    note: str = ""
    reply_to: Any = None
    tag: Any = None


class Retried(Message, frozen=True, kw_only=True):
    """request_id → whether it changed."""

    tag: Any
    outcomes: dict[str, bool]
