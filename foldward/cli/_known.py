"""Requests and strategies by name: found, or one error line with the nearest that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from foldward.cli._choices import full_id
from foldward.cli._output import print_error
from foldward.contracts.errors import FAMILIES, FoldwardError, RequestError, did_you_mean

if TYPE_CHECKING:
    from storage.reads import Reader
    from storage.rows import StrategyRow

NAMED = 3  # of many that are missing, so many are named
RECENT = 1000
Why = Callable[["Reader", str], FoldwardError]


def known_request(given: str, reader: Reader) -> str:
    """A request's id, from its beginning where only one begins so. Raises request.unknown_id."""
    return full_id(given, reader.find_requests, lambda: _recent(reader))


def _recent(reader: Reader) -> list[str]:
    return [view.request_id for view in reader.requests(limit=RECENT)]


def full_ids(given: Iterable[str], reader: Reader) -> list[str]:
    """Each id once; what is the beginning of one id becomes that id, everything else stays as it is."""
    found: dict[str, None] = {}
    for one in given:
        begun = reader.find_requests(one, 2) if len(one) >= 4 else []
        found[begun[0] if len(begun) == 1 else one] = None
    return list(found)


def known_strategy(reader: Reader, name: str) -> StrategyRow:
    """Its row. Raises request.unknown_strategy with the nearest name."""
    row = reader.strategy(name)
    if row is None:
        near = did_you_mean(name, reader.strategy_names())
        raise RequestError(
            "request.unknown_strategy",
            f"no strategy {name!r}" + (f": did you mean {near!r}?" if near else ""),
            hint="foldward strategies list",
        )
    return row


def not_open(reader: Reader, given: str) -> FoldwardError:
    """Why a request could not be cancelled. Raises request.unknown_id."""
    return _as_it_was(reader, given, "only an open one can be cancelled")


def not_waiting(reader: Reader, given: str) -> FoldwardError:
    """Why a request could not be made due. Raises request.unknown_id."""
    return _as_it_was(
        reader, given, "only one that waits to retry, was given up or cancelled can be made due"
    )


def _as_it_was(reader: Reader, given: str, only: str) -> FoldwardError:
    known_request(given, reader)
    row = reader.request(given)
    state = "success" if row is None else row.status
    return RequestError(
        "request.not_possible", f"request {given} is {state!r}: {only}", hint=f"foldward why {given}"
    )


def not_retired(reader: Reader, name: str) -> FoldwardError:
    """Why a strategy could not be retired. Raises request.unknown_strategy."""
    known_strategy(reader, name)
    return RequestError("request.retired", f"strategy {name!r} was retired before")


def tell_undone(undone: Sequence[str], why: Why, reader: Reader) -> None:
    """The error line for what was not done; nothing when everything was."""
    errors: list[FoldwardError] = []
    for one in undone[:NAMED]:
        try:
            errors.append(why(reader, one))
        except FoldwardError as error:
            errors.append(error)
    _tell(errors, len(undone))


def tell_refused(refused: Sequence[Mapping[str, Any]]) -> None:
    """The error line for names that were not admitted: {code, message, hint} each as core said it."""
    errors = []
    for item in refused[:NAMED]:
        code = str(item.get("code") or "request.not_possible")
        family = FAMILIES.get(code.partition(".")[0], RequestError)
        errors.append(family(code, str(item.get("message") or item["name"]), hint=item.get("hint")))
    _tell(errors, len(refused))


def _tell(errors: Sequence[FoldwardError], count: int) -> None:
    if errors:
        first = errors[0]
        more = [f"and {count - NAMED} more"] if count > NAMED else []
        words = "; ".join([*dict.fromkeys(error.message for error in errors), *more])
        print_error(type(first)(first.code, words, hint=first.hint))
