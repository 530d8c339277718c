"""The kinds that this process knows, built in and the user's own, and parameters held to their limits.

Pure Python on purpose: whoever only checks a definition pays for no compiler.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from foldward.backtest._builtin_kinds import builtin
from foldward.backtest._kind import MAX_PERIOD, Kind, Param
from foldward.contracts.errors import RequestError, suggestion

_registry: dict[str, Kind] = {kind.name: kind for kind in builtin()}
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
