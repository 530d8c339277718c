"""Changes that an operator makes with or without a running core.

There is one writer at a time: core while it runs (asked through its socket), else this process, which then
takes core's own lock for the moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from foldward.console import Client
from foldward.contracts import clock
from foldward.contracts.errors import FAMILIES, StorageError, SupervisionError
from foldward.contracts.facts import Fact, ImportStrategies, RetireStrategies
from foldward.contracts.jobs import Strategy
from foldward.settings import CoreLock, Home, Snapshot
from storage import open_writer

BATCH = 500
PATIENCE_S = 10.0


def import_strategies(home: Home, snapshot: Snapshot, strategies: Sequence[Strategy]) -> dict[str, Any]:
    """Store definitions: {"imported", "updated", "unchanged", "refused": [{name, code, message}]}."""
    total: dict[str, Any] = {"imported": 0, "updated": 0, "unchanged": 0, "refused": []}

    def through(write: Callable[[Fact], Any]) -> None:
        for start in range(0, len(strategies), BATCH):
            done = write(
                ImportStrategies(strategies=tuple(strategies[start : start + BATCH]), at_us=clock.utc_us())
            )
            for key in ("imported", "updated", "unchanged"):
                total[key] += len(done[key])
            total["refused"] += [
                {"name": name, "code": code, "message": "a retired strategy is not resurrected"}
                for name, code in done["refused"]
            ]

    _write(home, snapshot, "import_strategies", through)
    return total


def retire_strategies(home: Home, snapshot: Snapshot, names: Sequence[str]) -> list[str]:
    """Retire; returns the names that changed."""
    changed: list[str] = []

    def through(write: Callable[[Fact], Any]) -> None:
        changed.extend(write(RetireStrategies(names=tuple(names), at_us=clock.utc_us())))

    _write(home, snapshot, "retire_strategies", through)
    return changed


def _write(
    home: Home, snapshot: Snapshot, verb: str, through: Callable[[Callable[[Fact], Any]], None]
) -> None:
    lock = _lock(home)
    if lock is None:
        client = Client(home, timeout=60)
        through(lambda fact: client.call(verb, fact=msgspec.to_builtins(fact)))
        return
    try:
        writer = open_writer(home.database, snapshot.settings.storage)
        try:

            def apply(fact: Fact) -> Any:
                outcome = writer.apply([fact])[0]
                if not outcome.ok:
                    family = FAMILIES.get((outcome.code or "").partition(".")[0], StorageError)
                    raise family(outcome.code or "storage.write", outcome.error or "the write was refused")
                return outcome.value

            through(apply)
        finally:
            writer.close()
    finally:
        lock.release()


def _lock(home: Home) -> CoreLock | None:
    """The home's lock, or None when a core has it. Another command that writes is waited for."""
    home.make()
    limit = clock.now() + PATIENCE_S
    pause = threading.Event()
    while True:
        try:
            return home.lock()
        except SupervisionError:
            # A core says where it listens; a command has only its pid in the lock.
            if "inspect" in (home.holder() or {}):
                return None
            if clock.now() >= limit:
                raise
            pause.wait(0.05)
