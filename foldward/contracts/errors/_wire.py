"""Bytes that are not a message, and links."""

from __future__ import annotations

from typing import Any

from foldward.contracts.errors._base import FoldwardError, declare


class WireError(FoldwardError):
    """Bytes that are not a valid message. Owns the bytes, so that nothing is lost (spec 2)."""

    family = "wire"
    exit_code = 1

    def __init__(
        self, code: str, raw: bytes = b"", position: int | None = None, message: str = "", **fields: Any
    ) -> None:
        super().__init__(code, message or code, position=position, **fields)
        self.raw = raw
        self.position = position


declare("wire.not_utf8", "The frame is not UTF-8.", "send UTF-8", fault="peer")
declare(
    "wire.unparseable",
    "The frame is neither JSON nor an S-expression.",
    "see docs/INTERFACES.md",
    fault="peer",
)
declare("wire.multipart", "The message has more than one frame.", "send one frame a message", fault="peer")
declare("wire.oversize", "The frame is larger than allowed.", "send less than 8 MiB", fault="peer")
declare("wire.too_deep", "The message is nested deeper than allowed.", "nest at most 64 levels", fault="peer")
declare("wire.unknown_type", "The message has no known type.", "see docs/INTERFACES.md", fault="peer")
declare("wire.missing_field", "A required field is absent.", "see docs/INTERFACES.md", fault="peer")
declare(
    "wire.unknown_field",
    "A request has a field that does not exist.",
    "see docs/INTERFACES.md",
    fault="peer",
)
declare(
    "wire.invalid_field",
    "A field has the wrong type or an impossible value.",
    "see docs/INTERFACES.md",
    fault="peer",
)
declare(
    "wire.not_finite", "A number that must be written is not finite.", "send null with a reason", fault="us"
)
declare(
    "wire.mismatch",
    "The answer does not fit the request.",
    "the payload is kept: foldward dead show ID",
    fault="peer",
)
declare(
    "wire.mirror",
    "An out-of-sample Sharpe equals the in-sample one over another window.",
    "the peer copied a number instead of measuring it: foldward dead show ID",
    retryable=True,
    fault="peer",
)
declare(
    "wire.send_failed",
    "The bytes of a request did not leave.",
    "nothing to do: it goes out again; foldward status shows the links",
    retryable=True,
    fault="machine",
)
declare(
    "wire.missing_request_id",
    "A BACKTEST has no readable request_id.",
    "put a request_id into the message",
    fault="peer",
)
declare(
    "wire.unsupported",
    "The peer asks for a version or feature this side does not have.",
    "upgrade the older side",
    fault="peer",
)
declare(
    "wire.endpoint_taken",
    "Another process already uses the address.",
    "stop it, or set another endpoint under [link]",
    fault="machine",
    exit_code=2,
)
declare(
    "wire.curve_required",
    "A link beyond this machine needs CURVE keys.",
    "set link.curve_* or link.allow_plain",
    fault="caller",
    exit_code=2,
)
