"""Numbers that no encoding may hold: found quickly in what is about to be written, then named."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

import msgspec

from foldward.wire._limits import LARGEST
from foldward.wire._misfit import Misfit

_SAFE = frozenset({str, bool, type(None)})


def sound(value: Any) -> bool:
    """Whether every number in a struct, dict or list is finite and every integer has at most 64 bits."""
    items: Any
    if isinstance(value, msgspec.Struct):
        items = msgspec.structs.astuple(value)
    elif type(value) is dict:
        items = value.values()
    elif isinstance(value, list | tuple):
        items = value
    else:
        return True
    for item in items:
        kind = type(item)
        if kind is float:
            if not isfinite(item):
                return False
        elif kind is int:
            if not -LARGEST <= item <= LARGEST:
                return False
        elif kind not in _SAFE and not sound(item):
            return False
    return True


def require_sound(value: Any, path: str) -> None:
    """Raise Misfit with the place of what `sound` says is there. msgspec would write NaN as null, another
    statement, and integers that nobody reads back."""
    kind = type(value)
    if kind is float:
        if not isfinite(value):
            raise Misfit(path, f"is {value}", "wire.not_finite")
    elif kind is int:
        if not -LARGEST <= value <= LARGEST:
            raise Misfit(path, "has more than 64 bits")
    elif kind not in _SAFE:
        for place, item in _places(value, path):
            require_sound(item, place)


def _places(value: Any, path: str) -> Iterable[tuple[str, Any]]:
    inner = f"{path}." if path else ""
    if isinstance(value, msgspec.Struct):
        return [(f"{inner}{name}", getattr(value, name)) for name in value.__struct_fields__]
    if type(value) is dict:
        return [(f"{inner}{key}", item) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [(f"{path}[{place}]", item) for place, item in enumerate(value)]
    return ()
