"""How a plan is refused: with what was asked, the limit and the way out."""

from collections.abc import Sized
from typing import Any

import numpy as np

from foldward.contracts.errors import RequestError


class BadPlan(RequestError, ValueError):
    """RequestError `request.bad_plan`; also a ValueError, which is what Python callers expect here."""

    def __init__(self, message: str, hint: str | None = None, **context: Any) -> None:
        super().__init__("request.bad_plan", message, hint=hint, **context)


def whole(value: object, name: str, low: int) -> int:
    """`value` as an int, not below `low`; booleans and fractions are refused."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise BadPlan(f"{name} is {value!r}; it is a whole number of bars >= {low}", field=name)
    if value < low:
        raise BadPlan(f"{name} is {value}; it must be >= {low}", field=name, limit=low)
    return int(value)


def count_of(data: object, name: str = "n") -> int:
    """The number of bars: an int, or the length of anything sized."""
    if isinstance(data, Sized) and not isinstance(data, str | bytes):
        return len(data)
    return whole(data, name, 0)
