"""The values that fields of a spec can have, and the checks of them."""

from __future__ import annotations

import difflib
import enum
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from supervision.errors import SpecError


class Restart(enum.Enum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Strategy(enum.Enum):
    """Who is restarted with a child."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


class AutoShutdown(enum.Enum):
    """Whether a supervisor ends when its significant children have ended by themselves (OTP 24)."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class InboxPolicy(enum.Enum):
    """What becomes of the messages that wait when an incarnation ends."""

    DROP = "drop"  # the poison message and what waited go to the dead-letter sink
    KEEP = "keep"  # they go to the next incarnation, the poison message once, at the head


DROP = InboxPolicy.DROP
KEEP = InboxPolicy.KEEP
Shutdown = float | Literal["kill"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay before a restart attempt, in seconds: `first * factor**n`, at most `ceiling`, ± `jitter`.

    `n` counts the attempts since the last run that lasted `reset_after` seconds. `jitter` is a fraction of
    the delay (0.2: between 80 % and 120 %, still at most `ceiling`).
    """

    first: float = 0.1
    ceiling: float = 30.0
    factor: float = 2.0
    jitter: float = 0.2
    reset_after: float = 60.0

    def __post_init__(self) -> None:
        for name in ("first", "ceiling", "reset_after"):
            number(f"Backoff.{name}", getattr(self, name), low=0.0, finite=name != "reset_after")
        number("Backoff.factor", self.factor, low=1.0)
        number("Backoff.jitter", self.jitter, low=0.0)
        if self.jitter > 1.0:
            raise SpecError(f"Backoff.jitter must be at most 1, not {self.jitter!r}")

    def delay(self, n: int, rng: random.Random) -> float:
        """Seconds to wait before attempt `n` (0 is the first)."""
        try:
            plain = min(self.ceiling, self.first * self.factor**n)
        except OverflowError:
            plain = self.ceiling
        if not self.jitter:
            return plain
        return min(self.ceiling, plain * (1.0 + self.jitter * (2.0 * rng.random() - 1.0)))


FIELDS = (
    "restart",
    "shutdown",
    "significant",
    "start_timeout",
    "hang_after",
    "backoff",
    "inbox",
)


def number(
    what: str, value: object, *, low: float, finite: bool = True, strict: bool = False, also: str = ""
) -> None:
    """Raise SpecError unless it is a real number from `low` (strict: above it)."""
    ok = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if ok:
        assert isinstance(value, int | float)
        ok = (value > low if strict else value >= low) and (not finite or math.isfinite(value))
    if not ok:
        bound = f"above {low:g}" if strict else f"from {low:g}"
        raise SpecError(f"{what} must be a number {bound}{' or ' + also if also else ''}, not {value!r}")


def count(what: str, value: object) -> None:
    """Raise SpecError unless it is a whole number from 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SpecError(f"{what} must be a whole number from 0, not {value!r}")


def one_of(where: str, name: str, value: object, kind: type[enum.Enum]) -> None:
    """Raise SpecError unless it is a member of `kind`."""
    if not isinstance(value, kind):
        allowed = ", ".join(f"{kind.__name__}.{m.name}" for m in kind)
        raise SpecError(f"{where}: {name} must be one of {allowed}, not {value!r}")


def no_unknown(where: str, unknown: Mapping[str, Any]) -> None:
    """Raise SpecError for the first unknown field, with the nearest known one."""
    for name in unknown:
        near = difflib.get_close_matches(name, FIELDS, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise SpecError(f"{where}: no field {name!r}{hint}")
