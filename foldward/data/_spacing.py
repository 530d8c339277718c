"""The grid of a series: which timeframe it has, and which bars stand off it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foldward.contracts.timeframe import MONTH, timeframe_label
from foldward.data._table import Findings, Table
from foldward.data.bars import Ints
from foldward.data.findings import Place

_DAY = 86_400
_WEEK = 7 * _DAY
_HOUR = 3600
# After a break this long a session may begin at another phase: daylight saving moves H4 bars by an hour.
_BREAK = 6 * _HOUR
_SAMPLE = 10_000


def infer_timeframe(steps: Ints) -> int | None:
    """Minutes of the most common step (seconds between bars), or None when it is no timeframe.

    The mode of an evenly spread sample: a sort of two million steps would cost more than all other rules.
    """
    if len(steps) == 0:
        return None
    common = common_step(steps)
    if 28 * _DAY <= common <= 31 * _DAY:
        return MONTH
    if abs(common - _DAY) <= _HOUR:
        return _DAY // 60
    return common // 60 if common % 60 == 0 and common > 0 else None


def common_step(steps: Ints) -> int:
    """The most common step in seconds; of equally common ones the smallest."""
    sample = steps[:: max(1, len(steps) // _SAMPLE)]
    values, counts = np.unique(sample, return_counts=True)
    return int(values[np.argmax(counts)])


def spacing(table: Table, rows: Ints, steps: Ints, timeframe: int | None, found: Findings) -> bool:
    """Report bars off the grid; True when gaps can be judged on it.

    rows: the table's rows in order of time, each time once; steps: seconds between them.
    """
    if len(steps) == 0:
        return timeframe is not None
    common = common_step(steps)
    if timeframe is None:
        detail = f"most bars are {_say(common)} apart: a timeframe is whole minutes; declare it"
        found.extend_places("data.spacing", [table.place(int(rows[1]), detail)], len(steps))
        return False
    if _longer(common, timeframe):
        wrong = np.flatnonzero(steps != timeframe * 60)
        say = f"most bars are {_say(common)} apart, not {timeframe_label(timeframe)}"
        found.extend_places("data.spacing", _places(table, rows, wrong, steps, say), len(wrong))
        return False
    wrong = np.flatnonzero(_off_grid(steps, timeframe))
    say = f"the timeframe is {timeframe_label(timeframe)}"
    found.extend_places("data.spacing", _places(table, rows, wrong, steps, say), len(wrong))
    return True


def _longer(common: int, timeframe: int) -> bool:
    if timeframe == MONTH:
        return common > 31 * _DAY
    if timeframe * 60 >= _WEEK:
        return common >= 2 * timeframe * 60
    slack = _HOUR if timeframe * 60 >= _DAY else 0
    return common > timeframe * 60 + slack


def _off_grid(steps: Ints, timeframe: int) -> NDArray[np.bool_]:
    step = timeframe * 60
    if timeframe == MONTH:
        return steps < 28 * _DAY
    if step >= _WEEK:  # some vendors stamp a week by its first trading day
        return steps < step - 4 * _DAY
    if step >= _DAY:  # a daily bar may move by an hour with daylight saving
        return np.asarray((steps < step - _HOUR) | ((steps + _HOUR) % _DAY > 2 * _HOUR))
    off: NDArray[np.bool_] = (steps < step) | ((steps % step != 0) & (steps < _BREAK))
    return off


def _places(table: Table, rows: Ints, wrong: Ints, steps: Ints, say: str) -> list[Place]:
    return [
        table.place(int(rows[at + 1]), f"{_say(int(steps[at]))} after the bar before; {say}")
        for at in wrong[:5]
    ]


def _say(seconds: int) -> str:
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
