"""In-sample Sharpes, remembered for the mirror guard; the rows are what counts."""

from __future__ import annotations

from actors._records import window_of
from foldward.contracts.jobs import Window
from storage.reads import Reader

REMEMBERED = 20_000
Side = tuple[float | None, Window | None]


class Sides:
    """A strategy's in-sample Sharpe and its window, by name."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._sides: dict[str, Side] = {}

    def of(self, name: str, fresh: bool) -> Side:
        """From memory, or, when it must be exact and present, from the rows."""
        side = None if fresh else self._sides.get(name)
        if side is None:
            row = self._reader.latest(name, "backtest")
            if row is None:
                side = (None, None)
            else:
                side = (row.sharpe, window_of(row.window_start, row.window_end, row.window_bars))
            self.remember(name, *side)
        return side

    def remember(self, name: str, sharpe: float | None, window: Window | None) -> None:
        """Keep it; what was learnt longest ago makes room."""
        self._sides.pop(name, None)
        self._sides[name] = (sharpe, window)
        if len(self._sides) > REMEMBERED:
            del self._sides[next(iter(self._sides))]
