"""How an incarnation ended, and what to call it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from supervision._mailbox import Ask, Due, Retried
from supervision.plan import Ending


class Exit(NamedTuple):
    """How an incarnation ended. `stack` is text once formatted; `error` is what was raised.

    code: what inspection calls it when no error of its own does (an OS process raises nothing we could see).
    """

    ending: Ending
    reason: str
    error: BaseException | None = None
    message_type: str | None = None
    stack: str | None = None
    inbox_depth: int = 0
    uptime_s: float = 0.0
    at_us: int = 0
    code: str | None = None


def why_of(ending: Ending) -> str:
    """The dead-letter reason for what waited when an incarnation ended so."""
    return {
        Ending.CRASH: "crashed",
        Ending.HUNG: "hung",
        Ending.KILLED: "killed",
    }.get(ending, "stopped")


def describe(error: BaseException) -> str:
    """`ValueError: no such price`, shortened: a reason fits one line."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:299] + "…"


def type_name(item: Any) -> str | None:
    """The class name of what is being handled, through every wrapping."""
    if item is None:
        return None
    if isinstance(item, list):
        return f"{type_name(item[0])} × {len(item)}" if len(item) > 1 else type_name(item[0])
    if isinstance(item, Ask | Due | Retried) or type(item).__name__ == "Envelope":
        return type_name(item.message)
    return type(item).__name__


def poison_of(current: Any) -> Sequence[Any]:
    """What was being handled, as a sequence: nothing, one message, or a batch."""
    if current is None:
        return ()
    return current if isinstance(current, list) else (current,)
