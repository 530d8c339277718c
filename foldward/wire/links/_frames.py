"""The frames of the native link: a kind, then what it carries (docs/INTERFACES.md).

    worker → core   READY info · STARTED id… · RESULT message… · HEARTBEAT message · BYE reason
    core → worker   WORK (id message)… · HELLO · REFUSED reason

Pure functions; sockets add and take the routing id.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

READY = b"READY"
STARTED = b"STARTED"
RESULT = b"RESULT"
HEARTBEAT = b"HEARTBEAT"
BYE = b"BYE"
WORK = b"WORK"
HELLO = b"HELLO"
REFUSED = b"REFUSED"
HEART = b"#heart"  # suffix of the routing id of a worker's second socket: signs of life only


PROTOCOL = 1


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself.

    capacity: requests it may hold. version: of the product. engine: which makes its numbers, "" unsaid.
    """

    id: str
    capacity: int = 2
    pid: int | None = None
    version: str = ""
    engine: str = ""
    protocol: int = PROTOCOL


def pack_ready(ready: Ready) -> list[bytes]:
    """READY frames."""
    return [READY, msgspec.json.encode(ready)]


def unpack_ready(frames: Sequence[bytes]) -> Ready | None:
    """The worker's description, or None when it cannot be read or makes no sense."""
    try:
        ready = msgspec.json.decode(frames[1], type=Ready)
    except (IndexError, ValueError, RecursionError):
        return None
    return ready if 1 <= ready.capacity <= 100_000 else None


def pack_work(items: Sequence[tuple[str, bytes]]) -> list[bytes]:
    """WORK frames for many requests at once."""
    frames = [WORK]
    for request_id, data in items:
        frames.append(request_id.encode())
        frames.append(data)
    return frames


def unpack_work(frames: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """(request_id, message) of WORK frames; an odd frame at the end is a message without an id."""
    rest = frames[1:]
    pairs = [
        (rest[i].decode("utf-8", "replace"), rest[i + 1]) for i in range(0, len(rest) - len(rest) % 2, 2)
    ]
    if len(rest) % 2:
        pairs.append(("", rest[-1]))
    return pairs


def peer_name(routing_id: bytes) -> str:
    """A worker's name for people and tables; an id that ZMQ made up is shown in hex."""
    if routing_id[:1] == b"\0":
        return "peer-" + routing_id.hex()
    try:
        name = routing_id.decode()
    except UnicodeDecodeError:
        return "peer-" + routing_id.hex()
    return name if name.isprintable() else "peer-" + routing_id.hex()
