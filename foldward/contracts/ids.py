"""Identifiers: UUIDv7 (RFC 9562 section 5.7) from operating-system entropy.

Time-ordered, so that a B-tree of requests grows at its right edge; random enough that two processes
started in the same microsecond never meet.
"""

import os

from foldward.contracts import clock


def new_id() -> str:
    """A fresh UUIDv7 in its canonical 36-character form."""
    raw = bytearray((clock.utc_us() // 1000).to_bytes(6, "big") + os.urandom(10))
    raw[6] = (raw[6] & 0x0F) | 0x70
    raw[8] = (raw[8] & 0x3F) | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(text: object) -> bool:
    """True for the canonical form of any UUID; what the wire accepts as `request_id`."""
    if not isinstance(text, str) or len(text) != 36:
        return False
    parts = text.split("-")
    if [len(part) for part in parts] != [8, 4, 4, 4, 12]:
        return False
    return all(char in "0123456789abcdef" for part in parts for char in part.lower())
