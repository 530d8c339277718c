"""Options that take one of a few words: a wrong one is refused with the nearest."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from foldward.contracts.errors import ConfigError, RequestError, SupervisionError, did_you_mean, suggestion
from foldward.contracts.jobs import PHASES

STATUSES = ("pending", "sent", "retry", "error", "cancelled", "success", "open")
RANKS = ("incubator", "B", "A", "S", "legend", "graveyard", "retired")
VERDICTS = ("PASS", "FAIL", "INVALID", "BLOCKED")
LETTER_STATES = ("held", "replayed", "dropped", "all")
LETTER_REASONS = (
    "unparseable",
    "multipart",
    "oversize",
    "schema",
    "unknown_request_id",
    "mismatch",
    "non_retryable",
    "exhausted",
    "crash_loop",
    "expired",
    "corrupt_payload",
    "apply_failed",
    "poison",
)
CAUSES = ("reason", "code", "strategy", "kind", "worker", "event")
WORK = PHASES
ALIKE = 0.9  # of an id of 36 letters about three may be wrong


def one_of(option: str, given: str | None, known: Collection[str]) -> str | None:
    """The word as it is spelled in `known`, whatever its case; None stays None. Raises config.usage."""
    if given is None or given in known:
        return given
    by_lower = {word.lower(): word for word in known}
    if given.lower() in by_lower:
        return by_lower[given.lower()]
    raise ConfigError(
        "config.usage", f"{option} {given!r}: {suggestion(given, known)}", hint="foldward --help"
    )


def no_child(child: str, tree: dict[str, Any]) -> SupervisionError:
    """The error for a child that the tree does not have, with the nearest that it has."""
    if child == tree["id"]:
        return SupervisionError(
            "supervision.refused", f"{child!r} is the whole tree", hint="stop core and start it again"
        )
    near = did_you_mean(child, [inner for top in tree.get("children", ()) for inner in _ids(top)])
    tail = f": did you mean {near!r}?" if near else ""
    return SupervisionError("supervision.not_found", f"no child {child!r}{tail}", hint="foldward tree")


def _ids(node: dict[str, Any]) -> list[str]:
    return [node["id"], *(inner for child in node.get("children", ()) for inner in _ids(child))]


def full_id(
    given: str, find: Callable[[str, int], list[str]], recent: Callable[[], Collection[str]] = tuple
) -> str:
    """A request's id from its beginning, where only one begins so. Raises request.unknown_id.

    recent: ids that a mistyped one is compared with.
    """
    found = find(given, 6) if len(given) >= 4 else []
    if given in found or len(found) == 1:
        return given if given in found else found[0]
    if found:
        raise RequestError(
            "request.unknown_id",
            f"{given} is the beginning of {len(found)}{' or more' if len(found) > 5 else ''} ids",
            hint=f"for example {found[0]}",
        )
    begun = {known[: len(given)]: known for known in recent()}
    near = did_you_mean(given, begun, ALIKE)
    tail = f": did you mean {begun[near]!r}?" if near else ""
    raise RequestError("request.unknown_id", f"no request {given}{tail}", hint="foldward oos list")
