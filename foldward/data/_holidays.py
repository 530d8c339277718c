"""Days on which weekday markets rest although it is a weekday, computed, not listed per year.

The union of the NYSE's holidays (Rule 7.2) with the days on which currency markets and most of Europe rest
(TARGET: Good Friday, Easter Monday, 1 May, 26 December): a bar missing on one of them is not a gap. The
one-off closures are the NYSE's own since 1985.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

_CLOSURES = frozenset(
    dt.date.fromisoformat(day)
    for day in (
        "1985-09-27",  # hurricane Gloria
        "1994-04-27",  # funeral of Richard Nixon
        "2001-09-11",
        "2001-09-12",
        "2001-09-13",
        "2001-09-14",
        "2004-06-11",  # funeral of Ronald Reagan
        "2007-01-02",  # funeral of Gerald Ford
        "2012-10-29",  # hurricane Sandy
        "2012-10-30",
        "2018-12-05",  # funeral of George H. W. Bush
        "2025-01-09",  # funeral of Jimmy Carter
    )
)


def is_holiday(day: dt.date) -> bool:
    """Whether a weekday market may be closed that day."""
    return day in _CLOSURES or day in _of_year(day.year)


def is_eve(day: dt.date) -> bool:
    """Whether a session may end early or begin late that day: beside a holiday, or Christmas to New Year."""
    one = dt.timedelta(days=1)
    return is_holiday(day - one) or is_holiday(day + one) or (day.month, day.day) >= (12, 24)


@lru_cache(maxsize=512)
def _of_year(year: int) -> frozenset[dt.date]:
    easter = _easter(year)
    days = {
        dt.date(year, 1, 1),
        easter - dt.timedelta(days=2),
        easter + dt.timedelta(days=1),
        dt.date(year, 5, 1),
        dt.date(year, 7, 4),
        dt.date(year, 12, 25),
        dt.date(year, 12, 26),
        _nth(year, 1, 0, 3),  # Martin Luther King
        _nth(year, 2, 0, 3),  # Presidents
        _last_monday_of_may(year),  # Memorial
        _nth(year, 9, 0, 1),  # Labor
        _nth(year, 11, 3, 4),  # Thanksgiving
    }
    if year >= 2021:
        days.add(dt.date(year, 6, 19))
    one = dt.timedelta(days=1)
    observed = {day - one for day in days if day.weekday() == 5} | {
        day + one for day in days if day.weekday() == 6
    }
    return frozenset(days | observed)


def _nth(year: int, month: int, weekday: int, nth: int) -> dt.date:
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _last_monday_of_may(year: int) -> dt.date:
    last = dt.date(year, 5, 31)
    return last - dt.timedelta(days=last.weekday())


def _easter(year: int) -> dt.date:
    """Gregorian Easter Sunday (the anonymous algorithm; Meeus, Astronomical Algorithms, 1991, chapter 8)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return dt.date(year, month, day + 1)
