"""The run's report: one self-contained HTML page, no script, no outside file."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from foldward.files import atomic_write

WIDTH, HEIGHT, PAD = 420, 170, 26
Curve = Sequence[tuple[int, float]]


@functools.cache
def _templates() -> Environment:
    """Compiled once a process."""
    jinja = Environment(
        loader=PackageLoader("foldward.app"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
    )
    jinja.filters["number"] = lambda value: "–" if value is None else f"{value:.2f}"
    jinja.filters["percent"] = lambda value: "–" if value is None else f"{value:.1%}"
    return jinja


def render(page: Mapping[str, Any]) -> str:
    """The page as text; `page` holds run, verdicts, rows, requests, charts, refused, dead, provenance."""
    return _templates().get_template("report.html.j2").render(**page)


def write_report(file: Path, page: Mapping[str, Any]) -> Path:
    """Render and write it whole."""
    atomic_write(file, render(page))
    return file


def equity_chart(inside: Curve, outside: Curve) -> Markup:
    """An SVG of two curves on one time axis, the out-of-sample one chained to the in-sample end.

    inside, outside: [Unix seconds, equity]; each window starts flat at its own cash, so the second curve is
    scaled to begin where the first one ended.
    """
    first = [(moment, value) for moment, value in inside]
    second = [(moment, value) for moment, value in outside]
    if first and second and second[0][1]:
        factor = first[-1][1] / second[0][1]
        second = [(moment, value * factor) for moment, value in second]
    every = first + second
    if len(every) < 2:
        return Markup('<p class="soft">no equity curve</p>')
    left, right = every[0][0], every[-1][0]
    low, high = min(value for _, value in every), max(value for _, value in every)
    span, rise = (right - left) or 1, (high - low) or 1.0

    def place(moment: int, value: float) -> str:
        x = PAD + (moment - left) / span * (WIDTH - 2 * PAD)
        y = HEIGHT - PAD - (value - low) / rise * (HEIGHT - 2 * PAD)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="equity from {low:.0f} to {high:.0f}">',
        f'<line class="axis" x1="{PAD}" y1="{HEIGHT - PAD}" x2="{WIDTH - PAD}" y2="{HEIGHT - PAD}"/>',
        f'<text x="{PAD}" y="{PAD - 8}">{high:,.0f}</text>',
        f'<text x="{PAD}" y="{HEIGHT - 8}">{low:,.0f} · {_day(left)}</text>',
        f'<text x="{WIDTH - PAD}" y="{HEIGHT - 8}" text-anchor="end">{_day(right)}</text>',
    ]
    for name, curve in (("is", first), ("oos", second)):
        if len(curve) > 1:
            points = " ".join(place(*point) for point in curve)
            parts.append(f'<polyline class="{name}" fill="none" stroke-width="1.6" points="{points}"/>')
    if first and second:
        x = place(second[0][0], low).partition(",")[0]
        parts.append(f'<line class="border" x1="{x}" y1="{PAD - 4}" x2="{x}" y2="{HEIGHT - PAD}"/>')
    return Markup("".join(parts) + "</svg>")


def _day(moment: int) -> str:
    from foldward.contracts.clock import iso_s

    return iso_s(moment)[:10]
