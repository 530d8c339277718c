"""The kinds of strategy: their parameters, limits and warm-up; what each one does is in its docstring.

Pure Python on purpose: whoever only checks a definition pays for no compiler. The kernels that compute a
built-in kind's signals are found by its name in `_signals`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from foldward.contracts.errors import RequestError, suggestion

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


def _period(default: int, low: int = 2) -> Param:
    return Param(default, low, MAX_PERIOD, integer=True)


def _builtin() -> list[Kind]:
    averages = {"sma_short": _period(5, 1), "sma_long": _period(20)}
    level = {"low": Param(30, 0, 100), "high": Param(70, 0, 100)}
    band = Param(2.0, 0.0, 100.0)

    def first(params: Params) -> int:
        return int(params["period"])

    def names(long_name: str | None = None, short_name: str = "period") -> dict[str, str | None]:
        return {"sma_short": short_name, "sma_long": long_name}

    return [
        Kind(
            "sma",
            averages,
            "Crossover of two simple moving averages of the close. Long when the short one crosses above the "
            "long one, out when it crosses below; shorts mirror. Murphy, Technical Analysis of the Financial "
            "Markets (1999), ch. 9.",
            lambda p: int(p["sma_long"]),
            order=(("sma_short", "sma_long"),),
        ),
        Kind(
            "ema",
            averages,
            "Crossover of two exponential moving averages (smoothing 2/(period+1), seeded with the simple "
            "mean of the first period values, as TA-Lib EMA). Rules as sma. Murphy (1999), ch. 9.",
            lambda p: int(p["sma_long"]),
            order=(("sma_short", "sma_long"),),
        ),
        Kind(
            "rsi",
            {"period": _period(14), **level},
            "Relative strength index with Wilder's smoothing (TA-Lib RSI). Long when it crosses above low, "
            "out when it crosses above high; short when it crosses below high, out when it crosses below "
            "low. Wilder, New Concepts in Technical Trading Systems (1978).",
            lambda p: first(p) + 1,
            order=(("low", "high"),),
            aliases=names(),
        ),
        Kind(
            "bb",
            {"period": _period(20), "band_mult": band},
            "Bollinger bands: simple mean ± band_mult population standard deviations (TA-Lib BBANDS). Long "
            "when the close crosses back above the lower band, out at close ≥ middle; shorts mirror at the "
            "upper band. Bollinger on Bollinger Bands (2001).",
            first,
            aliases=names(),
        ),
        Kind(
            "keltner",
            {"period": _period(20), "atr_period": _period(14, 1), "band_mult": band},
            "Keltner channel in Raschke's form: EMA of the close ± band_mult average true ranges (TA-Lib EMA "
            "and ATR). Rules as bb. Keltner, How to Make Money in Commodities (1960); Raschke and Connors, "
            "Street Smarts (1995).",
            lambda p: max(int(p["period"]), int(p["atr_period"]) + 1),
            aliases=names(),
        ),
        Kind(
            "macd",
            {"fast": _period(12), "slow": _period(26), "signal": _period(9, 1)},
            "Moving average convergence/divergence (TA-Lib MACD). Long when the line crosses above its "
            "signal line, out when it crosses below; shorts mirror. Appel, The Moving Average "
            "Convergence-Divergence Trading Method (1979).",
            lambda p: int(p["slow"]) + int(p["signal"]) - 1,
            order=(("fast", "slow"),),
            aliases=names("slow", "fast"),
        ),
        Kind(
            "stoch",
            {
                "period": _period(14),
                "smooth": _period(3, 1),
                "low": Param(20, 0, 100),
                "high": Param(80, 0, 100),
            },
            "Slow stochastic %K: the close's place in the range of the last period bars, averaged over "
            "smooth bars (TA-Lib STOCH, slowk). Long when %K crosses above low, out when it crosses above "
            "high; shorts mirror. Lane, Lane's Stochastics (Stocks & Commodities, 1984).",
            lambda p: first(p) + int(p["smooth"]) - 1,
            order=(("low", "high"),),
            aliases=names(),
        ),
        Kind(
            "vwap",
            {"period": _period(20)},
            "Rolling volume-weighted average of the typical price (high + low + close) / 3. Long when the "
            "close crosses above it, out when it crosses below; shorts mirror. A window without volume gives "
            "no signal. Berkowitz, Logue, Noser, Journal of Finance 43 (1988).",
            first,
            aliases=names(),
        ),
        Kind(
            "volsma",
            {"period": _period(20), "factor": Param(1.5, 0.01, 1000.0)},
            "Volume spike: the volume crosses above factor × its simple mean (this bar included) on an up "
            "bar (close above the previous close): long, out on the same on a down bar; shorts mirror. "
            "Murphy (1999), ch. 7.",
            first,
            aliases=names(),
        ),
        Kind(
            "vpoc",
            {"period": _period(30), "bins": Param(12, 2, 1000, integer=True)},
            "Volume point of control: the mid price of the fullest bin (the lowest of equals) of a volume "
            "profile of closes over period bars. Long when the close crosses above it, out when it crosses "
            "below; shorts mirror. Steidlmayer, Markets and Market Logic (1986).",
            first,
            aliases=names("bins"),
        ),
        Kind(
            "vwapvr",
            {"period": _period(20), "threshold": Param(125, 0.0, 1e6)},
            "Signed volume ratio: 100 × volume / its mean over period bars, positive when the close is at or "
            "above the rolling VWAP, else negative. Long when it crosses above threshold, out at ≤ 0; short "
            "when it crosses below −threshold, out at ≥ 0.",
            first,
            aliases=names("threshold"),
        ),
        Kind(
            "donchian",
            {"period": _period(20, 1), "exit_period": _period(10, 1)},
            "Channel breakout: long when the close is above the highest high of the previous period bars, "
            "out when it is below the lowest low of the previous exit_period bars; shorts mirror. Donchian's "
            "rule as in Faith, The Original Turtle Trading Rules (2003).",
            lambda p: max(first(p), int(p["exit_period"])),
            aliases=names("exit_period"),
        ),
    ]


_registry: dict[str, Kind] = {kind.name: kind for kind in _builtin()}
KINDS: Mapping[str, Kind] = MappingProxyType(_registry)

# What the peer profile knows: its own three names, whatever the kind (docs/explanation/simulation.md).
PEER_KINDS = frozenset(_registry) - {"donchian"}
_PEER_PARAMS = {
    "sma_short": Param(10, 0, MAX_PERIOD, integer=True),
    "sma_long": Param(30, 0, MAX_PERIOD, integer=True),
    "band_mult": Param(2.0, 0.0, 100.0),
}


def add_kind(kind: Kind) -> None:
    """Make a user's kind known. A second registration under a name replaces a user's kind, never a built-in.

    Raises RequestError `request.bad_strategy` for a built-in's name.
    """
    known = _registry.get(kind.name)
    if known is not None and known.builtin:
        raise RequestError(
            "request.bad_strategy", f"kind {kind.name!r} is built in and cannot be replaced", field="kind"
        )
    _registry[kind.name] = kind


def find_kind(kind: str) -> Kind:
    """The kind of that name. Raises RequestError `request.unknown_kind` with the nearest name."""
    found = _registry.get(kind) if isinstance(kind, str) else None
    if found is None:
        raise RequestError(
            "request.unknown_kind", f"unknown kind {kind!r}: {suggestion(str(kind), _registry)}", field="kind"
        )
    return found


def resolve_params(kind: str, params: Mapping[str, float], *, profile: str = "next_open") -> dict[str, float]:
    """All parameters of the kind: aliases translated, defaults filled in, limits checked.

    Raises RequestError `request.unknown_kind`, `request.unknown_param` or `request.bad_param`; each names the
    field and the nearest known name or the limits. Integers come back as whole floats' int form.
    """
    found = find_kind(kind)
    if profile == "peer":
        return _resolve_peer(found, params)
    given: dict[str, tuple[str, float]] = {}
    for name, value in params.items():
        target: str | None = name
        if name not in found.params:
            if name not in found.aliases:
                known = [*found.params, *found.aliases]
                raise RequestError(
                    "request.unknown_param",
                    f"kind {kind!r} has no parameter {name!r}: {suggestion(str(name), known)}",
                    field=f"params.{name}",
                )
            target = found.aliases[name]
        number = _number(name, value)
        if target is None:
            continue
        if target in given and given[target][1] != number:
            raise RequestError(
                "request.bad_param",
                f"{name!r} and {given[target][0]!r} set {target!r} of kind {kind!r} to different values",
                field=f"params.{name}",
            )
        given[target] = (name, number)
    resolved = {
        name: _within(kind, given[name][0], given[name][1], param)
        if name in given
        else _whole(param, param.default)
        for name, param in found.params.items()
    }
    for small, large in found.order:
        if not resolved[small] < resolved[large]:
            raise RequestError(
                "request.bad_param",
                f"{small} {resolved[small]:g} must be below {large} {resolved[large]:g} for kind {kind!r}",
                field=f"params.{small}",
            )
    return resolved


def _resolve_peer(kind: Kind, params: Mapping[str, float]) -> dict[str, float]:
    if kind.name not in PEER_KINDS:
        raise RequestError(
            "request.bad_strategy",
            f"profile 'peer' does not know kind {kind.name!r}; it knows {', '.join(sorted(PEER_KINDS))}",
            field="kind",
        )
    aliases = {target: name for name, target in kind.aliases.items() if target is not None}
    resolved = {name: _whole(param, param.default) for name, param in _PEER_PARAMS.items()}
    for name, value in params.items():
        target = name if name in _PEER_PARAMS else aliases.get(name)
        if target is None:
            raise RequestError(
                "request.unknown_param",
                f"profile 'peer' has no parameter {name!r}: {suggestion(str(name), _PEER_PARAMS)}",
                field=f"params.{name}",
            )
        resolved[target] = _within(kind.name, name, _number(name, value), _PEER_PARAMS[target])
    return resolved


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError(
            "request.bad_param", f"parameter {name!r} is not a number: {value!r}", field=f"params.{name}"
        )
    number = float(value)
    if not math.isfinite(number):
        raise RequestError(
            "request.bad_param", f"parameter {name!r} is not finite: {value!r}", field=f"params.{name}"
        )
    return number


def _within(kind: str, name: str, value: float, param: Param) -> float:
    if not param.low <= value <= param.high:
        raise RequestError(
            "request.bad_param",
            f"parameter {name!r} of kind {kind!r} is {value:g}; allowed are {param.low:g} to {param.high:g}",
            field=f"params.{name}",
            low=param.low,
            high=param.high,
        )
    if param.integer and not value.is_integer():
        raise RequestError(
            "request.bad_param",
            f"parameter {name!r} of kind {kind!r} is {value:g}; it must be a whole number",
            field=f"params.{name}",
        )
    return _whole(param, value)


def _whole(param: Param, value: float) -> float:
    return int(value) if param.integer else float(value)


def iter_kinds() -> Iterator[Kind]:
    """All kinds, built-in ones first, in the order of their registration."""
    yield from _registry.values()
