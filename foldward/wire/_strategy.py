"""The two spellings of a strategy: ours (kind, params, …) and the flat one that existing peers use.

Flat: indicator_type, sma_short, sma_long, band_mult, volume, atr_period, atr_barrier_sl, atr_barrier_tp and
filter_enabled, filter_tf, filter_period, filter_logic beside name, sl, tp and timeframe. Both are read into
`jobs.Strategy`; a flat field beside `params` is an echo for peers and must not contradict them.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from foldward.contracts.errors import suggestion
from foldward.contracts.jobs import Strategy
from foldward.wire._misfit import Misfit

OWN_FIELDS = tuple(field.name for field in msgspec.structs.fields(Strategy))
FILTER_FIELDS = ("filter_enabled", "filter_tf", "filter_period", "filter_logic")
FLAT_FIELDS = (
    "indicator_type",
    "sma_short",
    "sma_long",
    "band_mult",
    "volume",
    "atr_barrier_sl",
    "atr_barrier_tp",
    *FILTER_FIELDS,
)
_ECHOES = ("sma_short", "sma_long", "band_mult")
_BANDS = ("bb", "keltner")
_ATR = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)atr")
# kind → our parameters that the peer's sma_short and sma_long stand for, with a factor for the latter
_SHORT = {"macd": "fast"}
_LONG = {
    "macd": ("slow", 1),
    "volsma": ("factor", 100),
    "vpoc": ("bins", 1),
    "vwapvr": ("threshold", 1),
    "donchian": ("exit_period", 1),
}


def read_strategy(plain: Any, path: str = "strategy") -> dict[str, Any]:
    """Plain data with our spelling only. Unknown numbers of a flat strategy are parameters of its kind."""
    if not isinstance(plain, dict):
        raise Misfit(path, "is not an object")
    own = {key: value for key, value in plain.items() if key in OWN_FIELDS}
    flat = {key: value for key, value in plain.items() if key in FLAT_FIELDS and value is not None}
    if "kind" not in own and "indicator_type" in flat:
        own["kind"] = flat["indicator_type"]
    for field in ("name", "kind"):
        if own.get(field) is None:
            raise Misfit(f"{path}.{field}", "is missing", "wire.missing_field")
        if not isinstance(own[field], str):
            raise Misfit(f"{path}.{field}", f"is {own[field]!r}, not a string")
    if not own["name"].strip():
        raise Misfit(f"{path}.name", "is empty")
    others = {k: v for k, v in plain.items() if k not in OWN_FIELDS and k not in FLAT_FIELDS}
    if own.get("params") is None:
        own["params"] = _flat_params(own, flat, others, path)
    else:
        if others:
            raise _unknown(next(iter(others)), path)
        if not isinstance(own["params"], dict):
            raise Misfit(f"{path}.params", "is not an object")
    for name, value in own["params"].items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Misfit(f"{path}.params.{name}", f"is {value!r}, not a number")
    _volume(own, flat, path)
    _barriers(own, flat, path)
    _filter(own, flat, path)
    return own


def write_strategy(plain: dict[str, Any]) -> dict[str, Any]:
    """Our plain data in the spelling for peers: flat fields, and `params` so that nothing is lost."""
    out = dict(plain)
    out["indicator_type"] = out.pop("kind")
    out.update(_echo(plain["kind"], plain["params"]))
    out["volume"] = out.pop("units")
    sl, tp = _atr_multiple(plain["sl"]), _atr_multiple(plain["tp"])
    if sl and tp:
        out.update(sl=0.0, tp=0.0, atr_barrier_sl=sl, atr_barrier_tp=tp)
    rule = out.pop("filter")
    out["filter_enabled"] = rule is not None
    if rule is not None:
        out.update(filter_tf=rule["timeframe"], filter_period=rule["period"], filter_logic=rule["logic"])
    return out


def _flat_params(
    own: dict[str, Any], flat: dict[str, Any], others: dict[str, Any], path: str
) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, value in others.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _unknown(name, path)
        params[name] = value
    kind = own["kind"]
    for name in _ECHOES:
        if name in flat and (name != "band_mult" or kind in _BANDS):
            params[name] = flat[name]
    if kind == "keltner" and own.get("atr_period") is not None:
        params["atr_period"] = own["atr_period"]
    return params


def _echo(kind: str, params: dict[str, Any]) -> dict[str, Any]:
    short = params.get("sma_short", params.get(_SHORT.get(kind, "period")))
    name, factor = _LONG.get(kind, ("", 1))
    long = params.get("sma_long")
    if long is None and name in params:
        long = params[name] * factor
    echo = {"sma_short": short, "sma_long": long, "band_mult": params.get("band_mult")}
    return {key: value for key, value in echo.items() if value is not None}


def _volume(own: dict[str, Any], flat: dict[str, Any], path: str) -> None:
    if "volume" not in flat:
        return
    if own.get("units") is None:
        own["units"] = flat["volume"]
    elif own["units"] != flat["volume"]:
        raise Misfit(f"{path}.volume", f"{flat['volume']!r} contradicts units {own['units']!r}")


def _barriers(own: dict[str, Any], flat: dict[str, Any], path: str) -> None:
    sl, tp = (_number(flat, key, path) for key in ("atr_barrier_sl", "atr_barrier_tp"))
    if sl > 0:
        own["sl"], own["tp"] = atr_text(sl), atr_text(tp)
    elif tp > 0:
        raise Misfit(f"{path}.atr_barrier_tp", f"is {tp!r} without atr_barrier_sl > 0")


def _filter(own: dict[str, Any], flat: dict[str, Any], path: str) -> None:
    enabled = flat.get("filter_enabled", False)
    if not isinstance(enabled, bool):
        raise Misfit(f"{path}.filter_enabled", f"is {enabled!r}, not a boolean")
    if not enabled:
        return
    if own.get("filter") is not None:
        raise Misfit(f"{path}.filter_enabled", "stands beside filter")
    for field in FILTER_FIELDS[1:]:
        if field not in flat:
            raise Misfit(f"{path}.{field}", "is missing", "wire.missing_field")
    own["filter"] = {
        "timeframe": flat["filter_tf"],
        "period": flat["filter_period"],
        "logic": flat["filter_logic"],
    }


def _number(flat: dict[str, Any], key: str, path: str) -> float:
    value = flat.get(key, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Misfit(f"{path}.{key}", f"is {value!r}, not a number")
    return float(value)


def atr_text(multiple: float) -> str:
    """A level in multiples of the ATR: 2.0 → `2atr`."""
    return f"{int(multiple) if multiple.is_integer() else multiple!r}atr"


def _atr_multiple(level: Any) -> float | None:
    match = _ATR.fullmatch(level) if isinstance(level, str) else None
    if match is None:
        return None
    multiple = float(match[1])
    return multiple if multiple > 0 and atr_text(multiple) == level else None


def _unknown(name: str, path: str) -> Misfit:
    return Misfit(
        f"{path}.{name}", f"is not known; {suggestion(name, OWN_FIELDS + FLAT_FIELDS)}", "wire.unknown_field"
    )
