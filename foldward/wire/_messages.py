"""Plain data → message: one validated schema for both encodings."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from foldward.contracts.errors import suggestion
from foldward.contracts.jobs import MAX_SEED, Backtest, Heartbeat
from foldward.wire._limits import LARGEST
from foldward.wire._misfit import Misfit
from foldward.wire._results import Message, read_result
from foldward.wire._strategy import read_strategy

REQUEST_FIELDS = tuple(field.name for field in msgspec.structs.fields(Backtest))
CANDLE_ALIASES = {"timestamp": "t", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
_CANDLE = frozenset(CANDLE_ALIASES.values())
_MISSING = re.compile(r"Object missing required field `([^`]*)`(?: - at `\$([^`]*)`)?")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`(?: - at `\$([^`]*)`)?")
_OTHER = re.compile(r"(.*?)(?: - at `\$([^`]*)`)?", re.DOTALL)
_EXPECTED = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")


def read_message(plain: Any) -> Message:
    """The message that the plain data is. Raises Misfit with the field's path."""
    if not isinstance(plain, dict):
        raise Misfit("", "a message is an object", "wire.unknown_type")
    if plain.get("action") is not None:
        if plain["action"] != "BACKTEST":
            raise Misfit("action", f"is {str(plain['action'])[:40]!r}, not 'BACKTEST'", "wire.unknown_type")
        return _request(plain)
    kind = plain.get("type")
    if kind == "BACKTEST_RESULT":
        return read_result(plain.get("result"))
    if kind == "HEARTBEAT":
        return _heartbeat(plain)
    if kind is None:
        raise Misfit("", "neither action nor type is given", "wire.unknown_type")
    raise Misfit(
        "type", f"is {str(kind)[:40]!r}; BACKTEST_RESULT and HEARTBEAT are known", "wire.unknown_type"
    )


def convert(plain: Any, kind: Any, path: str = "") -> Any:
    """msgspec's strict conversion with the field named in our words."""
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise _translate(str(error), path) from None
    except (OverflowError, RecursionError) as error:
        raise Misfit(path, f"is out of range ({error})") from None


def finite(value: Any, path: str) -> None:
    """Refuse NaN, infinities and integers beyond 64 bits anywhere in plain data."""
    kind = type(value)
    if kind is float:
        if not math.isfinite(value):
            raise Misfit(path, f"is not finite ({value})")
    elif kind is int:
        if not -LARGEST <= value <= LARGEST:
            raise Misfit(path, "has more than 64 bits")
    elif kind is dict:
        for key, item in value.items():
            finite(item, f"{path}.{key}" if path else str(key))
    elif kind is list:
        for place, item in enumerate(value):
            finite(item, f"{path}[{place}]")


def whole(plain: dict[str, Any], *names: str) -> None:
    """5.0 where an integer belongs is 5: some languages write every number with a point."""
    for name in names:
        value = plain.get(name)
        if type(value) is float and value.is_integer() and abs(value) < 2**53:
            plain[name] = int(value)


def _request(plain: dict[str, Any]) -> Backtest:
    _check_id(plain.get("request_id"))
    finite(plain, "")
    out = {key: value for key, value in plain.items() if key not in ("action", "costs") and value is not None}
    for key in out:
        if key not in REQUEST_FIELDS:
            raise Misfit(
                key, f"is not known; {suggestion(key, (*REQUEST_FIELDS, 'costs'))}", "wire.unknown_field"
            )
    if "strategy" not in out:
        raise Misfit("strategy", "is missing", "wire.missing_field")
    strategy = out["strategy"] = read_strategy(out["strategy"])
    if plain.get("costs") is not None:
        if strategy.get("costs") not in (None, plain["costs"]):
            raise Misfit("costs", "differ from strategy.costs")
        strategy["costs"] = plain["costs"]
    _shared(strategy, out, "timeframe")
    _shared(strategy, out, "symbol")
    whole(strategy, "timeframe", "atr_period", "generation")
    whole(out, "timeframe", "start_time", "end_time", "attempt", "seed")
    if isinstance(strategy.get("filter"), dict):
        whole(strategy["filter"], "timeframe", "period")
    for name in OPTIONAL_STRATEGY:
        if strategy.get(name, 0) is None:
            del strategy[name]
    if "candles" in out:
        out["candles"] = _candles(out["candles"], "candles")
    if isinstance(out.get("aux_candles"), dict):
        out["aux_candles"] = {
            key: _candles(rows, f"aux_candles.{key}") for key, rows in out["aux_candles"].items()
        }
    job: Backtest = convert(out, Backtest)
    check_request(job)
    return job


def _check_id(request_id: Any) -> None:
    if not isinstance(request_id, str) or not request_id.strip() or len(request_id) > 200:
        raise Misfit("request_id", "is missing or not a readable string", "wire.missing_request_id")


def check_request(job: Backtest) -> None:
    """Raise Misfit for what the types of a request cannot say."""
    _check_id(job.request_id)
    if not job.strategy.name.strip():
        raise Misfit("strategy.name", "is empty")
    for path, minutes in (("strategy.timeframe", job.strategy.timeframe), ("timeframe", job.timeframe)):
        if not 0 < minutes <= 10_000_000:
            raise Misfit(path, f"is {minutes}, not a number of minutes > 0")
    if job.attempt < 1:
        raise Misfit("attempt", f"is {job.attempt}, not ≥ 1")
    if not 0 <= job.seed <= MAX_SEED:
        raise Misfit("seed", f"is {job.seed}, not from 0 to 2^64-1")
    if job.deadline_s is not None and job.deadline_s <= 0:
        raise Misfit("deadline_s", f"is {job.deadline_s}, not > 0")
    _seconds(job)


# null in one of these means "not given"
OPTIONAL_STRATEGY = (
    "params", "symbol", "timeframe", "atr_period", "direction", "stop_anchor", "units", "cash", "profile",
    "costs", "generation",
)  # fmt: skip
_SECONDS = 253_402_300_800  # the year 10000


def _seconds(job: Backtest) -> None:
    for path, value in (("start_time", job.start_time), ("end_time", job.end_time)):
        if value is not None and not -_SECONDS < value < _SECONDS:
            raise Misfit(path, f"is {value}, not Unix seconds")
    for place, (start, end) in enumerate(job.windows or ()):
        if not -_SECONDS < start <= end < _SECONDS:
            raise Misfit(f"windows[{place}]", f"is {start} to {end}")


def _shared(strategy: dict[str, Any], request: dict[str, Any], name: str) -> None:
    """A field that stands in the request and in its strategy: one given serves for both."""
    if strategy.get(name) in (None, "") and request.get(name) is not None:
        strategy[name] = request[name]
    elif request.get(name) in (None, "") and strategy.get(name) is not None:
        request[name] = strategy[name]


def _candles(rows: Any, path: str) -> Any:
    if not isinstance(rows, list):
        raise Misfit(path, "is not a list")
    out = []
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise Misfit(f"{path}[{place}]", "is not an object")
        if type(row.get("t")) is not int or not row.keys() >= _CANDLE:
            row = {CANDLE_ALIASES.get(key, key): value for key, value in row.items()}
            whole(row, "t")
        out.append(row)
    return out


def _heartbeat(plain: dict[str, Any]) -> Heartbeat:
    finite(plain, "")
    known = {field.name for field in msgspec.structs.fields(Heartbeat)}
    out = {key: value for key, value in plain.items() if key in known and value is not None}
    beat: Heartbeat = convert(out, Heartbeat)
    return beat


def _translate(text: str, path: str) -> Misfit:
    match = _MISSING.fullmatch(text)
    if match:
        return Misfit(_join(path, match[2], match[1]), "is missing", "wire.missing_field")
    match = _UNKNOWN.fullmatch(text)
    if match:
        return Misfit(_join(path, match[2], match[1]), "is not known", "wire.unknown_field")
    match = _OTHER.fullmatch(text)
    what, where = (match[1], match[2]) if match else (text, "")
    expected = _EXPECTED.fullmatch(what)
    if expected:
        wanted = expected[1].replace(" | null", "")
        return Misfit(_join(path, where), f"is {expected[2]}, not {wanted}")
    return Misfit(_join(path, where), f": {what}")


def _join(*parts: str | None) -> str:
    return ".".join(part.strip(".") for part in parts if part and part.strip("."))
