"""What a simulation answers: numbers or reasons, never both, and the digest that identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from foldward.backtest.blocks import no_blocks
from foldward.backtest.ledger import Trades, empty_ledger
from foldward.backtest.version import ENGINE_VERSION
from foldward.contracts.canonical import canonical_bytes
from foldward.contracts.jobs import Fault, Window
from foldward.data.bars import Floats, Ints


@dataclass(frozen=True, eq=False)
class Outcome:
    """One window of one strategy.

    metrics: name → number or None (METRICS; win_rate and max_drawdown are ratios); reasons says why for each
    None. trades: ledger rows (dtype TRADE), made when first asked for. day_times: Unix seconds of each
    trading day's last bar; day_equity: equity at its close. blocks: one row a day (dtype BLOCK), made when
    first asked for. verdict INVALID means that faults say which rule was broken and that no metric has a
    value. identity: the columns of the trades that the digest covers.
    """

    metrics: dict[str, float | None]
    reasons: dict[str, str]
    window: Window
    day_times: Ints
    day_equity: Floats
    calendar: int
    profile: str
    verdict: str = "OK"
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    engine: str = ENGINE_VERSION
    make_trades: Callable[[], Trades] = field(default=empty_ledger, repr=False)
    make_blocks: Callable[[], NDArray[np.void]] = field(default=no_blocks, repr=False)
    identity: tuple[NDArray[Any], ...] = field(default=(), repr=False)

    @cached_property
    def digest(self) -> str:
        """`sha256:…` over all of it, equal for equal results on every machine; made when first asked for."""
        return _digest(self)

    @cached_property
    def trades(self) -> Trades:
        """The ledger, dtype TRADE."""
        return self.make_trades()

    @cached_property
    def blocks(self) -> NDArray[np.void]:
        """One row a trading day, dtype BLOCK."""
        return self.make_blocks()


def _digest(outcome: Outcome) -> str:
    """SHA-256 over the canonical JSON of what is said and the little-endian bytes of what was traded."""
    head = canonical_bytes(
        {
            "metrics": outcome.metrics,
            "reasons": outcome.reasons,
            "window": msgspec.to_builtins(outcome.window),
            "calendar": outcome.calendar,
            "profile": outcome.profile,
            "verdict": outcome.verdict,
            "faults": [fault.code for fault in outcome.faults],
        }
    )
    whole = hashlib.sha256(head)
    for column in outcome.identity:
        whole.update(np.ascontiguousarray(column, dtype="<f8").data)
    whole.update(np.ascontiguousarray(outcome.day_times, dtype="<i8").data)
    # −0.0 + 0.0 is 0.0: one number, one identity.
    whole.update(np.ascontiguousarray(outcome.day_equity + 0.0, dtype="<f8").data)
    return "sha256:" + whole.hexdigest()
