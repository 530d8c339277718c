"""How a person reads a value on a page. Numbers get their precision here, units stand in the headings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from foldward.contracts import clock
from foldward.contracts.durations import age, duration
from foldward.contracts.timeframe import timeframe_label


def number(value: float | None, digits: int = 2) -> str:
    """So many decimals and thousands apart, or a dash for what has no value."""
    return "–" if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def figure(value: Any) -> str:
    """A number of unknown size to four significant digits: 0.01523, 1.235, 159.8, 12,346; else as it is."""
    if value is not None and not isinstance(value, int | float):
        return str(value)
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0 or float(value).is_integer():
        return f"{value:,.0f}"
    size = math.floor(math.log10(abs(value)))
    if size < -4:
        return f"{value:.2e}"
    return f"{value:,.{max(0, 3 - size)}f}"


def limit(value: float | None) -> str:
    """A threshold as it was set: 0.45, 200."""
    return "–" if value is None else f"{value:g}"


def percent(value: float | None) -> str:
    """A ratio as a percentage."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.1%}"


def whole(value: int | None) -> str:
    """Thousands apart, or a dash."""
    return "–" if value is None else f"{value:,}"


def ago(at: float) -> str:
    """How long since Unix seconds `at`; in the future: how long until then."""
    passed = round(clock.utcnow().timestamp() - at)
    return f"in {age(-passed)}" if passed < 0 else f"{age(passed)} ago"


def ago_iso(at: str) -> str:
    """How long since an ISO time; what cannot be read stays as it is."""
    try:
        return ago(datetime.fromisoformat(at).timestamp())
    except ValueError:
        return at


def short_id(value: str) -> str:
    """The part of an id that a person tells apart: ids begin with their time, so the end differs."""
    return value if len(value) <= 14 else f"{value[:8]}…{value[-4:]}"


def params(values: Mapping[str, float]) -> str:
    """`sma_short 5, sma_long 100`."""
    return ", ".join(f"{key} {value:g}" for key, value in values.items()) or "no parameters"


def plain(value: Any) -> str:
    """A value of an event."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return figure(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(inner) for inner in value)
    return str(value)


def query(**values: Any) -> str:
    """`?a=1&b=2` of those that have a value."""
    given = {key: value for key, value in values.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""


FILTERS = {
    "ago": ago,
    "ago_iso": ago_iso,
    "age": age,
    "duration": duration,
    "figure": figure,
    "iso": clock.iso_s,
    "iso_us": clock.iso_ms,
    "limit": limit,
    "number": number,
    "params": params,
    "percent": percent,
    "plain": plain,
    "short_id": short_id,
    "timeframe": timeframe_label,
    "whole": whole,
}
