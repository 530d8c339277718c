"""The operator's way to a running core: one small client for the CLI, the pages and the scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foldward.contracts.errors import CATALOGUE, FAMILIES, FoldwardError, SupervisionError
from foldward.settings import Home
from supervision import inspect

RESERVED = frozenset(
    {"code", "message", "hint", "retryable", "retry_after", "run_id", "trace_id", "raw", "position"}
)

LOOKS = frozenset({"tree", "core_status", "crashes"})
LATER = "it may still be done when core goes on: foldward status"
SILENT = "wait a moment, then docs/RUNBOOK.md, FoldwardCoreSilent"


class Client:
    """Calls verbs on the inspection socket of one home.

    Raises supervision.core_down (exit 3) when no core runs there, supervision.no_answer (exit 5) when it does
    not answer in time, and the core's own errors with their code, message and hint.
    """

    def __init__(self, home: Home | Path, timeout: float = 10.0) -> None:
        self._home = home if isinstance(home, Home) else Home(home)
        self._timeout = timeout

    @property
    def core(self) -> dict[str, Any]:
        """What the running core says of itself (pid, run_id, sockets). Raises supervision.core_down."""
        holder = self._home.holder()
        if holder is None:
            raise SupervisionError(
                "supervision.core_down",
                f"no core is running in {self._home.root}",
                hint=f"foldward core --home {self._home.root}",
            )
        return holder

    def call(self, verb: str, timeout: float | None = None, **arguments: Any) -> Any:
        """One verb and its answer as plain JSON data."""
        path = self.core.get("inspect") or str(self._home.socket("inspect"))
        try:
            return inspect.Client(path).call(verb, timeout=timeout or self._timeout, **arguments)
        except inspect.InspectError as refusal:
            raise _our_error(refusal) from refusal
        except TimeoutError as error:
            raise SupervisionError(
                "supervision.no_answer",
                f"core (pid {self.core.get('pid')}) did not answer {verb!r} in time",
                hint=SILENT if verb in LOOKS else f"{LATER}; {SILENT}",
            ) from error
        except ConnectionError as error:
            raise SupervisionError(
                "supervision.core_down",
                f"core (pid {self.core.get('pid')}) does not listen yet or any more",
                hint="try again in a moment",
            ) from error

    def tree(self) -> dict[str, Any]:
        """The supervision tree (spec 7.4)."""
        answer: dict[str, Any] = self.call("tree")
        return answer

    def status(self) -> dict[str, Any]:
        """What only the running core knows: workers, breakers, leases, pauses."""
        answer: dict[str, Any] = self.call("core_status")
        return answer


def _our_error(refusal: inspect.InspectError) -> FoldwardError:
    """The core's own error again; a code that is not in the catalogue is supervision's."""
    details = refusal.details
    if refusal.code not in CATALOGUE:
        return SupervisionError("supervision.refused", f"{refusal.message} ({refusal.code})")
    family = FAMILIES["request" if refusal.code.startswith("queue.") else refusal.code.partition(".")[0]]
    return family(
        refusal.code,
        message=refusal.message,
        hint=details.get("hint"),
        **{key: value for key, value in (details.get("context") or {}).items() if key not in RESERVED},
    )
