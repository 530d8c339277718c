"""What the client says when core holds the lock and does not answer."""

from types import SimpleNamespace
from typing import Any

import pytest

from foldward.console.client import Client
from foldward.contracts.errors import SupervisionError

LATER = "it may still be done when core goes on: foldward status"


@pytest.mark.parametrize(
    ("verb", "hint"),
    [
        ("tree", "wait a moment, then docs/RUNBOOK.md, FoldwardCoreSilent"),
        (
            "pause",
            f"{LATER}; wait a moment, then docs/RUNBOOK.md, FoldwardCoreSilent",
        ),
    ],
)
def test_a_silent_core_is_told_with_what_may_still_happen(
    verb: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: Any, **__: Any) -> Any:
        raise TimeoutError

    monkeypatch.setattr("supervision.inspect.Client.call", silent)
    home: Any = SimpleNamespace(holder=lambda: {"pid": 7, "inspect": "/x.sock"}, root="h")
    client = Client.__new__(Client)
    client._home, client._timeout = home, 0.1
    with pytest.raises(SupervisionError) as late:
        client.call(verb)
    assert late.value.line() == (
        f"error supervision.no_answer: core (pid 7) did not answer '{verb}' in time — hint: {hint}"
    )
