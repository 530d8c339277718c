"""Bytes ↔ messages in both encodings. Whatever the bytes, only WireError escapes from reading."""

from __future__ import annotations

import json
import re
from typing import Any, Literal, NoReturn

import msgspec

from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Backtest, Heartbeat, Result
from foldward.wire._canonical import canonical
from foldward.wire._finite import require_sound, sound
from foldward.wire._limits import MAX_FRAME, check_limits
from foldward.wire._messages import read_message
from foldward.wire._misfit import Misfit
from foldward.wire._quick import REQUEST_HEAD, RESULT_HEAD, quick_request, quick_result
from foldward.wire._results import Message, complete, read_result
from foldward.wire._sexp import read_sexp, write_sexp
from foldward.wire._strategy import write_strategy

Format = Literal["json", "sexp"]


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_PLAIN = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


def loads(raw: bytes, *, max_frame: int = MAX_FRAME) -> Message:
    """The message in `raw`: jobs.Backtest, jobs.Result or jobs.Heartbeat.

    Raises WireError, which owns the bytes: wire.oversize, wire.too_deep, wire.unparseable (with position),
    wire.unknown_type, wire.missing_request_id, wire.missing_field, wire.unknown_field, wire.invalid_field
    (with the field's path in the message and in `context["field"]`).
    """
    check_limits(raw, max_frame=max_frame)
    message = _quickly(raw)
    return _carefully(raw) if message is None else message


def _quickly(raw: bytes) -> Message | None:
    """What our own writers write, and None for all else."""
    if raw.startswith(RESULT_HEAD):
        return quick_result(raw)
    if raw.startswith(REQUEST_HEAD):
        return quick_request(raw)
    line = canonical(raw) if raw.startswith(b"((") else None
    if line is None:
        return None
    return quick_result(line) if line.startswith(RESULT_HEAD) else quick_request(line, ours=True)


def _carefully(raw: bytes) -> Message:
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
    metric has neither value nor reason, wire.invalid_field for what the encoding cannot hold, for what is no
    message and for another format.
    """
    if format not in ("json", "sexp"):
        raise WireError("wire.invalid_field", b"", None, f"format is {format!r}; json and sexp are known")
    if not isinstance(message, Result | Backtest | Heartbeat):
        raise WireError("wire.invalid_field", b"", None, f"a {type(message).__name__} is no message")
    try:
        if isinstance(message, Result):
            complete(message)
        if format == "json" and not sound(message):
            require_sound(message, "result" if isinstance(message, Result) else "")
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


def _read_json(raw: bytes) -> Any:
    try:
        return _PLAIN.decode(raw)
    except UnicodeDecodeError as error:
        raise WireError("wire.not_utf8", raw, error.start, f"not UTF-8: {error.reason}") from None
    except (ValueError, RecursionError) as error:
        # Python peers print NaN and Infinity, and 1e999 is beyond a double: not JSON, but readable enough to
        # name the field.
        try:
            plain = json.loads(raw, parse_int=_integer)
            if _SURROGATE.search(raw):
                json.dumps(plain, ensure_ascii=False).encode()
            return plain
        except UnicodeEncodeError:
            # It could be neither stored nor sent on; a whole pair is one character.
            why = "a text holds half of a surrogate pair"
            raise WireError("wire.unparseable", raw, None, f"JSON: {why}") from None
        except json.JSONDecodeError as worse:
            place = len(worse.doc[: worse.pos].encode("utf-8", "surrogatepass"))
            raise WireError("wire.unparseable", raw, place, f"JSON, byte {place}: {worse.msg}") from None
        except (ValueError, RecursionError):
            _refuse(raw, error)


def _refuse(raw: bytes, error: BaseException) -> NoReturn:
    raise WireError("wire.unparseable", raw, None, f"JSON: {error}") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= 40 else float(digits)
