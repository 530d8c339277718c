"""Calendar durations and bar times, both as integer nanoseconds UTC."""

import datetime as dt
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foldward.splits._refuse import BadPlan

_SECOND = 1_000_000_000
DAY = 86_400 * _SECOND
_UNITS = {"s": _SECOND, "min": 60 * _SECOND, "h": 3600 * _SECOND, "d": DAY, "w": 7 * DAY}
_LONGEST = 1e9  # of any unit: longer than any data, and still a number when it is multiplied
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|min|h|d|w)", re.IGNORECASE)

# Candles are at least a second apart, so |t| of a whole series tells seconds and milliseconds from
# nanoseconds; below 2e16 microseconds (until the year 2603) and nanoseconds of 1970 look alike.
_SECONDS_BELOW = 10**11
_MILLIS_BELOW = 10**14
_NANOS_FROM = 2 * 10**16


def duration(value: object, name: str) -> int:
    """Nanoseconds of `"90d"`, `"6h"`, `"4w"`, `"30min"`, `"10s"`, a timedelta or a numpy timedelta64."""
    if isinstance(value, dt.timedelta):
        span = value // dt.timedelta(microseconds=1) * 1000
    elif isinstance(value, np.timedelta64):
        span = int(value.astype("timedelta64[ns]").astype(np.int64))
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        span = round(min(float(match[1]), _LONGEST) * _UNITS[match[2].lower()])
    else:
        raise BadPlan(
            f"{name} is {value!r}; it is a number of bars, or a duration such as 90d, 6h, 4w or 30min",
            field=name,
        )
    if span <= 0:
        raise BadPlan(f"{name} is {value!r}; a window must be longer than nothing", field=name, limit=0)
    return span


def is_duration(value: object) -> bool:
    """Whether a window is meant in calendar time: text, a timedelta or a timedelta64 (an `np.integer`!)."""
    return isinstance(value, str | dt.timedelta | np.timedelta64)


def nanoseconds(index: Any) -> NDArray[np.int64]:
    """Bar times as int64 nanoseconds UTC: from datetime64, aware datetimes, or whole Unix numbers.

    Whole numbers are read by size: seconds below 1e11, milliseconds below 1e14, nanoseconds from 2e16 on;
    between them the unit is not certain and the index is refused (pass datetime64). Times must increase.
    """
    array = np.asarray(index)
    if array.ndim != 1 or len(array) == 0:
        raise BadPlan(f"a time index has one dimension and at least one bar; this one has {array.shape}")
    if array.dtype.kind == "M":
        times = array.astype("datetime64[ns]").astype(np.int64)
    elif array.dtype.kind == "O" and all(isinstance(item, dt.datetime) for item in array.tolist()):
        times = np.array([_of_datetime(item) for item in array.tolist()], dtype=np.int64)
    elif array.dtype.kind in "iu":
        times = _of_numbers(array.astype(np.int64))
    else:
        raise BadPlan(
            f"a time index of type {array.dtype} cannot be read",
            hint="pass datetime64, timezone-aware datetimes, or int64 nanoseconds or seconds",
        )
    steps = np.diff(times)
    if len(steps) and int(steps.min()) <= 0:
        where = int(np.argmax(steps <= 0)) + 1
        raise BadPlan(f"bar times must increase; bar {where} is not later than the bar before", bar=where)
    return times


def _of_numbers(array: NDArray[np.int64]) -> NDArray[np.int64]:
    size = max(abs(int(array[0])), abs(int(array[-1])))
    if size < _SECONDS_BELOW:
        return array * _SECOND
    if size < _MILLIS_BELOW:
        return array * 1_000_000
    if size >= _NANOS_FROM:
        return array
    raise BadPlan(
        f"the unit of a time index that ends at {int(array[-1])} is not certain",
        hint="pass it as datetime64, e.g. index.view('datetime64[ns]')",
    )


def _of_datetime(moment: dt.datetime) -> int:
    if moment.tzinfo is None:
        raise BadPlan(f"bar time {moment.isoformat()} has no zone", hint="add tzinfo=UTC")
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return since // dt.timedelta(microseconds=1) * 1000
