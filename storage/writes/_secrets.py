"""No secret is stored: what peers, workers and operators wrote is masked before it becomes a row (spec 4.3).

Payloads of dead letters are kept exactly as they came: a replay needs every byte.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from foldward.contracts.masking import mask_text, may_hold_secret

_F = TypeVar("_F", bound=msgspec.Struct)


def without_secrets(fact: _F, *fields: str) -> _F:
    """The fact itself when its texts hold nothing, else a copy with these fields masked."""
    changed = {}
    for field in fields:
        text = getattr(fact, field)
        if text and may_hold_secret(text):
            changed[field] = mask_text(text)
    return msgspec.structs.replace(fact, **changed) if changed else fact
