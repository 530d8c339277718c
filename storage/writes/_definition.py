"""Whether two spellings of a strategy are the same work.

Name, generation and parent say where a strategy comes from; everything else decides its numbers. An answer
counts for a strategy only while the definition that was sent is the definition that is stored.
"""

from __future__ import annotations

import msgspec

from foldward.contracts.canonical import digest
from foldward.contracts.jobs import Strategy


class _Payload(msgspec.Struct):
    strategy: msgspec.Raw


_payload = msgspec.json.Decoder(_Payload)
_strategy = msgspec.json.Decoder(Strategy)
_encode = msgspec.json.Encoder().encode


def normal(strategy: Strategy) -> tuple[Strategy, str]:
    """The definition as it is stored: numbers of one type each, fields in the struct's order."""
    plain = _strategy.decode(_encode(strategy))
    return plain, _encode(plain).decode()


def work_of(strategy: Strategy) -> str:
    """A short digest of what decides the numbers."""
    return digest(msgspec.structs.replace(strategy, name="", generation=0, parent=None))[7:23]


def work_sent(payload: bytes, definition: str, work: str) -> str:
    """The work of the strategy inside a request's payload; empty for a payload in another spelling.

    `definition` and `work` are the stored ones: equal bytes, which is nearly always, save the digest.
    """
    try:
        raw = bytes(_payload.decode(payload).strategy)
        if raw == definition.encode():
            return work
        return work_of(_strategy.decode(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
