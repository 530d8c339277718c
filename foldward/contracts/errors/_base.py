"""What an error is, and the catalogue that every code stands in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class ErrorSpec(NamedTuple):
    """One documented error code."""

    meaning: str
    hint: str
    retryable: bool = False
    fault: str = "caller"  # caller | data | peer | machine | us
    exit_code: int | None = None  # None: the family's


CATALOGUE: dict[str, ErrorSpec] = {}


def declare(code: str, meaning: str, hint: str, **fields: Any) -> None:
    """Add a code to the catalogue; a second declaration of the same code is a programming error."""
    if code in CATALOGUE:
        raise ValueError(f"error code {code} is declared twice")
    CATALOGUE[code] = ErrorSpec(meaning, hint, **fields)


class FoldwardError(Exception):
    """Base of all errors raised on purpose.

    `code` is stable and dotted; `hint` says what to do; `context` holds what, where and which value;
    `retryable` and `fault` come from the catalogue unless given.
    """

    family = "internal"
    exit_code = 70

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        run_id: str = "-",
        trace_id: str = "-",
        **context: Any,
    ) -> None:
        spec = CATALOGUE.get(code)
        if spec is None:
            raise ValueError(f"error code {code} is not in the catalogue")
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = spec.hint if hint is None else hint
        self.retryable = spec.retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.fault = spec.fault
        self.run_id = run_id
        self.trace_id = trace_id
        self.context: Mapping[str, Any] = context
        if spec.exit_code is not None:
            self.exit_code = spec.exit_code

    def __str__(self) -> str:
        return self.message

    def line(self) -> str:
        """The one line a person gets on stderr."""
        tail = f" — hint: {self.hint}" if self.hint else ""
        return f"error {self.code}: {self.message}{tail}"

    def as_dict(self) -> dict[str, Any]:
        """JSON form: code, message, hint, retryable, fault and the context."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
            "fault": self.fault,
            "context": dict(self.context),
        }
