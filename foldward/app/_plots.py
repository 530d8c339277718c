"""Plots of the daily report as SVG: no script, no outside file, colours from the page's style sheet.

Each function gives markup for a `<figure>`, or a sentence where there is too little to draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

WIDTH, HEIGHT = 460, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 16, 26


def hours_plot(hours: Sequence[Mapping[str, Any]]) -> Markup:
    """Results (up) and failed attempts (on top of them) for each hour."""
    if not any(hour["success"] or hour["failure"] for hour in hours):
        return _nothing("nothing was answered in this time")
    most = max(hour["success"] + hour["failure"] for hour in hours)
    top, step = _nice(most)
    wide = (WIDTH - LEFT - RIGHT) / len(hours)
    parts = [*_grid(top, step)]
    for number, hour in enumerate(hours):
        x = LEFT + number * wide
        label = f"{hour['hour'][11:16]}: {hour['success']:,} results, {hour['failure']:,} failed attempts"
        base = _y(0, top)
        for name, value in (("ok", hour["success"]), ("bad", hour["failure"])):
            tall = value / top * (HEIGHT - TOP - BOTTOM)
            if value:
                parts.append(
                    f'<rect class="{name}" x="{x + wide * 0.1:.1f}" y="{base - tall:.1f}"'
                    f' width="{max(1.0, min(wide * 0.8, 40)):.1f}" height="{max(tall, 0.6):.1f}">'
                    f"<title>{escape(label)}</title></rect>"
                )
            base -= tall
    parts += _hour_labels(hours, wide)
    return _svg(parts, f"results and failed attempts in each of {len(hours)} hours, at most {most:,}")


def _hour_labels(hours: Sequence[Mapping[str, Any]], wide: float) -> list[str]:
    every = max(1, -(-len(hours) // 6))
    return [
        f'<text x="{LEFT + number * wide:.1f}" y="{HEIGHT - 8}">{escape(hour["hour"][11:16])}</text>'
        for number, hour in enumerate(hours)
        if number % every == 0
    ]


def latency_plot(part: Mapping[str, Any]) -> Markup:
    """The histogram of a duration, with its percentiles marked. part: as `Reader.latency` gives it."""
    bars = list(part.get("histogram") or ())
    while bars and not bars[-1]["count"]:
        bars.pop()
    while bars and not bars[0]["count"]:
        bars.pop(0)
    if not bars:
        return _nothing("nothing was measured in this time")
    most = max(bar["count"] for bar in bars)
    top, step = _nice(most)
    wide = (WIDTH - LEFT - RIGHT) / len(bars)
    parts = [*_grid(top, step)]
    every = -(-len(bars) // 8)
    for number, bar in enumerate(bars):
        x, tall = LEFT + number * wide, bar["count"] / top * (HEIGHT - TOP - BOTTOM)
        middle = x + min(wide, 72) / 2
        edge = "more" if bar["le_s"] is None else f"≤ {_seconds(bar['le_s'])}"
        marks = [name for name in ("p50", "p95", "p99") if _holds(bars, number, part.get(f"{name}_s"))]
        parts.append(
            f'<rect class="main" x="{x + wide * 0.08:.1f}" y="{_y(bar["count"], top):.1f}"'
            f' width="{min(wide * 0.84, 60):.1f}" height="{max(tall, 0.6 if bar["count"] else 0):.1f}">'
            f"<title>{escape(edge)}: {bar['count']:,}</title></rect>"
        )
        if number % every == 0:
            below = escape(edge.removeprefix("≤ "))
            parts.append(f'<text class="mid" x="{middle:.1f}" y="{HEIGHT - 8}">{below}</text>')
        if marks:
            y = max(TOP - 4, _y(bar["count"], top) - 4)
            parts.append(
                f'<text class="mid mark" x="{x + min(wide, 72) / 2:.1f}" y="{y:.1f}">{" ".join(marks)}</text>'
            )
    return _svg(parts, f"histogram of {part['count']:,} durations")


def _holds(bars: Sequence[Mapping[str, Any]], number: int, value: float | None) -> bool:
    if value is None:
        return False
    low = bars[number - 1]["le_s"] if number else 0.0
    high = bars[number]["le_s"]
    return (number == 0 or value > low) and (high is None or value <= high or number == len(bars) - 1)


def causes_plot(failures: Sequence[Mapping[str, Any]], by: str = "reason", shown: int = 8) -> Markup:
    """One bar a cause, the most frequent first."""
    rows = [(str(item.get(by)), item["count"]) for item in failures[:shown]]
    if not rows:
        return _nothing("nothing failed in this time")
    if len(failures) > shown:
        rows.append((f"{len(failures) - shown} more", sum(item["count"] for item in failures[shown:])))
    most = max(count for _, count in rows)
    tall, name_wide = 24, 170
    parts = []
    for number, (name, count) in enumerate(rows):
        y = 6 + number * tall
        wide = count / most * (WIDTH - name_wide - 62)
        parts.append(
            f'<text class="ink" x="0" y="{y + 14}">{escape(_cut(name))}</text>'
            f'<rect class="bad" x="{name_wide}" y="{y + 2}" width="{max(1.5, wide):.1f}" height="16">'
            f"<title>{escape(name)}: {count:,}</title></rect>"
            f'<text class="ink" x="{name_wide + wide + 6:.1f}" y="{y + 14}">{count:,}</text>'
        )
    return _svg(parts, "failed attempts by cause", height=12 + tall * len(rows))


def trend_plot(days: Sequence[Mapping[str, Any]], name: str, unit: str) -> Markup:
    """One figure over the reports, oldest first; a report without a value leaves a gap."""
    points = [(number, day[name]) for number, day in enumerate(days) if day.get(name) is not None]
    if len(points) < 2:
        return _nothing("there are too few reports for a trend")
    most = max(value for _, value in points)
    top, step = _nice(most)
    wide = (WIDTH - LEFT - RIGHT) / max(1, len(days) - 1)
    places = {number: (LEFT + number * wide, _y(value, top)) for number, value in points}
    parts = [*_grid(top, step)]
    run: list[tuple[float, float]] = []
    for number in range(len(days) + 1):
        if number in places:
            run.append(places[number])
            continue
        if len(run) > 1:
            parts.append(f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in run)}"/>')
        run = []
    for number, value in points:
        x, y = places[number]
        parts.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.2">'
            f"<title>{escape(days[number]['day'])}: {_short(value)} {escape(unit)}</title></circle>"
        )
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">{escape(days[0]["day"][5:])}</text>')
    parts.append(
        f'<text class="end" x="{WIDTH - RIGHT}" y="{HEIGHT - 8}">{escape(days[-1]["day"][5:])}</text>'
    )
    return _svg(parts, f"{name} of the last {len(days)} reports")


def shares_plot(counts: Mapping[str, int], classes: Mapping[str, str]) -> Markup:
    """One bar split by share. classes: which colour each name has."""
    total = sum(counts.values())
    if not total:
        return _nothing("there are no strategies")
    parts, x = [], 0.0
    for name, count in counts.items():
        wide = count / total * WIDTH
        if count:
            parts.append(
                f'<rect class="{escape(classes.get(name, "main"))}" x="{x:.1f}" y="0"'
                f' width="{max(wide - 1, 0.8):.1f}" height="26">'
                f"<title>{escape(name)}: {count:,}</title></rect>"
            )
        x += wide
    return _svg(parts, "; ".join(f"{name} {count}" for name, count in counts.items()), height=26)


def _svg(parts: Sequence[str], label: str, height: int = HEIGHT) -> Markup:
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _nothing(text: str) -> Markup:
    return Markup('<p class="soft">{}</p>').format(text)


def _cut(text: str, most: int = 26) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)


def _grid(top: float, step: float) -> list[str]:
    lines, value = [], 0.0
    while value <= top * 1.0001:
        y = _y(value, top)
        lines.append(
            f'<line class="axis" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
            f'<text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{_short(value)}</text>'
        )
        value += step
    return lines


def _nice(most: float) -> tuple[float, float]:
    """(top of the axis, distance of its lines): 1, 2 or 5 times a power of ten, three or four lines."""
    if most <= 0:
        return 1.0, 1.0
    size = 1.0
    while size * 10 <= most:
        size *= 10
    while size > most:
        size /= 10
    step = next(size * factor for factor in (0.5, 1, 2, 5) if most / (size * factor) <= 4)
    count = -(-most // step)
    return step * count, step


def _short(value: float) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= limit:
            size = 1e3 if unit == "k" else limit
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _seconds(value: float) -> str:
    return f"{value * 1000:g} ms" if value < 1 else f"{value:g} s"
