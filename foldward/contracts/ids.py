"""Identifiers: UUIDv7 (RFC 9562 section 5.7) from operating-system entropy.

Time-ordered, so that a B-tree of requests grows at its right edge; random enough that two processes
started in the same microsecond never meet.
"""

import os
from collections import deque

from foldward.contracts import clock

# Entropy is fetched for many at once: a system call each would give the interpreter's lock away each time.
_AHEAD = 64
_entropy: deque[bytes] = deque()
os.register_at_fork(after_in_child=_entropy.clear)  # a child must not spend what its parent spends


def new_id() -> str:
    """A fresh UUIDv7 in its canonical 36-character form."""
    try:
        random = _entropy.pop()  # atomic: no two threads get the same
    except IndexError:
        fetched = os.urandom(10 * _AHEAD)
        random = fetched[:10]
        _entropy.extend(fetched[at : at + 10] for at in range(10, len(fetched), 10))
    raw = bytearray((clock.utc_us() // 1000).to_bytes(6, "big") + random)
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
