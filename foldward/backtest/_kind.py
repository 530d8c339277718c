"""What a kind of strategy says of itself: its parameters with their limits, and its warm-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MAX_PERIOD = 100_000
Params = Mapping[str, float]


@dataclass(frozen=True)
class Param:
    """One parameter: its default and the closed interval it must lie in; `integer` refuses fractions."""

    default: float
    low: float
    high: float
    integer: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of strategy.

    params: name → Param, in the order of the documentation. warmup(params) → number of bars that must
    precede the first bar on which a signal can appear. order: pairs of parameters of which the first must be
    smaller. aliases: other accepted names → parameter, or None for a name that is accepted and has no effect.
    """

    name: str
    params: Mapping[str, Param]
    doc: str
    warmup: Callable[[Params], int]
    order: tuple[tuple[str, str], ...] = ()
    aliases: Mapping[str, str | None] = field(default_factory=dict)
    builtin: bool = True
