"""JSON candles as CSV, number by number as it was written: no float in between."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Literal

from foldward.data._columns import MEANINGS
from foldward.data.providers._errors import ProviderRefused, failed

TimeUnit = Literal["s", "ms", "us", "ns"]
COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def csv_of_json(
    body: bytes, path: str, columns: Sequence[str], time_unit: TimeUnit, where: str = "the answer"
) -> bytes:
    """CSV of `[[t, o, h, l, c, v], …]`, `[{"t": …, "o": …}, …]` or `{"t": […], "o": […]}` at a dotted path.

    Raises ProviderError `provider.failed` for broken JSON (a cut answer may be whole next time) and
    ProviderRefused for another shape.
    """
    try:
        said = json.loads(body, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise failed(f"{where}: not JSON: {str(error)[:120]}") from error
    for step in filter(None, path.split(".")):
        if isinstance(said, list) and step.isdigit() and int(step) < len(said):
            said = said[int(step)]
        elif isinstance(said, dict) and step in said:
            said = said[step]
        else:
            raise ProviderRefused(f"{where}: the answer has no {path}", hint="correct the path of the rows")
    names, rows = _table(said, columns, where)
    times = [index for index, name in enumerate(names) if name.lower() in MEANINGS["timestamp"]]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        cells = [_cell(value) for value in row]
        for index in times:
            if index < len(cells):
                cells[index] = seconds(cells[index], time_unit)
        writer.writerow(cells)
    return buffer.getvalue().encode()


def seconds(text: str, time_unit: TimeUnit) -> str:
    """A whole Unix time in a declared unit as seconds; anything else as it is, for the contract to judge."""
    digits = _DIGITS[time_unit]
    if digits == 0 or not text.lstrip("-").isdigit() or not text.endswith("0" * digits):
        return text
    return text[:-digits] if len(text) > digits else "0"


def _table(said: Any, columns: Sequence[str], where: str) -> tuple[list[str], list[list[Any]]]:
    if isinstance(said, dict) and said and all(isinstance(column, list) for column in said.values()):
        lengths = {len(column) for column in said.values()}
        if len(lengths) != 1:
            raise ProviderRefused(f"{where}: the columns have different lengths: {sorted(lengths)}")
        return list(said), [list(row) for row in zip(*said.values(), strict=True)]
    if isinstance(said, list) and all(isinstance(row, list) for row in said):
        return list(columns), said
    if isinstance(said, list) and all(isinstance(row, dict) for row in said):
        names = list(said[0])
        return names, [[row.get(name) for name in names] for row in said]
    raise ProviderRefused(
        f"{where}: rows are neither lists nor objects", hint="name the dotted path of the rows"
    )


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
