"""A statistic is a finite number, or None with a reason.

Formulas raise `Undefined` with the reason; `number` turns that (and overflow) into None for callers, and
`explain` gives evidence the reason. `BadArgument` is for what no data can repair.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any, ParamSpec

import numpy as np
from numpy.typing import NDArray

from foldward.contracts.errors import RequestError

P = ParamSpec("P")
Floats = NDArray[np.float64]
Series = Sequence[float] | NDArray[Any]

# A Sharpe of a million per period is a constant with rounding noise, not a skill (see docs: flat series).
FLAT = 1e-12
HUGE = 1e70  # the fourth power of more is not a float
_NORMAL = NormalDist()


class Undefined(Exception):
    """The number does not exist for this data; the message says why."""


class BadArgument(RequestError, ValueError):
    """RequestError `request.bad_param`; also a ValueError, which is what Python callers expect here."""

    def __init__(self, message: str, hint: str | None = None, **context: Any) -> None:
        super().__init__("request.bad_param", message, hint=hint, **context)


def number(formula: Callable[P, float]) -> Callable[P, float | None]:
    """The public face of a formula: a finite float, or None where it is undefined."""

    @functools.wraps(formula)
    def face(*args: P.args, **kwargs: P.kwargs) -> float | None:
        try:
            with np.errstate(all="ignore"):  # overflow is answered by None, not by a warning
                return _finite(formula(*args, **kwargs))
        except (Undefined, OverflowError):
            return None

    return face


def explain(face: Callable[..., float | None], *args: Any, **kwargs: Any) -> tuple[float | None, str | None]:
    """The value and None, or None and the reason, of a function made by `number`."""
    try:
        with np.errstate(all="ignore"):
            return _finite(inspect.unwrap(face)(*args, **kwargs)), None
    except Undefined as why:
        return None, str(why)
    except OverflowError:
        return None, "the value is too large for a number"


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Undefined("the value is too large for a number")
    return float(value)


def series(values: Series, name: str) -> Floats:
    """`values` as a float64 array of one dimension; Undefined where one of them is not finite."""
    array = as_floats(values, name)
    if array.ndim != 1:
        raise BadArgument(f"{name} has {array.ndim} dimensions; it is a list of numbers", field=name)
    if not np.isfinite(array).all():
        where = int(np.argmin(np.isfinite(array)))
        raise Undefined(f"{name} holds a value that is not finite (at {where})")
    if array.size and np.abs(array).max() > HUGE:
        raise Undefined(f"{name} holds a value beyond ±1e70")
    return array


def as_floats(values: Any, name: str) -> Floats:
    """`values` as a float64 array (None becomes NaN)."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadArgument(f"{name} is not numeric: {error}", field=name) from None


def positive(value: float, name: str) -> float:
    """`value`, refused unless it is a finite number > 0."""
    if not _is_real(value) or not value > 0 or not math.isfinite(value):
        raise BadArgument(f"{name} is {value!r}; it must be a number > 0", field=name, limit=0)
    return float(value)


def whole(value: object, name: str, low: int, high: int | None = None) -> int:
    """`value` as an int within [low, high], refused otherwise."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    fits = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not fits or value < low or (high is not None and value > high):  # type: ignore[operator]
        span = f">= {low}" if high is None else f"from {low} to {high:,}"
        raise BadArgument(f"{name} is {value!r}; it is a whole number {span}", field=name, limit=high or low)
    return int(value)  # type: ignore[call-overload, no-any-return]


def probability(value: float, name: str) -> float:
    """`value`, refused unless it lies strictly between 0 and 1."""
    if not _is_real(value) or not 0 < value < 1:
        raise BadArgument(f"{name} is {value!r}; it lies between 0 and 1", field=name)
    return float(value)


def finite_arguments(**values: float) -> None:
    """Undefined where an input number is None, NaN or infinite; BadArgument where it is no number."""
    for name, value in values.items():
        if value is None:
            raise Undefined(f"{name} is not known")
        if not _is_real(value):
            raise BadArgument(f"{name} is {value!r}; it must be a number", field=name)
        if not math.isfinite(value):
            raise Undefined(f"{name} is not finite")


def _is_real(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def phi(z: float) -> float:
    """The standard normal distribution function, exact in both tails."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def normal_quantile(p: float) -> float:
    """Its inverse (Wichura, algorithm AS 241, 1988)."""
    return _NORMAL.inv_cdf(p)
