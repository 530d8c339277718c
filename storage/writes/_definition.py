"""Whether two spellings of a strategy are the same work.

Name, generation and parent say where a strategy comes from; everything else decides its numbers. An answer
counts for a strategy only while the definition that was sent is the definition that is stored.
"""

from __future__ import annotations

import hashlib

import msgspec

from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Backtest, Strategy
from foldward.wire import loads

_CACHED = 20_000  # spellings remembered; one strategy's requests are all spelled alike


class _Payload(msgspec.Struct):
    strategy: msgspec.Raw


_payload = msgspec.json.Decoder(_Payload)
_strategy = msgspec.json.Decoder(Strategy)
_encode = msgspec.json.Encoder().encode
_sorted = msgspec.json.Encoder(order="sorted").encode


def normal(strategy: Strategy) -> tuple[Strategy, str]:
    """The definition as it is stored: numbers of one type each, fields in the struct's order."""
    plain = _strategy.decode(_encode(strategy))
    return plain, _encode(plain).decode()


def work_of(strategy: Strategy) -> str:
    """A short digest of what decides the numbers; the order of parameters does not."""
    plain = _strategy.decode(_encode(msgspec.structs.replace(strategy, name="", generation=0, parent=None)))
    return hashlib.sha256(_sorted(plain)).hexdigest()[:16]


class Spellings:
    """Which work the strategy inside a request's payload is, remembered by its spelling."""

    def __init__(self) -> None:
        self._known: dict[bytes, str] = {}

    def work_of_payload(self, payload: bytes) -> str:
        """Empty when the payload is no request that can be read."""
        try:
            raw = bytes(_payload.decode(payload).strategy)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return _decoded(payload)
        work = self._known.get(raw)
        if work is None:
            try:
                work = work_of(_strategy.decode(raw))  # our own spelling
            except msgspec.MsgspecError:
                work = _decoded(payload)
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[raw] = work
        return work


def _decoded(payload: bytes) -> str:
    try:
        message = loads(payload)
    except WireError:
        return ""
    return work_of(message.strategy) if isinstance(message, Backtest) else ""
