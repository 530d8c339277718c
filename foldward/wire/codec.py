"""Bytes ↔ messages in both encodings. Whatever the bytes, only WireError escapes from reading."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, Literal, NoReturn

import msgspec

from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Backtest, Result
from foldward.wire._limits import MAX_FRAME, check_limits
from foldward.wire._messages import read_message
from foldward.wire._misfit import Misfit
from foldward.wire._results import Message, complete, read_result
from foldward.wire._sexp import read_sexp, write_sexp
from foldward.wire._strategy import write_strategy

Format = Literal["json", "sexp"]


class _ResultEnvelope(msgspec.Struct):
    type: Literal["BACKTEST_RESULT"]
    result: Result


_RESULT = msgspec.json.Decoder(_ResultEnvelope)
_PLAIN = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode
# Twenty digits in a row may be an integer that 64 bits do not hold; seeds have twenty, so they are looked at.
# A pattern that finds them takes longer than decoding.
_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG = b"0" * 20
_RESULT_HEAD = b'{"type":"BACKTEST_RESULT",'


def loads(raw: bytes, *, max_frame: int = MAX_FRAME) -> Message:
    """The message in `raw`: jobs.Backtest, jobs.Result or jobs.Heartbeat.

    Raises WireError, which owns the bytes: wire.oversize, wire.too_deep, wire.unparseable (with position),
    wire.unknown_type, wire.missing_request_id, wire.missing_field, wire.unknown_field, wire.invalid_field
    (with the field's path in the message and in `context["field"]`).
    """
    check_limits(raw, max_frame=max_frame)
    if raw.startswith(_RESULT_HEAD) and not _beyond_64_bits(raw):
        try:
            result = _RESULT.decode(raw).result
            complete(result)
        except (ValueError, RecursionError, Misfit):
            pass  # the careful way below finds the field or the alias
        else:
            return result
    try:
        if raw[:1] == b"{":
            return read_message(_read_json(raw))
        if raw[:1] == b"(":
            plain = read_sexp(raw)
            if plain.get("type") == "BACKTEST_RESULT":
                return read_result(plain.get("result"), absent=True)
            return read_message(plain)
    except Misfit as fault:
        raise WireError(fault.code, raw, None, str(fault), field=fault.path) from None
    first = f"begins with byte 0x{raw[0]:02x}, not with {{ or (" if raw else "is empty"
    raise WireError("wire.unparseable", raw, 0, f"the message {first}")


def dumps(message: Message, format: Format = "json", *, peer: bool = False) -> bytes:
    """The bytes of a message. JSON with `peer=True` and S-expressions spell the strategy flat, for peers.

    Raises WireError `wire.not_finite` for NaN and infinities, wire.missing_field for a result in which a
    metric has neither value nor reason, wire.invalid_field for what the encoding cannot hold.
    """
    try:
        if isinstance(message, Result):
            complete(message)
        if not _sound(message):
            _finite(message, "result" if isinstance(message, Result) else "")
        if format == "json" and not (peer and isinstance(message, Backtest)):
            body = _encode(message)
            if isinstance(message, Result):
                return b'{"type":"BACKTEST_RESULT","result":' + body + b"}"
            head = b'{"action":"BACKTEST",' if isinstance(message, Backtest) else b'{"type":"HEARTBEAT",'
            return head + body[1:]
        plain = msgspec.to_builtins(message)
        if isinstance(message, Backtest):
            plain["strategy"] = write_strategy(plain["strategy"])
            plain = {"action": "BACKTEST", **plain}
        elif isinstance(message, Result):
            plain = {"type": "BACKTEST_RESULT", "result": plain}
        else:
            plain = {"type": "HEARTBEAT", **plain}
        return _encode(plain) if format == "json" else write_sexp(plain)
    except Misfit as fault:
        raise WireError(fault.code, b"", None, str(fault), field=fault.path) from None
    except (UnicodeError, TypeError, OverflowError, ValueError) as error:
        raise WireError("wire.invalid_field", b"", None, f"cannot be written: {error}") from error


def encoding_of(raw: bytes) -> Format:
    """Which encoding a message is in, by its first byte."""
    return "sexp" if raw[:1] == b"(" else "json"


def _beyond_64_bits(raw: bytes) -> bool:
    zeros = raw.translate(_ZEROS)
    at = zeros.find(_LONG)
    while at >= 0:
        end = at + len(_LONG)
        if zeros[end : end + 1] == b"0" or raw[at - 1 : at] == b"-" or int(raw[at:end]) >= 2**64:
            return True
        at = zeros.find(_LONG, end)
    return False


def _read_json(raw: bytes) -> Any:
    try:
        return _PLAIN.decode(raw)
    except UnicodeDecodeError as error:
        raise WireError("wire.not_utf8", raw, error.start, f"not UTF-8: {error.reason}") from None
    except (ValueError, RecursionError) as error:
        # Python peers print NaN and Infinity, and 1e999 is beyond a double: not JSON, but readable enough to
        # name the field.
        try:
            return json.loads(raw, parse_int=_integer)
        except json.JSONDecodeError as worse:
            place = len(worse.doc[: worse.pos].encode("utf-8", "surrogatepass"))
            raise WireError("wire.unparseable", raw, place, f"JSON, byte {place}: {worse.msg}") from None
        except (ValueError, RecursionError):
            _refuse(raw, error)


def _refuse(raw: bytes, error: BaseException) -> NoReturn:
    raise WireError("wire.unparseable", raw, None, f"JSON: {error}") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= 40 else float(digits)


def _sound(value: Any) -> bool:
    """Whether every number in a struct, dict or list is finite; `_finite` then says which one is not."""
    items: Any
    if isinstance(value, msgspec.Struct):
        items = msgspec.structs.astuple(value)
    elif type(value) is dict:
        items = value.values()
    elif isinstance(value, list | tuple):
        items = value
    else:
        return True
    for item in items:
        kind = type(item)
        if kind is float:
            if not isfinite(item):
                return False
        elif kind not in _SAFE and not _sound(item):
            return False
    return True


def _finite(value: Any, path: str) -> None:
    """Refuse NaN and infinities in a struct, dict or list: msgspec would write null, another statement."""
    if isinstance(value, msgspec.Struct):
        items: Any = [(name, getattr(value, name)) for name in value.__struct_fields__]
        join = f"{path}." if path else ""
    elif type(value) is dict:
        items = value.items()
        join = f"{path}."
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            kind = type(item)
            if kind is float:
                if not isfinite(item):
                    raise Misfit(f"{path}[{place}]", f"is {item}", "wire.not_finite")
            elif kind not in _SAFE:
                _finite(item, f"{path}[{place}]")
        return
    else:
        return
    for name, item in items:
        kind = type(item)
        if kind is float:
            if not isfinite(item):
                raise Misfit(f"{join}{name}", f"is {item}", "wire.not_finite")
        elif kind not in _SAFE:
            _finite(item, f"{join}{name}")


_SAFE = frozenset({str, int, bool, type(None)})
