"""The one clock of the product: nothing else reads time.

`now()` is for intervals and due times inside a process, `utc_us()` and `utcnow()` are for what is
stored or shown. All three follow freezegun while it has replaced `datetime.datetime`, at any call
depth: freezegun decides per call stack whether `time.monotonic` is frozen (pykka and threading are on
its ignore list), which would give two answers to one question.
"""

import datetime as _dt
import functools
import time
from collections.abc import Callable

# freezegun swaps module attributes that are the real class; inside a tuple it does not look.
_REAL = (_dt.datetime,)
_real_monotonic = (time.monotonic,)
_real_time_ns = (time.time_ns,)

UTC = _dt.UTC
US = 1_000_000


def frozen() -> bool:
    """True while freezegun (or a test) has replaced `datetime.datetime`."""
    return _dt.datetime is not _REAL[0]


def now() -> float:
    """Seconds on a clock for intervals: monotonic, or the frozen wall clock under freezegun."""
    if _dt.datetime is not _REAL[0]:
        return _dt.datetime.now(UTC).timestamp()
    return _real_monotonic[0]()


def real() -> float:
    """Seconds on the machine's monotonic clock, also under freezegun: for what real threads take."""
    return _real_monotonic[0]()


def real_clock() -> Callable[[], float]:
    """The function behind `real()`, for a loop in which one call more would show."""
    return _real_monotonic[0]


def utcnow() -> _dt.datetime:
    """The wall clock, timezone-aware UTC."""
    return _dt.datetime.now(UTC)


def utc_us() -> int:
    """The wall clock as integer microseconds since the epoch, UTC: what `_at` columns hold."""
    if _dt.datetime is not _REAL[0]:
        return round(_dt.datetime.now(UTC).timestamp() * US)
    return _real_time_ns[0]() // 1000


def iso_ms(us: int) -> str:
    """`2026-02-03T12:00:00.123Z` for integer microseconds UTC."""
    seconds, micros = divmod(us, US)
    return f"{_whole(seconds)}.{micros // 1000:03d}Z"


@functools.lru_cache(maxsize=64)
def _whole(seconds: int) -> str:
    # Events come many to a second, and strftime costs more than all the rest of their time.
    return f"{_REAL[0].fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def iso_s(seconds: float) -> str:
    """`2026-02-03T12:00:00Z` for Unix seconds UTC."""
    return f"{_REAL[0].fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"
