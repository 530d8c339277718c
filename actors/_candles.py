"""The data gate as the queue sees it: are there candles for this strategy, and what exactly do they hold.

The app builds the real one from `foldward.data.cache`; tests build one from numbers. It is asked once an
admission, so an implementation remembers a checked file by its size and modification time.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from foldward.contracts.jobs import Strategy, Window


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate says.

    ok: the candles passed the data contract. fingerprint: of the canonical content. first, last: bar times
    in Unix seconds; rows: how many bars. min_bars: the fewest bars a window of this strategy needs. When not
    ok: a code of the catalogue, a message, and the findings of the report. aux: minutes → fingerprint of the
    filter's own candles, where there are any.
    """

    ok: bool
    fingerprint: str = ""
    path: str | None = None
    first: int = 0
    last: int = 0
    rows: int = 0
    min_bars: int = 2
    code: str = ""
    message: str = ""
    hint: str | None = None
    provenance: str = "real"
    warnings: tuple[str, ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    aux: dict[str, str] = {}


class CandlesGate(Protocol):
    """Spec 3.1 at the queue's door."""

    def gate(self, strategy: Strategy, /) -> GateResult:
        """Check the strategy's candles. Never raises for bad data: it says so."""
        ...

    def window(self, fingerprint: str, start: int | None, end: int | None, /) -> Window | None:
        """The bars with start ≤ time ≤ end (Unix seconds): first, last, count; None for no bars."""
        ...
