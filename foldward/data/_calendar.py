"""The trading calendar that a series shows by itself, and which bars are missing inside it.

A slot is a timeframe's place in the week (Sunday 00:00 UTC is slot 0). A slot without a bar is missing when
more than half of the same slots in the four weeks before and after have one, so nights and weekends are
never gaps and daylight saving moves the session along. Short files are judged by the same slot of other days.
"""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass

import numpy as np

from foldward.contracts.clock import iso_s
from foldward.contracts.timeframe import MONTH
from foldward.data._holidays import is_eve, is_holiday
from foldward.data.bars import Ints

_DAY = 86_400
_WEEK = 7 * _DAY
_SUNDAY = 4 * _DAY  # the epoch was a Thursday: Sunday 00:00 came four days earlier
_REACH = 4
_ENOUGH = 3
_HALF_DAY = _DAY // 2
_NIGHT = 4 * 3600
_MAX_SLOTS = 200_000_000
LISTED = 1000


@dataclass(frozen=True)
class Gap:
    """Bars missing before row `before` (an index into the ordered rows): how many, and the outer two."""

    before: int
    bars: int
    first: int
    last: int

    def text(self) -> str:
        """`3 bars missing from 2024-01-01T05:00:00Z to 2024-01-01T07:00:00Z`."""
        if self.bars == 1:
            return f"1 bar missing at {iso_s(self.first)}"
        return f"{self.bars} bars missing from {iso_s(self.first)} to {iso_s(self.last)}"


@dataclass(frozen=True)
class Calendar:
    """The inferred calendar in words, the first gaps inside it, how many, and bars present / expected."""

    words: str
    gaps: tuple[Gap, ...]
    count: int
    coverage: float


def calendar_of(times: Ints, steps: Ints, timeframe: int) -> Calendar:
    """Judge increasing times (Unix seconds) with their differences on the grid of the timeframe (minutes)."""
    step = timeframe * 60
    if len(steps) == 0:
        return Calendar("one bar", (), 0, 1.0)
    if timeframe == MONTH or step > _DAY:
        return _sparse(times, steps, timeframe)
    if int(steps.max()) <= step and step < _DAY:
        words = "every day, 24 h" if times[-1] - times[0] > _WEEK else "without a break"
        return Calendar(words, (), 0, 1.0)
    # A daily bar stamped the evening before (22:00) belongs to the next date.
    shift = _HALF_DAY if step == _DAY and int(times[0]) % _DAY >= _HALF_DAY else 0
    return _weekly(times + shift, step, shift)


def _sparse(times: Ints, steps: Ints, timeframe: int) -> Calendar:
    if timeframe == MONTH:
        missing = np.maximum(0, np.rint(steps / (30.44 * _DAY)).astype(np.int64) - 1)
    elif timeframe % (_WEEK // 60) == 0:
        missing = np.maximum(0, np.rint(steps / (timeframe * 60)).astype(np.int64) - 1)
    else:  # D2, D3, …: a weekend and a holiday may stretch any step
        missing = np.maximum(0, (steps - 3 * _DAY) // (timeframe * 60) - 1)
    gaps = tuple(
        Gap(
            int(at) + 1,
            int(missing[at]),
            int(times[at]) + timeframe * 60,
            int(times[at + 1]) - timeframe * 60,
        )
        for at in np.flatnonzero(missing)[:LISTED]
    )
    return Calendar(
        "one bar a period", gaps, int(np.count_nonzero(missing)), _coverage(len(times), int(missing.sum()))
    )


def _weekly(times: Ints, step: int, shift: int) -> Calendar:
    per_week = max(1, -(-_WEEK // step))
    offset = times + _SUNDAY
    first_week = int(offset[0]) // _WEEK
    weeks = int(offset[-1]) // _WEEK - first_week + 1
    if weeks * per_week > _MAX_SLOTS:  # a handful of bars across millennia: there is no calendar in them
        return Calendar("too sparse to infer", (), 0, 1.0)
    present = np.zeros(weeks * per_week, dtype=np.uint8)
    flat = (offset // _WEEK - first_week) * per_week + offset % _WEEK // step
    present[flat] = 1
    covered = np.zeros_like(present)
    covered[flat[0] : flat[-1] + 1] = 1
    shape = (weeks, per_week)
    saturdays = _day_columns(per_week, step, 6)
    closed = bool(covered.reshape(shape)[:, saturdays].any()) and not _often(
        present.reshape(shape)[:, saturdays], covered.reshape(shape)[:, saturdays]
    )
    missing = _expected(present.reshape(shape), covered.reshape(shape), step, closed).ravel()
    missing &= (present == 0) & (covered == 1)
    slots = np.flatnonzero(missing)
    starts = (slots // per_week + first_week) * _WEEK - _SUNDAY + slots % per_week * step
    if closed and len(slots):
        starts = starts[~_resting(starts, step)]
    words = _words(present.reshape(shape), step, closed)
    gaps, count = _gaps(times, starts, step, shift)
    return Calendar(words, gaps, count, _coverage(len(times), len(starts)))


def _often(present: np.ndarray, covered: np.ndarray) -> bool:
    """Whether Saturdays are traded: in more than a tenth of the weeks."""
    return float((present.any(axis=1)).sum()) > 0.1 * max(1, int(covered.any(axis=1).sum()))


def _expected(present: np.ndarray, covered: np.ndarray, step: int, closed: bool) -> np.ndarray:
    """Which slots should have a bar: most of the four weeks before and after have one there.

    Weeks without any bar are no neighbours: a hole of months must not hide itself.
    """
    active = np.flatnonzero(present.any(axis=1))
    weeks = np.arange(len(present))
    at = np.searchsorted(active, weeks)
    own = np.zeros(len(present), dtype=bool)
    own[active] = True
    low, high = np.maximum(at - _REACH, 0), np.minimum(at + _REACH + own, len(active))
    have = _between(present[active], low, high)
    could = _between(covered[active], low, high)
    have[active] -= present[active]
    could[active] -= covered[active]
    expected = have * 2 > could
    few = could < _ENOUGH
    if few.any():
        expected = np.where(few, _by_day(present, covered, step, closed), expected)
    return expected


def _between(rows: np.ndarray, low: Ints, high: Ints) -> np.ndarray:
    """Sums of rows[low:high] for each pair, by differences of running sums."""
    running = np.zeros((len(rows) + 1, rows.shape[1]), dtype=np.int32)
    np.cumsum(rows, axis=0, out=running[1:])
    sums: np.ndarray = running[high] - running[low]
    return sums


def _by_day(present: np.ndarray, covered: np.ndarray, step: int, closed: bool) -> np.ndarray:
    """For files of a few weeks: a slot is expected when most days of its kind (weekday, weekend) have it."""
    weeks, per_week = present.shape
    expected = np.ones((weeks, per_week), dtype=bool)
    slot_starts = np.arange(per_week) * step
    if _DAY % step == 0:
        per_day = _DAY // step
        days = present.reshape(weeks * 7, per_day)
        known = covered.reshape(weeks * 7, per_day)
        weekend = np.isin(np.arange(weeks * 7) % 7, (0, 6))
        for kind in (weekend, ~weekend):
            have = days[kind].sum(axis=0, dtype=np.int64)
            could = known[kind].sum(axis=0, dtype=np.int64)
            usual = (have * 2 > could) | (could < _ENOUGH)
            expected.reshape(weeks * 7, per_day)[kind] = usual
        if int(known.any(axis=1).sum()) < _ENOUGH:  # two days show no night: a break over midnight may be one
            expected &= ~_over_midnight(present, covered, step)
    if closed:
        expected &= (slot_starts >= _DAY) & (slot_starts < 5 * _DAY + 20 * 3600)
    return expected


def _over_midnight(present: np.ndarray, covered: np.ndarray, step: int) -> np.ndarray:
    """True in runs of empty slots, four hours and longer, that go on to the next day."""
    empty = ((present == 0) & (covered == 1)).ravel()
    edges = np.flatnonzero(np.diff(np.concatenate(([0], empty.view(np.int8), [0]))))
    night = np.zeros(len(empty), dtype=bool)
    per_day = _DAY // step
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if start // per_day != stop // per_day and (stop - start) * step >= _NIGHT:
            night[start:stop] = True
    return night.reshape(present.shape)


def _resting(starts: Ints, step: int) -> np.ndarray:
    """Which slots lie on a holiday or, inside the day, on a day whose session may be short."""
    days, which = np.unique(starts // _DAY, return_inverse=True)
    rests = np.zeros(len(days), dtype=bool)
    for at, day in enumerate(days):
        date = dt.date(1970, 1, 1) + dt.timedelta(days=int(day))
        rests[at] = is_holiday(date) or (step < _DAY and is_eve(date))
    return rests[which]


def _gaps(times: Ints, starts: Ints, step: int, shift: int) -> tuple[tuple[Gap, ...], int]:
    """The first gaps, and how many there are: empty slots before the same row are one gap."""
    if len(starts) == 0:
        return (), 0
    rows = np.searchsorted(times, starts)
    edges = np.concatenate(([0], np.flatnonzero(np.diff(rows)) + 1, [len(starts)]))
    gaps = []
    for start, stop in itertools.pairwise(edges[: LISTED + 1]):
        row = int(rows[start])
        phase = (int(times[row]) + _SUNDAY) % _WEEK % step - shift
        gaps.append(Gap(row, int(stop - start), int(starts[start]) + phase, int(starts[stop - 1]) + phase))
    return tuple(gaps), len(edges) - 1


def _coverage(present: int, missing: int) -> float:
    return round(present / (present + missing), 6)


def _day_columns(per_week: int, step: int, day: int) -> np.ndarray:
    return np.flatnonzero(np.arange(per_week) * step // _DAY == day)


def _words(present: np.ndarray, step: int, closed: bool) -> str:
    days = "Mon-Fri" if closed else "every day"
    if step >= _DAY:
        return days
    slots = np.arange(present.shape[1])
    of_day = slots * step % _DAY // step
    weekday = (slots * step // _DAY >= 1) & (slots * step // _DAY <= 5)
    use = present[:, weekday].sum(axis=0)
    by_slot = np.bincount(of_day[weekday], weights=use)
    usual = np.flatnonzero(by_slot * 2 > by_slot.max())
    first, last = int(usual[0]) * step, int(usual[-1]) * step + step
    if first == 0 and last >= _DAY:
        return f"{days}, 24 h"
    return f"{days}, {_clock(first)}-{_clock(last)} UTC"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"
