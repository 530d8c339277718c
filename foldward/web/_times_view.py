"""What the latency page and the daily report show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from foldward.settings import Home
from storage.reads.pages import PageReader

PARTS = (("latency", "request → result"), ("queue", "queue wait"), ("run", "run time"))
FIGURES = ("count", "min_s", "mean_s", "p50_s", "p95_s", "p99_s", "max_s")
DAYS = 60
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def latency(reader: PageReader, kind: str | None) -> list[dict[str, Any]]:
    """[{key, title, count, min_s … max_s, bars: [{label, count}]}], as `foldward latency` has them."""
    found = reader.latency(kind)
    return [
        {
            "key": key,
            "title": title,
            **{name: part.get(name) for name in FIGURES},
            "bars": bars(part.get("histogram") or []),
        }
        for key, title in PARTS
        for part in [found if key == "latency" else found.get(key) or {}]
    ]


def bars(histogram: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The bars that hold something and those between them; the label is the upper edge."""
    filled = [place for place, bar in enumerate(histogram) if bar["count"]]
    if not filled:
        return []
    return [
        {"label": _edge(bar["le_s"], histogram), "count": bar["count"]}
        for bar in histogram[filled[0] : filled[-1] + 1]
    ]


def _edge(edge: float | None, histogram: list[dict[str, Any]]) -> str:
    if edge is None:
        return f"> {_span(max(bar['le_s'] for bar in histogram if bar['le_s'] is not None))}"
    return f"≤ {_span(edge)}"


def _span(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    if seconds < 60:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"


def days(home: Home) -> list[str]:
    """The days that have a report, the newest first."""
    names = (file.stem.removeprefix("daily-") for file in home.reports.glob("daily-????-??-??.json"))
    return sorted((name for name in names if _DAY.fullmatch(name)), reverse=True)[:DAYS]


def daily_file(home: Home, day: str, suffix: str = ".json") -> Path | None:
    """The file of a day's report; None when there is none."""
    if not _DAY.fullmatch(day):
        return None
    file = home.reports / f"daily-{day}{suffix}"
    return file if file.is_file() else None


def daily(file: Path) -> dict[str, Any]:
    """A day's report as core wrote it. Raises OSError, msgspec.DecodeError."""
    return dict(msgspec.json.decode(file.read_bytes()))
