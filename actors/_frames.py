"""Bytes from and for peers: what they are, why they are not, and how a request is spelled for one peer."""

from __future__ import annotations

import re

import msgspec

from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Backtest
from foldward.wire import dumps, loads
from foldward.wire.names import with_suffix

# Why a decode error lands under which reason of the dead letters (spec 1.5).
_REASONS = {
    "wire.oversize": "oversize",
    "wire.multipart": "multipart",
    "wire.not_utf8": "unparseable",
    "wire.unparseable": "unparseable",
    "wire.too_deep": "unparseable",
}
_ID = re.compile(
    rb'request[_-]id"?\s*[:.]?\s*"?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})', re.IGNORECASE
)
_OURS = b'{"action":"BACKTEST",'
_request = msgspec.json.Decoder(Backtest)
_READABLE = 65_536  # bytes searched for an id: every encoder writes it near the front


def reason_of(code: str) -> str:
    """The dead-letter reason for a code of the wire family."""
    return _REASONS.get(code, "schema")


def readable_id(raw: bytes) -> str | None:
    """The request id in bytes that are no message, if it can be read."""
    head = raw[:_READABLE]
    if b"request" not in head.lower():  # the pattern alone takes a third of a millisecond over noise
        return None
    found = _ID.search(head)
    return None if found is None else found[1].decode().lower()


def joined(frames: tuple[bytes, ...]) -> bytes:
    """The frames of a multipart message as one run of bytes, parted by newlines: a message is one line."""
    return b"\n".join(frames)


def sent_name(name: str, kind: str, legacy: bool) -> str:
    """The strategy's name as this peer gets it."""
    return with_suffix(name, kind) if legacy else name


def spelled(payload: bytes, attempt: int, encoding: str, legacy: bool) -> bytes:
    """The payload of the row as bytes for one peer.

    A first attempt for a native peer is the payload itself: it is not decoded. Raises WireError when the
    payload is no request.
    """
    if attempt == 1 and encoding == "json" and not legacy:
        return payload
    job = _stored(payload)
    strategy = job.strategy
    name = sent_name(strategy.name, job.phase, legacy)
    if name != strategy.name:
        strategy = msgspec.structs.replace(strategy, name=name)
    job = msgspec.structs.replace(job, attempt=attempt, strategy=strategy)
    return dumps(job, "sexp" if encoding == "sexp" else "json", peer=legacy)


def _stored(payload: bytes) -> Backtest:
    """Our own spelling, which was checked when it was written, is read the quick way."""
    if payload.startswith(_OURS):
        try:
            return _request.decode(payload)
        except msgspec.MsgspecError:
            pass  # the careful way says what is wrong
    job = loads(payload)
    if not isinstance(job, Backtest):
        raise WireError("wire.unknown_type", payload, message=f"the payload is a {type(job).__name__}")
    return job
