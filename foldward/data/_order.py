"""Order of time: rows that go back, stand twice, or contradict each other."""

from __future__ import annotations

import numpy as np

from foldward.data._table import PRICES, Findings, Table
from foldward.data.bars import Ints


def ordered(table: Table, found: Findings) -> Ints | None:
    """Rows in increasing time, the first of each time; None when that is every row as it is."""
    if table.timed is None and bool((table.time[1:] > table.time[:-1]).all()):
        return None
    rows = np.arange(len(table)) if table.timed is None else np.flatnonzero(table.timed)
    if len(rows) < 2:
        return rows
    times = table.time[rows]
    back = np.flatnonzero(times[1:] < times[:-1]) + 1
    places = [
        table.place(int(rows[at]), f"earlier than the row before, {table.when(int(rows[at - 1]))}")
        for at in back[:5]
    ]
    found.extend_places("data.unsorted", places, len(back))
    rows = rows[np.argsort(times, kind="stable")]
    times = table.time[rows]
    again = np.concatenate(([False], times[1:] == times[:-1]))
    if again.any():
        _repeats(table, rows, again, found)
    return rows[~again]


def _repeats(table: Table, rows: Ints, again: np.ndarray, found: Findings) -> None:
    at = np.flatnonzero(again)
    same = np.ones(len(at), dtype=bool)
    first = np.maximum.accumulate(np.where(again, 0, np.arange(len(rows))))[at]
    for name in (*PRICES, "volume"):
        column = getattr(table, name)[rows]
        same &= (column[at] == column[first]) | (np.isnan(column[at]) & np.isnan(column[first]))
    for code, which in (("data.duplicate", same), ("data.conflict", ~same)):
        chosen = np.flatnonzero(which)
        chosen = chosen[np.argsort(rows[at[chosen]])]
        say = "the same row as" if code == "data.duplicate" else "another row for the time of"
        places = [
            table.place(int(rows[at[one]]), f"{say} line {table.line(int(rows[first[one]]))}")
            for one in chosen[:5]
        ]
        found.extend_places(code, places, len(chosen))
