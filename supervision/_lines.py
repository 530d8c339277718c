"""The inspection protocol: one JSON line asks, one JSON line answers (see `inspect`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pykka import ActorDeadError, Timeout

from supervision.errors import NotFound, SupervisorError

PROTOCOL = 1
MAX_LINE = 16 * 1024 * 1024  # bytes, either way


class InspectError(Exception):
    """The server refused: `code` is stable and dotted, `details` what else it said."""

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details or {})


def encode(value: Any) -> bytes:
    """One line."""
    return json.dumps(value, separators=(",", ":"), default=str).encode() + b"\n"


def request(line: bytes) -> tuple[str, dict[str, Any]]:
    """(verb, args) of a line. Raises InspectError `inspect.request` or `inspect.version`."""
    asked = _object(line)
    version, verb = asked.get("v", PROTOCOL), asked.get("verb", "")
    if version is True or version != PROTOCOL:
        raise InspectError("inspect.version", f"this server speaks version {PROTOCOL}")
    if not isinstance(verb, str):
        raise InspectError("inspect.request", "verb is a text")
    args = asked.get("args", {})
    if not isinstance(args, dict):
        raise InspectError("inspect.request", "args is a JSON object")
    return verb, args


def reply(result: Any) -> dict[str, Any]:
    """A verb has answered."""
    return {"v": PROTOCOL, "ok": True, "result": result}


def refusal(error: Mapping[str, Any]) -> dict[str, Any]:
    """There is no answer. error: {code, message, …}."""
    return {"v": PROTOCOL, "ok": False, "error": dict(error)}


def as_error(error: Exception) -> dict[str, Any]:
    """An exception as {code, message, …}: with its own code where it has one."""
    code = getattr(error, "code", None)
    if isinstance(error, InspectError):
        return {**error.details, "code": error.code, "message": error.message}
    if isinstance(code, str):
        details = error.as_dict() if hasattr(error, "as_dict") else {}
        return {**details, "code": code, "message": str(error)}
    if isinstance(error, NotFound):
        return {"code": "supervision.not_found", "message": str(error)}
    if isinstance(error, Timeout | TimeoutError):
        return {"code": "supervision.no_answer", "message": str(error)}
    if isinstance(error, ActorDeadError):
        return {"code": "supervision.core_down", "message": str(error)}
    if isinstance(error, SupervisorError):
        return {"code": f"supervision.{type(error).__name__.lower()}", "message": str(error)}
    return {"code": "internal", "message": f"{type(error).__name__}: {error}"}


def _object(line: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(line)
    except ValueError as error:  # also bytes that are not UTF-8, and integers of thousands of digits
        raise InspectError("inspect.request", f"not JSON: {error}") from error
    except RecursionError as error:
        raise InspectError("inspect.request", "not JSON: nested too deeply") from error
    if not isinstance(asked, dict):
        raise InspectError("inspect.request", "a request is a JSON object")
    return asked
