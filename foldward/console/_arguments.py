"""What each verb may be given, one struct a verb; what does not fit is refused with the field named.

Limits are those of what lies behind: SQLite's integers, texts that are UTF-8, numbers that are finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from foldward.console.spans import LONGEST_S
from foldward.contracts.errors import RequestError, suggestion
from foldward.contracts.facts import ImportStrategies, RetireStrategies

MAX_NAMES = 100_000
MAX_DEPTH = 64
Name = Annotated[str, Meta(min_length=1, max_length=512)]
Names = Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MAX_NAMES)]
Note = Annotated[str, Meta(max_length=4096)]
RowId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
RowIds = Annotated[tuple[RowId, ...], Meta(max_length=MAX_NAMES)]


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: wrong types and unknown fields are refused, never guessed at."""


class Nothing(Arguments, frozen=True, kw_only=True):
    """A verb without arguments."""


class SubmitArguments(Arguments, frozen=True, kw_only=True):
    """Validate these strategies. plan: for wfv and cpcv; None is the kind's own."""

    names: Names
    kind: str = "oos"
    now: bool = False
    origin: Name = "operator"
    plan: dict[str, Any] | None = None


class IdArguments(Arguments, frozen=True, kw_only=True):
    """Requests by id."""

    request_ids: Names
    now: bool = True


class BackupArguments(Arguments, frozen=True, kw_only=True):
    """A copy of the database that was made and checked."""

    path: Name


class ReplayArguments(Arguments, frozen=True, kw_only=True):
    """Which dead letters, how fast. rate: letters a second. older_than_s: a thousand years at most.

    edit: a JSON merge patch (RFC 7386) laid over the request, which becomes a new one.
    """

    ids: RowIds | None = None
    all: bool = False
    reason: Name | None = None
    strategy: Name | None = None
    older_than_s: Annotated[float, Meta(ge=0, le=LONGEST_S)] | None = None
    dry_run: bool = False
    rate: Annotated[float, Meta(gt=0, le=1e6)] = 50.0
    limit: RowId | None = None
    note: Note = ""
    edit: dict[str, Any] | None = None


class DropArguments(Arguments, frozen=True, kw_only=True):
    """Which dead letters, and why."""

    ids: RowIds = ()
    note: Note = ""


class ImportArguments(Arguments, frozen=True, kw_only=True):
    """New and changed strategies."""

    fact: ImportStrategies


class RetireArguments(Arguments, frozen=True, kw_only=True):
    """Strategies that take no more work."""

    fact: RetireStrategies


T = TypeVar("T", bound=Arguments)


def read(given: Mapping[str, Any], kind: type[T]) -> T:
    """The arguments of a verb.

    Raises RequestError `request.bad_param`, and for a strategy's definition `request.bad_strategy`, with the
    field in the message and the context.
    """
    known = kind.__struct_fields__
    for key in given:
        if key not in known:
            near = suggestion(key[:80], known) if known else "this verb takes none"
            raise RequestError("request.bad_param", f"no argument {_cut(key)}: {near}", field=_cut(key))
    _plain(given)
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        words, _, place = str(error).partition(" - at `$")
        field = place.rstrip("`").lstrip(".") or _absent(words)
        code = "request.bad_strategy" if field.startswith("fact") else "request.bad_param"
        raise RequestError(code, f"{field}: {words}" if place else words, field=field) from error


def _absent(words: str) -> str:
    return words.split("`")[1] if words.count("`") >= 2 else ""


def _plain(given: Any) -> None:
    """Refuse what could be told but never stored: texts that are no UTF-8, numbers that are not finite."""
    stack: list[tuple[Any, str, int]] = [(given, "", 0)]
    while stack:
        value, where, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise _refusal(where, f"is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
                raise _refusal(where, "is not a text that UTF-8 can hold (half of a surrogate pair)")
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise _refusal(where, f"is {value}; a number must be finite")
        elif isinstance(value, int):
            if not -(2**63) <= value < 2**64:
                raise _refusal(where, "is an integer of more than 64 bits")
        elif isinstance(value, dict):
            for key, item in value.items():
                stack += [(key, where, depth + 1), (item, f"{where}.{_cut(key)}", depth + 1)]
        elif isinstance(value, list):
            stack += [(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]


def _refusal(where: str, why: str) -> RequestError:
    field = where.lstrip(".")[:200] or "the request"
    return RequestError("request.bad_param", f"{field} {why}", field=field)


def _cut(text: str) -> str:
    clean = text.encode("utf-8", "backslashreplace").decode()
    return clean if len(clean) <= 60 else f"{clean[:57]}…"
