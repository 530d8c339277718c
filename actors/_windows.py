"""The bars of an in-sample and of an out-of-sample request, and whether a result was made on them.

Both follow from the candles and `queue.oos_window_days`. A result on other bars (the setting was another one,
an operator's edited request) is an answer to another question: in-sample bars of one setting may be the
out-of-sample bars of the next.
"""

from __future__ import annotations

from typing import Any

from actors._candles import CandlesGate
from foldward.contracts.errors import FoldwardError

DAY_S = 86_400
Span = tuple[int | None, int | None]


def span_of(kind: str, last: int, oos_days: int) -> Span:
    """(start, end) in Unix seconds, inclusive, on candles that end at `last`; None: their edge."""
    if kind == "oos":
        return last - oos_days * DAY_S, last
    if kind == "backtest":
        return None, last - oos_days * DAY_S - 1
    return None, None


class OwnWindows:
    """See the module. What candles hold is asked once: they are named by their content."""

    def __init__(self, candles: CandlesGate, oos_days: int) -> None:
        self._candles = candles
        self.oos_days = oos_days
        self._known: dict[tuple[str, str], Span | None] = {}

    def fits(self, result: Any) -> bool:
        """Whether a row of `results` has the window of a request made now; True where nobody knows."""
        if result.kind not in ("backtest", "oos") or result.window_start is None:
            return True
        own = self._own(result.fingerprint, result.kind)
        return own is None or own == (result.window_start, result.window_end)

    def _own(self, fingerprint: str, kind: str) -> Span | None:
        key = (fingerprint, kind)
        if key not in self._known:
            self._known[key] = self._find(fingerprint, kind)
        return self._known[key]

    def _find(self, fingerprint: str, kind: str) -> Span | None:
        try:
            whole = self._candles.window(fingerprint, None, None)
            if whole is None:
                return None
            window = self._candles.window(fingerprint, *span_of(kind, whole.end, self.oos_days))
        except (FoldwardError, OSError):
            return None  # the candles are gone from the cache: nothing speaks against their results
        return None if window is None else (window.start, window.end)
