"""Virtual time: the product's one clock, moved by hand (the idea is trio's MockClock).

The two hands move apart: `sleep` moves both, `jump` only the wall clock, as an NTP step or a suspended
machine does.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from foldward.contracts import clock


class VirtualClock:
    """While entered, `clock.now()` and `clock.utc_us()` say what it says."""

    def __init__(self, utc_s: float = 1_767_225_600.0) -> None:
        self.now = 1000.0
        self.utc_us = round(utc_s * clock.US)
        self._real = (clock.now, clock.utc_us)

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.utc_us += round(seconds * clock.US)

    def jump(self, seconds: float) -> None:
        """The wall clock is set; no time passes."""
        self.utc_us += round(seconds * clock.US)

    def __enter__(self) -> Self:
        self._real = (clock.now, clock.utc_us)
        clock.now, clock.utc_us = lambda: self.now, lambda: self.utc_us
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        clock.now, clock.utc_us = self._real
