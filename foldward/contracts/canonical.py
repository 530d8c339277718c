"""Canonical JSON and the digests made of it: the identity of requests, results, runs and settings.

The form is RFC 8785's idea with Python's shortest round-trip floats: keys sorted, no white space, UTF-8,
no NaN or infinity. Equal content gives equal bytes on every machine, whatever the order of keys, the time
zone or PYTHONHASHSEED.
"""

import hashlib
import math
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="sorted")


def canonical_bytes(value: Any) -> bytes:
    """Canonical JSON of plain data or msgspec structs. Raises ValueError for NaN and infinity."""
    return _encoder.encode(_plain(msgspec.to_builtins(value)))


def digest(value: Any) -> str:
    """`sha256:` and the hex digest of the canonical JSON."""
    return "sha256:" + hashlib.sha256(canonical_bytes(value)).hexdigest()


def derive_seed(seed: int, *parts: str) -> int:
    """A seed for one unit of work: the first 64 bits of SHA-256 over the run's seed and the unit's names."""
    material = "\x1f".join([str(seed), *parts]).encode()
    return int.from_bytes(hashlib.sha256(material).digest()[:8], "big")


_AS_IS = frozenset({str, int, bool, type(None)})
_EXACT = 2**53


def _plain(value: Any) -> Any:
    # −0.0 and 1.0 against 1 must not make two identities of one number.
    kind = type(value)
    if kind is dict:
        return {
            key: item if (of := type(item)) in _AS_IS else _number(item) if of is float else _plain(item)
            for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [
            item if (of := type(item)) in _AS_IS else _number(item) if of is float else _plain(item)
            for item in value
        ]
    return _number(value) if kind is float else value


def _number(value: float) -> int | float:
    if value.is_integer():
        return int(value) if -_EXACT < value < _EXACT else value
    if not math.isfinite(value):
        raise ValueError(f"{value} has no canonical form")
    return value
