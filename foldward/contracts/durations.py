"""How a person reads a span of time: one home for the command line and the pages."""

from __future__ import annotations

__all__ = ["age", "duration"]

_STEPS = ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600))


def age(seconds: float | None) -> str:
    """How long something is ago: `12 s`, `3 min`, `5 h`, `2 d`; `–` for what is not known."""
    if seconds is None:
        return "–"
    for limit, unit, size in _STEPS:
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def duration(seconds: float | None) -> str:
    """How long something takes: as `age`, and exact to the millisecond below ten seconds: `0.412 s`."""
    if seconds is not None and seconds < 10:
        return f"{seconds:.3f} s"
    return age(seconds)
