"""What the supervision tree could not deliver, as a dead letter (spec 1.5, 6.6).

The app gives `letter_of` to the tree's dead-letter sink. Hints and ticks are no loss: the rows say the same.
"""

from __future__ import annotations

from typing import Any

import msgspec

from actors._frames import joined, readable_id
from foldward.contracts.messages import FrameReceived, Hold, ResultArrived, Write


def letter_of(name: str, message: Any, why: str) -> Hold | None:
    """The letter for a message to `name` that nobody handled; None when nothing is lost with it.

    why: poison (it crashed its actor twice), or how its receiver ended.
    """
    reason = "poison" if why == "poison" else "apply_failed"
    error = f"{type(message).__name__} to {name} was not handled: {why}"
    if isinstance(message, ResultArrived):
        result = message.result
        return Hold(
            reason=reason,
            code="internal.bug",
            error=error,
            payload=message.raw,
            peer=message.peer,
            request_id=result.request_id or None,
            trace_id=result.trace_id,
        )
    if isinstance(message, FrameReceived):
        raw = joined(message.frames)
        return Hold(
            reason=reason,
            code="internal.bug",
            error=error,
            payload=raw,
            peer=message.peer,
            request_id=readable_id(raw),
        )
    if isinstance(message, Hold):
        return message if why != "poison" else msgspec.structs.replace(message, direction="message")
    if why != "poison" and not isinstance(message, Write):
        return None
    return Hold(reason=reason, code="internal.bug", error=error, payload=_bytes(message), direction="message")


def _bytes(message: Any) -> bytes:
    try:
        return msgspec.json.encode(message, enc_hook=repr)
    except (TypeError, ValueError, RecursionError):
        return repr(message).encode()
