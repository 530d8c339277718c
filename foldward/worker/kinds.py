"""The kinds of one's own, for core and for its workers alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def load(modules: Sequence[str]) -> tuple[str, ...]:
    """Register what these modules and installed entry points offer; the names.

    A module may lie in the working directory. It is looked into last: a signal.py there does not hide
    Python's own. Raises request.bad_strategy when a module cannot be imported or offers nothing.
    """
    from foldward.backtest import register

    here = os.getcwd()
    if modules and here not in sys.path:
        sys.path.append(here)
    return register(modules)
