"""The nearest known name to a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(wrong: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The nearest known name, or None when nothing is near enough to be a typing slip.

    cutoff: how alike they must be, of 1; ids of one hour are alike by themselves and need more than names.
    """
    known = list(known)
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=cutoff)
    if near:
        return near[0]
    lowered = {name.lower(): name for name in known}
    near = difflib.get_close_matches(wrong.lower(), list(lowered), n=1, cutoff=cutoff)
    return lowered[near[0]] if near else None


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """`did you mean 'sma'?` or, when nothing is near, the list of what is known."""
    names = sorted(known)
    near = did_you_mean(wrong, names)
    return f"did you mean '{near}'?" if near else f"known: {', '.join(names) or 'none'}"
