"""When a snapshot file is written, and what the process knows of itself."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from typing import Any

from foldward.contracts.canonical import digest

# Change with every look: a file whose other figures stand is not written again for them.
PASSING = frozenset(
    {
        "timestamp",
        "updated",
        "uptime_seconds",
        "uptime_s",
        "oldest_age_s",
        "rss",
        "heap",
        "mailboxes",
        "made_at",
    }
)


class Due:
    """One file: written when its content changed (at most every `least_s`), else once in `most_s`."""

    def __init__(self, least_s: float, most_s: float) -> None:
        self._least_s = least_s
        self._most_s = most_s
        self._at: float | None = None
        self._content: str | None = None

    def wants(self, content: Mapping[str, Any], now: float) -> bool:
        """Whether to write now. Remembers nothing: see `written`."""
        if self._at is None or not 0 <= now - self._at < self._most_s:
            return True
        return now - self._at >= self._least_s and lasting(content) != self._content

    def behind(self, content: Mapping[str, Any]) -> bool:
        """Whether the file holds something else."""
        return lasting(content) != self._content

    def written(self, content: Mapping[str, Any], now: float) -> None:
        """The file now holds this."""
        self._at, self._content = now, lasting(content)


def lasting(content: Mapping[str, Any]) -> str:
    """Digest of what does not change by itself."""
    return digest(_without(content))


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without(inner) for key, inner in value.items() if key not in PASSING}
    if isinstance(value, list | tuple):
        return [_without(inner) for inner in value]
    return value


def memory() -> tuple[int, int | None]:
    """(resident bytes, bytes of the data segment or None) of this process."""
    found = {}
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name in ("VmRSS", "VmData"):
                    found[name] = int(rest.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    # Elsewhere than on Linux the peak is what is known, in kB (in bytes on macOS).
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scale = 1 if os.uname().sysname == "Darwin" else 1024
    return found.get("VmRSS", peak * scale), found.get("VmData")


def tree_figures(tree: Mapping[str, Any] | None) -> dict[str, Any]:
    """{actors, mailboxes {id: depth}, restarts} from a tree snapshot (docs/reference/supervision.md)."""
    figures: dict[str, Any] = {"actors": 0, "mailboxes": {}, "restarts": 0}
    waiting = [tree] if tree else []
    while waiting:
        node = waiting.pop()
        figures["restarts"] += node.get("restarts") or 0
        if node.get("kind") != "supervisor":
            figures["actors"] += node.get("state") == "running"
            if node.get("mailbox") is not None:
                figures["mailboxes"][node.get("id")] = node["mailbox"]
        waiting += node.get("children") or []
    return figures
