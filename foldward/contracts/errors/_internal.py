"""Our fault: a bug."""

from __future__ import annotations

from foldward.contracts.errors._base import FoldwardError, declare


class InternalError(FoldwardError):
    """A bug of ours."""

    family = "internal"
    exit_code = 70


declare("internal.bug", "Something happened that must not.", "report it with the log", fault="us")
