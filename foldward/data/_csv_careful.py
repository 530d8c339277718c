"""CSV, the careful way: line by line, every bad cell named with its line; only for files with a fault."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from foldward.data._table import PRICES, Findings, Table, iso_ns
from foldward.data._times import When, is_compact_date, parse_time
from foldward.data.bars import NS
from foldward.data.findings import Place

if TYPE_CHECKING:
    from foldward.data._csv import Body

_NOT_FINITE = frozenset({"nan", "inf", "infinity", "1.#inf", "1.#qnan", "1.#ind"})


def read(body: Body, found: Findings) -> Table:
    """All rows that have a line: bad cells become NaN and are reported, with the line of each."""
    return _Reader(body, found).table()


def _cells(text: str, delimiter: str) -> list[str]:
    """The cells of one line; no quoted cell spans lines here, so a lone quote spoils its own line only."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:  # a carriage return inside the line, or a cell of more than 128 KiB
        return text.split(delimiter)


class _Reader:
    """One pass over the lines; the state is the columns being filled and the findings."""

    def __init__(self, body: Body, found: Findings) -> None:
        self.body = body
        self.found = found
        self.names = [name for name in (*PRICES, "volume") if name in body.layout.at]
        self.columns = {name: array("d") for name in (*PRICES, "volume")}
        self.time = array("q")
        self.timed = array("b")
        self.lines = array("q")
        self.ticks = array("d")
        self.told: str | None = None if body.unix is None else "unix" if body.unix else "iso"
        self.naive: list[Place] = []
        self.naive_count = 0

    def table(self) -> Table:
        for line, cells in self._rows():
            self._row(line, cells)
        if self.naive_count and not self.body.utc:
            self.found.extend_places("data.naive_time", self.naive, self.naive_count)
        self._compact()
        columns = {name: np.array(values) for name, values in self.columns.items()}
        if self.ticks and not columns["volume"].any():
            columns["volume"] = np.array(self.ticks)
        timed = np.array(self.timed, dtype=bool)
        bad = {"data.not_numeric", "data.not_finite", "data.missing_value", "data.cell_count"}
        return Table(
            time=np.array(self.time, dtype=np.int64),
            open=columns["open"],
            high=columns["high"],
            low=columns["low"],
            close=columns["close"],
            volume=columns["volume"],
            lines=np.array(self.lines, dtype=np.int64),
            timed=None if timed.all() else timed,
            whole=not bad & self.found.counts.keys(),
        )

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        line = self.body.first_line - 1
        delimiter = self.body.delimiter
        lines = self.body.data[self.body.offset :].split(b"\n")
        while lines and not lines[-1].strip():  # an empty end is not a row
            lines.pop()
            if not self.body.last:  # but between two blocks it is an empty line
                break
        for raw in lines:
            line += 1
            try:
                text = raw.decode()
            except UnicodeDecodeError as error:
                self.found.add(
                    "data.encoding", Place(line, None, f"byte 0x{raw[error.start]:02x} is not UTF-8")
                )
                text = raw.decode(errors="replace")
            text = text.rstrip("\r")
            yield line, _cells(text, delimiter)

    def _row(self, line: int, cells: list[str]) -> None:
        layout = self.body.layout
        if len(cells) == 1 and not cells[0].strip():
            self.found.add("data.cell_count", Place(line, None, "an empty line between rows"))
            return
        when = self._when(cells)
        ok = when.told != "" and (not when.code or self.body.convert)
        shown = iso_ns(when.ns) if ok else None
        if len(cells) != layout.width:
            detail = f"{len(cells)} cells, the header has {layout.width}"
            self.found.add("data.cell_count", Place(line, shown, detail))
            values = dict.fromkeys(self.names, math.nan)
        else:
            if when.code:
                self.found.add(when.code, Place(line, None, when.why))
            values = {name: self._number(cells[layout.at[name]], name, line, shown) for name in self.names}
            if layout.ticks is not None:
                self.ticks.append(self._number(cells[layout.ticks], "tick volume", line, shown))
        if layout.ticks is not None and len(self.ticks) < len(self.time) + 1:
            self.ticks.append(math.nan)
        if ok:
            self._same_telling(when, line, shown)
        self.time.append(when.ns)
        self.timed.append(ok)
        self.lines.append(line)
        for name, column in self.columns.items():
            column.append(values.get(name, 0.0))

    def _when(self, cells: list[str]) -> When:
        layout = self.body.layout
        needed = (layout.at["timestamp"], *(() if layout.clock is None else (layout.clock,)))
        if max(needed) >= len(cells):
            return When(0, "")
        parts = [cells[index].strip() for index in needed]
        if not parts[0]:
            return When(0, "", "data.missing_value", "the time is empty")
        return parse_time(" ".join(parts).strip())

    def _same_telling(self, when: When, line: int, shown: str | None) -> None:
        unix = when.told == "unix"
        if self.told is None:
            self.told = "unix" if unix else "iso"
        elif (self.told == "unix") != unix:
            detail = "Unix seconds among ISO-8601 times" if unix else "an ISO-8601 time among Unix seconds"
            self.found.add("data.ambiguous_time", Place(line, shown, detail))
        if when.told == "naive":
            self.naive_count += 1
            if len(self.naive) < 5:
                self.naive.append(Place(line, shown, "no zone; read as UTC here"))

    def _number(self, cell: str, name: str, line: int, shown: str | None) -> float:
        text = cell.strip()
        try:
            value = float(text)
        except ValueError:
            code = "data.missing_value" if not text else "data.not_numeric"
            if text.lower().lstrip("+-") in _NOT_FINITE:
                code = "data.not_finite"
            detail = f"{name} is empty" if not text else f"{name} is '{text[:40]}'"
            self.found.add(code, Place(line, shown, detail))
            return math.nan
        if not text.isascii() or "_" in text:  # float() reads 1_000 and digits of other scripts
            self.found.add("data.not_numeric", Place(line, shown, f"{name} is '{text[:40]}'"))
            return math.nan
        if not math.isfinite(value):
            self.found.add("data.not_finite", Place(line, shown, f"{name} is {text[:40]}"))
            return math.nan
        return value

    def _compact(self) -> None:
        """A whole column of numbers that read as dates too, such as 20240131."""
        good = [row for row, timed in enumerate(self.timed) if timed]
        if self.told == "unix" and good and all(is_compact_date(self.time[row] // NS) for row in good):
            places = [
                Place(self.lines[row], None, f"{self.time[row] // NS}: a date, or seconds after 1970?")
                for row in good[:5]
            ]
            self.found.extend_places("data.ambiguous_time", places, len(good))
            for row in good:
                self.timed[row] = 0
