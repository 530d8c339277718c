"""What can still be read of bytes that are no valid request, so that even those get an answer."""

from __future__ import annotations

import re

_READABLE = 65_536  # bytes that are searched: every encoder writes the ids near the front
_ID = re.compile(rb'request[_-]id(?:"\s*:|\s*\.|\s)\s*"([^"\\\x00-\x1f]{1,200})"', re.IGNORECASE)
_NAME = re.compile(rb'\bname(?:"\s*:|\s*\.|\s)\s*"([^"\\\x00-\x1f]{1,200})"', re.IGNORECASE)


def peek_request_id(raw: bytes) -> str | None:
    """The request id that the bytes seem to name, in either encoding."""
    return _first(_ID, raw)


def peek_name(raw: bytes) -> str | None:
    """The strategy's name that the bytes seem to hold."""
    return _first(_NAME, raw)


def _first(pattern: re.Pattern[bytes], raw: bytes) -> str | None:
    found = pattern.search(raw[:_READABLE])
    if found is None:
        return None
    text = found[1].decode("utf-8", "replace").strip()
    return text or None
