"""Strategy sets from files: TOML, JSON or CSV, checked one by one (spec A, 8.1).

A file that cannot be read is refused whole; a strategy that is wrong is refused by name with its reason, and
its neighbours are taken.
"""

from __future__ import annotations

import csv
import itertools
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from foldward.backtest import validate_strategy
from foldward.contracts.errors import FoldwardError, RequestError, did_you_mean, suggestion
from foldward.contracts.jobs import Strategy
from foldward.contracts.timeframe import parse_timeframe

FIELDS = {*Strategy.__struct_fields__, "grid"}
WORDS = {
    "direction": ("long", "short", "both"),
    "profile": ("next_open", "peer"),
    "stop_anchor": ("fill", "signal"),
}
GRID_LIMIT = 100_000


@dataclass
class StrategySet:
    """What a file gave: valid strategies in file order, and what was refused."""

    accepted: list[Strategy] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)


def read_strategies(file: Path) -> StrategySet:
    """Read, expand grids and check. Raises request.bad_strategy when the file itself is unreadable."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(
            "request.bad_strategy",
            f"{file} cannot be read: {_reason(error)}",
            hint="name a TOML, JSON or CSV file in UTF-8",
        ) from error
    return parse_strategies(text, file.suffix.lower(), str(file))


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else f"it is not UTF-8 ({error.reason})"


def parse_strategies(text: str, suffix: str, where: str = "the file") -> StrategySet:
    """As `read_strategies`, from text; the suffix (.toml, .json, .csv) says the format."""
    try:
        rows = _rows(text, suffix)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise RequestError("request.bad_strategy", f"{where} is not readable as {suffix}: {error}") from error
    if not rows:
        raise RequestError(
            "request.bad_strategy", f"{where} holds no strategy", hint="write [[strategy]] tables"
        )
    result = StrategySet()
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        try:
            for plain in _expand(row):
                strategy = strategy_from(plain)
                if strategy.name in seen:
                    raise RequestError("request.duplicate_name", f"{strategy.name!r} stands twice in {where}")
                seen.add(strategy.name)
                result.accepted.append(strategy)
        except FoldwardError as error:
            name = (
                str(row.get("name") or f"strategy {number}")
                if isinstance(row, Mapping)
                else f"strategy {number}"
            )
            result.refused.append({"name": name, "code": error.code, "message": error.message})
    return result


def strategy_from(plain: Mapping[str, Any]) -> Strategy:
    """One checked strategy from plain data. Raises RequestError with the field named."""
    fields = dict(plain)
    for key in fields:
        if key not in FIELDS:
            near = did_you_mean(key, FIELDS)
            tail = f", did you mean '{near}'?" if near else ""
            raise RequestError("request.bad_strategy", f"unknown field {key!r}{tail}", field=key)
    for key in ("name", "kind"):
        if not isinstance(fields.get(key), str) or not fields[key].strip():
            raise RequestError("request.bad_strategy", f"{key} is missing or not text", field=key)
    for key, known in WORDS.items():
        if key in fields and fields[key] not in known:
            raise RequestError(
                "request.bad_strategy",
                f"{key} {fields[key]!r}: {suggestion(str(fields[key]), known)}",
                field=key,
            )
    if "timeframe" in fields:
        fields["timeframe"] = parse_timeframe(fields["timeframe"])
    if isinstance(inner := fields.get("filter"), Mapping) and "timeframe" in inner:
        fields["filter"] = {**inner, "timeframe": parse_timeframe(inner["timeframe"])}
    try:
        strategy = msgspec.convert(fields, Strategy)
    except msgspec.ValidationError as error:
        raise RequestError("request.bad_strategy", str(error)) from error
    return validate_strategy(strategy)


def grid(base: Mapping[str, Any], axes: Mapping[str, Iterable[float]]) -> Iterator[dict[str, Any]]:
    """One definition for each point of the grid, named `BASE-v1-v2…`; refuses more than 100,000 points."""
    names = list(axes)
    values = [list(axes[name]) for name in names]
    size = 1
    for axis in values:
        size *= len(axis)
    if size > GRID_LIMIT:
        raise RequestError(
            "request.bad_plan",
            f"the grid has {size} points, more than {GRID_LIMIT}",
            hint="take a coarser grid",
        )
    for point in itertools.product(*values):
        label = "-".join(f"{value:g}" for value in point)
        yield {
            **base,
            "name": f"{base['name']}-{label}",
            "params": {**base.get("params", {}), **dict(zip(names, point, strict=True))},
        }


def _expand(row: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(row, Mapping):
        raise RequestError("request.bad_strategy", f"a strategy is a table, not {type(row).__name__}")
    plain = dict(row)
    axes = plain.pop("grid", None)
    if axes is None:
        yield plain
        return
    if not isinstance(axes, Mapping) or not all(isinstance(axis, list) and axis for axis in axes.values()):
        raise RequestError("request.bad_strategy", "grid is a table of parameter = [values]", field="grid")
    if not isinstance(plain.get("name"), str):
        raise RequestError("request.bad_strategy", "name is missing or not text", field="name")
    yield from grid(plain, axes)


def _rows(text: str, suffix: str) -> list[Any]:
    if suffix == ".json":
        plain = json.loads(text)
        if isinstance(plain, dict):
            _known_tables(plain)
        rows = plain.get("strategy", []) if isinstance(plain, dict) else plain
    elif suffix == ".csv":
        rows = [_from_cells(row) for row in csv.DictReader(text.splitlines(), strict=True)]
    else:
        plain = tomllib.loads(text)
        _known_tables(plain)
        rows = plain.get("strategy", [])
    if not isinstance(rows, list):
        raise RequestError("request.bad_strategy", "expected a list of [[strategy]] tables")
    return rows


def _known_tables(plain: Mapping[str, Any]) -> None:
    for key in plain:
        if key != "strategy":
            near = did_you_mean(key, ("strategy",))
            tail = ": did you mean [[strategy]]?" if near else "; strategies are [[strategy]] tables"
            raise RequestError("request.bad_strategy", f"unknown key {key!r}{tail}", field=key)


def _from_cells(row: Mapping[str, str | None]) -> dict[str, Any]:
    # A CSV has one column a field; every other column is a parameter of the kind.
    plain: dict[str, Any] = {"params": {}}
    for key, cell in row.items():
        if cell is None or cell == "" or key is None:
            continue
        value: Any = cell
        if key not in (
            "name",
            "kind",
            "symbol",
            "timeframe",
            "direction",
            "parent",
            "stop_anchor",
            "profile",
        ):
            try:
                value = float(cell)
            except ValueError:
                value = cell
        if key == "generation" and isinstance(value, float) and value.is_integer():
            value = int(value)
        if key in FIELDS:
            plain[key] = value
        else:
            plain["params"][key] = value
    return plain
