"""Times as files tell them: Unix seconds or ISO-8601, and why another spelling is refused.

Nothing is guessed: a number that could be milliseconds, a day-first date and eight digits that are also a
date have two meanings, so they are `data.ambiguous_time`; `repair` converts what it can and says so.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple

from foldward.data.bars import NS

_UNIX = re.compile(r"[+-]?\d{1,19}(?:\.0*)?")
_ISO = re.compile(
    r"(\d{4})([-./])(\d{2})\2(\d{2})"
    r"(?:(?:T| +|t)(\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r" ?(Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?"
)
_DAY_FIRST = re.compile(r"\d{1,2}[-./ ]\d{1,2}[-./ ]\d{2,4}\b.*")
_COMPACT_DATE = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_EPOCH = dt.date(1970, 1, 1).toordinal()

NS_IN = {"milliseconds": 1_000_000, "microseconds": 1000, "nanoseconds": 1}

LAST_NS = 9_000_000_000 * NS  # int64 nanoseconds end in the year 2262

# Seconds beyond 10^11 are past the year 5138; today's milliseconds are past 10^12.
SECONDS_LIMIT = 100_000_000_000


class When(NamedTuple):
    """One time: nanoseconds UTC and how it was told (unix | zoned | naive), or a code and why.

    A time in another unit than seconds has a code and, for `repair`, the likely reading too.
    """

    ns: int
    told: str
    code: str = ""
    why: str = ""


def parse_time(cell: str) -> When:
    """Read one cell. Never raises: a fault is a When whose `code` is not empty."""
    text = cell.strip().strip('"').strip()
    if _UNIX.fullmatch(text) and text.isascii():
        return _unix(text)
    match = _ISO.fullmatch(text) if text.isascii() else None
    if match is None:
        if _DAY_FIRST.fullmatch(text):
            return When(0, "", "data.ambiguous_time", f"'{text[:40]}': day or month first?")
        return When(0, "", "data.bad_time", f"'{text[:40]}' is neither Unix seconds nor ISO-8601")
    return _iso(match, text)


def is_compact_date(seconds: int) -> bool:
    """Whether a number of seconds reads as a date YYYYMMDD too: a whole column of them has two meanings."""
    return _COMPACT_DATE.fullmatch(str(seconds)) is not None


def unit_of(value: int) -> str:
    """The unit that makes a Unix time of that size fall into our times."""
    size = abs(value)
    for limit, unit in ((SECONDS_LIMIT, "seconds"), (10**14, "milliseconds"), (10**17, "microseconds")):
        if size < limit:
            return unit
    return "nanoseconds"


def _unix(text: str) -> When:
    value = int(text.partition(".")[0])
    unit = unit_of(value)
    if unit != "seconds":
        why = f"{value} looks like {unit}; Unix seconds are expected"
        ns = value * NS_IN[unit]
        readable = abs(ns) <= LAST_NS
        return When(ns if readable else 0, "unix" if readable else "", "data.ambiguous_time", why)
    if abs(value) * NS > LAST_NS:
        return When(0, "", "data.bad_time", f"{value} is past the year 2255")
    return When(value * NS, "unix")


def _iso(match: re.Match[str], text: str) -> When:
    year, _, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        days = dt.date(int(year), int(month), int(day)).toordinal() - _EPOCH
        clock = dt.time(int(hour or 0), int(minute or 0), int(second or 0))
        shift = _offset(zone)
    except ValueError as error:
        return When(0, "", "data.bad_time", f"'{text}': {error}")
    if not 1678 <= int(year) <= 2255:
        return When(0, "", "data.bad_time", f"'{text}' is outside the years 1678 to 2255")
    seconds = days * 86_400 + clock.hour * 3600 + clock.minute * 60 + clock.second - shift
    return When(seconds * NS + int((fraction or "")[:6].ljust(6, "0")) * 1000, "zoned" if zone else "naive")


def _offset(zone: str | None) -> int:
    if zone is None or zone in ("Z", "z", "UTC"):
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 18 or minutes > 59:
        raise ValueError(f"offset {zone} does not exist")
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)
