"""Kinds of strategy of the user's own, known to this process as they are to the workers."""

from __future__ import annotations

import os
import sys

from foldward.backtest.plugins import register
from foldward.settings import Settings


def load_kinds(settings: Settings) -> tuple[str, ...]:
    """Register what `core.kinds` and installed entry points offer; the names.

    A module may lie in the working directory, where a worker looks for it too, after everything else. Raises
    request.bad_strategy when a module cannot be imported or offers nothing.
    """
    here = os.getcwd()
    if settings.core.kinds and here not in sys.path:
        sys.path.append(here)
    return register(settings.core.kinds)
