"""Stop and target distances as people write them: `1.5` price units, `"3%"` of the anchor, `"2atr"`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from foldward.contracts.errors import RequestError

Unit = Literal["price", "percent", "atr"]
_TEXT = re.compile(
    r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(%|pct|percent|x?\s*atr)?\s*", re.IGNORECASE
)
_OFF = {"", "none", "off", "nil"}


@dataclass(frozen=True)
class Level:
    """A distance from the anchor price: value > 0 in price units, percent of the anchor, or ATR multiples."""

    value: float
    unit: Unit

    def canonical(self) -> float | str:
        """The one spelling that identities are computed from: 1.5, `"3%"`, `"2atr"`."""
        if self.unit == "price":
            return self.value
        text = repr(int(self.value)) if self.value.is_integer() else repr(self.value)
        return text + ("%" if self.unit == "percent" else "atr")


def parse_level(value: object, *, name: str = "level", zero: bool = False) -> Level | None:
    """The distance that `value` says, or None when it is off (None, "", "off", "none").

    A distance must be finite and > 0; with `zero` also 0 is taken (profile peer, where 0 is not off).
    Raises RequestError `request.bad_param` with the field's name.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in _OFF):
        return None
    unit: Unit = "price"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _bad(name, value)
    if isinstance(value, str):
        match = _TEXT.fullmatch(value)
        if match is None:
            raise _bad(name, value)
        number = float(match[1])
        suffix = (match[2] or "").lower()
        if suffix:
            unit = "atr" if suffix.endswith("atr") else "percent"
    else:
        number = float(value)
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise _bad(name, value)
    return Level(number, unit)


def _bad(name: str, value: object) -> RequestError:
    return RequestError(
        "request.bad_param",
        f"{name} {value!r} is not a distance: write a number > 0 in price units (1.5), a percentage ('3%') "
        "or ATR multiples ('2atr'), or leave it out",
        field=name,
    )
