"""Strategy names as peers on `pushpull` spell them: with a suffix that says what the run was for.

Routing never goes by suffix; it goes by request_id. These functions only translate names.
"""

from __future__ import annotations

SUFFIXES = ("-OOS", "_IS", "_OOS", "-RR", "-QUAL", "_P1")


def strip_suffix(name: str) -> str:
    """The name without its one terminal suffix; case-sensitive, never empty: `a-OOS` → `a`, `-OOS` stays."""
    for suffix in SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def with_suffix(name: str, phase: str, half: str | None = None) -> str:
    """The name as sent to a peer: `-OOS` for phase oos, `_IS` or `_OOS` for a half of a classic WFV."""
    if half is not None:
        if half not in ("IS", "OOS"):
            raise ValueError(f"half {half!r} is neither 'IS' nor 'OOS'")
        return f"{name}_{half}"
    return f"{name}-OOS" if phase == "oos" else name
