"""The daily report as one self-contained page: `reports/daily-DAY.html` beside its JSON and Markdown."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from actors.daily import kpi_rows, time_rows
from foldward.app import _plots
from foldward.contracts.durations import age
from foldward.files import atomic_write

_NO_EVENTS: dict[str, Any] = {"complete": True, "moves": [], "restarts": [], "refused": [], "opened": []}
_VERDICTS = {"PASS": "ok", "FAIL": "bad", "INVALID": "odd", "BLOCKED": "wait", "none": "rest"}
_RANKS = {
    "legend": "ok",
    "S": "ok",
    "A": "main",
    "B": "main2",
    "incubator": "rest",
    "graveyard": "bad",
    "retired": "wait",
}


def write_page(report: Mapping[str, Any], path: Path) -> Path:
    """Write the page beside the report's JSON file `path`; the page's path."""
    page = path.with_suffix(".html")
    atomic_write(page, render(report))
    return page


@functools.cache
def _templates() -> Environment:
    """Compiled once a process."""
    jinja = Environment(
        loader=PackageLoader("foldward.app"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters["number"] = lambda value: "–" if value is None else f"{value:,}"
    jinja.filters["percent"] = lambda value: "–" if value is None else f"{value:.1%}"
    jinja.filters["seconds"] = _seconds
    jinja.filters["age"] = age
    return jinja


def render(report: Mapping[str, Any]) -> str:
    """The page as text. report: see `actors.daily.daily_report`."""
    kpis = report["kpis"]
    standing = {
        name: {
            key: report[name][key]
            for key in (*tones, *sorted({*report[name]} - {*tones}))
            if key in report[name]
        }
        for name, tones in (("ranks", _RANKS), ("verdicts", _VERDICTS))
    }
    trend = [*report["history"], {"day": report["day"], **kpis}]
    return (
        _templates()
        .get_template("daily.html.j2")
        .render(
            report=report,
            kpis=kpis,
            standing=standing,
            kpi_rows=kpi_rows(kpis),
            time_rows=time_rows(report),
            events=report["events"] or _NO_EVENTS,
            tones={"verdicts": _VERDICTS, "ranks": _RANKS},
            plots={
                "hours": _plots.hours_plot(report["hours"]),
                "latency": _plots.latency_plot(report["latency"]["latency"]),
                "causes": _plots.causes_plot(report["failures"]),
                "success": _plots.trend_plot(trend, "success", "results"),
                "p95": _plots.trend_plot(trend, "p95_s", "s"),
                "ranks": _plots.shares_plot(standing["ranks"], _RANKS),
                "verdicts": _plots.shares_plot(standing["verdicts"], _VERDICTS),
            },
        )
    )


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:,.3g} s" if value < 1000 else f"{value:,.0f} s"
