"""Kinds of the user's own, in Python: how they are found and registered.

A plugin is a function `signals(bars, params)` or a class with such a method. It is found through the entry
point group `foldward.strategies` or in a module that the settings name, never through anything on the wire.
It returns either a target position per bar (numbers −1, 0, 1: wanted after that bar's close) or a mapping
with any of the boolean columns long_entry, long_exit, short_entry, short_exit.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import inspect
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foldward.backtest._kind import Kind, Param
from foldward.backtest._plugin_call import Plugin, checked_signals
from foldward.backtest.kinds import KINDS, add_kind
from foldward.backtest.version import ENGINE_VERSION
from foldward.contracts.errors import RequestError
from foldward.contracts.jobs import Fault
from foldward.data.bars import Bars

GROUP = "foldward.strategies"
_ANY = Param(0.0, -1e12, 1e12)
_plugins: dict[str, Plugin] = {}


def register(module_names: Iterable[str] = (), *, entry_points: bool = True) -> tuple[str, ...]:
    """Find the plugins of the named modules and of the installed entry points; returns the kinds' names.

    A module offers what its `STRATEGIES` lists, or else its function or class `signals`, or every class
    with a `signals` method. Registering again is harmless. Raises RequestError `request.bad_strategy` when a
    module cannot be imported or offers nothing usable, with the reason.
    """
    names: list[str] = []
    for module_name in module_names:
        try:
            module = importlib.import_module(module_name)
        except Exception as error:  # the user's module may fail in any way; the setting is what is wrong
            raise _bad(module_name, f"cannot be imported: {type(error).__name__}: {error}") from error
        offered = _offered(module)
        if not offered:
            raise _bad(
                module_name,
                "offers no strategy: call the function signals(bars, params), or list it in STRATEGIES",
            )
        names += [register_plugin(item, origin=module_name) for item in offered]
    if entry_points:
        for point in importlib.metadata.entry_points(group=GROUP):
            try:
                item = point.load()
            except Exception as error:  # as above: a foreign distribution
                raise _bad(point.value, f"cannot be loaded: {type(error).__name__}: {error}") from error
            made = register_plugin(item, name=point.name, origin=point.value)
            if point.dist is not None:
                from_dist = f"{point.value} of {point.dist.name} {point.dist.version}"
                _plugins[made] = replace(_plugins[made], origin=from_dist)
            names.append(made)
    return tuple(dict.fromkeys(names))


def register_plugin(item: Any, *, name: str | None = None, origin: str = "") -> str:
    """Register one function, class or object with `signals(bars, params)`; returns the kind's name.

    Attributes read from it: `name` (else the function's or the entry point's name), `params` (name → default
    or Param), `warmup` (bars, or a function of the parameters; default 1), its docstring.
    """
    target = item() if inspect.isclass(item) else item
    call = target if inspect.isfunction(target) else getattr(target, "signals", None)
    if not callable(call):
        raise _bad(origin or repr(item), "is neither a function nor has a method signals(bars, params)")
    chosen = name or getattr(target, "name", None) or getattr(item, "__name__", "")
    if chosen == "signals" and origin:
        chosen = origin.rpartition(".")[2]
    if not isinstance(chosen, str) or not chosen.isidentifier():
        raise _bad(origin or repr(item), f"has no usable name: {chosen!r}")
    params = {
        key: value if isinstance(value, Param) else replace(_ANY, default=_default(chosen, key, value))
        for key, value in dict(getattr(target, "params", {})).items()
    }
    warmup = getattr(target, "warmup", 1)
    bars_needed = warmup if callable(warmup) else lambda _params: int(warmup)
    doc = inspect.getdoc(item) or ""
    kind = Kind(chosen, params, doc, bars_needed, builtin=False)
    add_kind(kind)
    wants_seed = "seed" in inspect.signature(call).parameters
    _plugins[chosen] = Plugin(kind, call, wants_seed, _source_digest(item), origin)
    return chosen


def plugin_source(kind: str) -> str | None:
    """Digest of a plugin's source, None for a built-in kind: a changed plugin is a changed strategy."""
    found = _plugins.get(kind)
    return None if found is None else found.source


def plugin_record(kind: str) -> dict[str, str] | None:
    """What a run remembers of a plugin: {source, origin, engine}; None for a built-in kind."""
    found = _plugins.get(kind)
    if found is None:
        return None
    return {"source": found.source, "origin": found.origin, "engine": engine_of(kind)}


def engine_of(kind: str) -> str:
    """Which engine makes the numbers of a kind: ENGINE_VERSION, and for a plugin also its source.

    Part of every request's identity: without the source an edited plugin would be answered with the results
    of its former self. It covers the plugin's own module, not what that imports.
    """
    source = plugin_source(kind)
    return ENGINE_VERSION if source is None else f"{ENGINE_VERSION}+{source.removeprefix('sha256:')[:16]}"


def plugin_signals(
    kind: str, bars: Bars, params: Mapping[str, float], seed: int
) -> tuple[NDArray[np.uint8], tuple[Fault, ...]]:
    """The signal bits of a registered plugin and what is wrong with them (`checked_signals`)."""
    return checked_signals(_plugins[kind], bars, params, seed)


def _offered(module: ModuleType) -> list[Any]:
    listed = getattr(module, "STRATEGIES", None)
    if listed is not None:
        return list(listed)
    function = getattr(module, "signals", None)
    if callable(function):
        return [function]
    return [
        item
        for item in vars(module).values()
        if inspect.isclass(item) and item.__module__ == module.__name__ and hasattr(item, "signals")
    ]


def _default(kind: str, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _bad(kind, f"the default of parameter {name!r} is not a finite number: {value!r}")
    return float(value)


def _source_digest(item: Any) -> str:
    try:
        text = inspect.getsource(inspect.getmodule(item) or item)
    except (OSError, TypeError):
        text = repr(item)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _bad(origin: str, message: str) -> RequestError:
    return RequestError(
        "request.bad_strategy", f"strategy module {origin!r} {message}", field="kind", known=sorted(KINDS)
    )
