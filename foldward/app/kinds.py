"""Kinds of strategy of the user's own, known to this process as they are to the workers."""

from __future__ import annotations

from foldward.settings import Settings
from foldward.worker import kinds


def load_kinds(settings: Settings) -> tuple[str, ...]:
    """Register what `core.kinds` and installed entry points offer, as a worker does; the names.

    Raises request.bad_strategy when a module cannot be imported or offers nothing.
    """
    return kinds.load(settings.core.kinds)
