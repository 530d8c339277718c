"""Settings read anew while core runs (spec 5.2): parsed aside, and taken over whole or not at all.

Most settings are pinned for the life of a core: its actors were built from them. What may change under their
feet is where candles are looked for and which findings about them are accepted: every request carries the
fingerprint of its own candles.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from loguru import logger

from foldward.contracts.errors import ConfigError
from foldward.settings import Finding, Settings, Snapshot

LIVE = frozenset({"core.data_roots", "data.allow", "data.coverage_min"})

Recheck = Callable[[int], tuple[Snapshot | None, list[Finding]]]
Apply = Callable[[Settings], None]
Emit = Callable[[str, dict[str, Any]], None]


class Reloader:
    """Holds the snapshot in force: one reference, replaced whole, so that no reader sees half of a reload.

    recheck: reads the same sources again, given the next version. apply: takes over the live settings, or
    raises and leaves them as they were. Calling it is the reload; several callers wait for one another.
    """

    def __init__(self, snapshot: Snapshot, recheck: Recheck, apply: Apply, emit: Emit) -> None:
        self.snapshot = snapshot
        self._started = snapshot  # what the actors were built from
        self._recheck = recheck
        self._apply = apply
        self._emit = emit
        self._lock = threading.Lock()

    def __call__(self) -> dict[str, Any]:
        """{ok, snapshot {version, hash}, changed, applied, restart_needed, findings}.

        changed: since the last good reload. restart_needed: what differs from the settings that core was
        started with and cannot change under it, however many reloads ago it was changed.
        """
        with self._lock:
            try:
                fresh, found = self._recheck(self.snapshot.version + 1)
                findings = [finding.to_dict() for finding in found]
            except ConfigError as error:
                fresh = None
                findings = [
                    {
                        "path": "",
                        "line": error.context.get("line"),
                        "message": error.message,
                        "source": "file",
                    }
                ]
            if fresh is None:
                return self._rejected(findings)
            changed = differing(self.snapshot, fresh)
            applied = [path for path in changed if path in LIVE]
            if applied:
                try:
                    self._apply(fresh.settings)
                except (
                    Exception
                ) as error:  # whatever a new value breaks, core goes on with the last good ones
                    said = f"could not be put into force: {type(error).__name__}: {error}"
                    return self._rejected([Finding(path, said).to_dict() for path in applied])
            if changed:
                self.snapshot = fresh
            pinned = [path for path in differing(self._started, fresh) if path not in LIVE]
            logger.info("settings reloaded: {} applied, {} need a restart", applied, pinned)
            self._emit("config.reloaded", {"snapshot": self.shown(), "findings": []})
            return self._answer(changed=changed, applied=applied, restart_needed=pinned)

    def _rejected(self, findings: list[dict[str, Any]]) -> dict[str, Any]:
        logger.warning("settings not reloaded, the last good ones stay: {} fault(s)", len(findings))
        self._emit("config.reload_rejected", {"snapshot": self.shown(), "findings": findings})
        return self._answer(findings=findings)

    def _answer(self, **parts: list[Any]) -> dict[str, Any]:
        lists: Mapping[str, list[Any]] = {"changed": [], "applied": [], "restart_needed": [], "findings": []}
        return {"ok": not parts.get("findings"), "snapshot": self.shown(), **lists, **parts}

    def shown(self) -> dict[str, Any]:
        """{version, hash} of the snapshot in force."""
        return {"version": self.snapshot.version, "hash": self.snapshot.config_hash}


def differing(old: Snapshot, new: Snapshot) -> list[str]:
    """Dotted paths whose values are not the same."""
    return [path for path in new.origins if _at(old.settings, path) != _at(new.settings, path)]


def _at(settings: Settings, path: str) -> Any:
    value: Any = settings
    for part in path.split("."):
        value = getattr(value, part)
    return value
