"""What the DBWriter decides: who may write, who is answered, and what waits while the disk refuses.

The rule: nobody hears "done" before the commit, nobody hears "failed" for something that may still be done.
While the disk is full, what has not been answered is kept and tried again; only what would add more work is
refused at once, so that admission stops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from foldward.contracts.facts import AdmitRequest, CountUp, Fact, ImportStrategies, NoteEvent, Prune, StartRun
from foldward.contracts.messages import Write, Written

# A later attempt can succeed without anybody having to ask again.
PASSING = frozenset({"storage.disk_full", "storage.io", "storage.busy"})
DAMAGED = "storage.corrupt"
# These bring new work or can be done without; they hear at once that it did not work.
REFUSED_IN_NEED = (AdmitRequest, ImportStrategies, StartRun, CountUp, NoteEvent, Prune)
KEPT_MAX = 100_000  # beyond this even answers are refused: memory is no database

CurrentIncarnation = Callable[[str], int | None]


class Outcome(Protocol):
    """What the store says about one fact."""

    @property
    def ok(self) -> bool: ...
    @property
    def value(self) -> Any: ...
    @property
    def code(self) -> str | None: ...
    @property
    def error(self) -> str | None: ...


class Store(Protocol):
    """The part of `storage.Writer` that is needed here."""

    def apply(self, facts: Sequence[Fact]) -> Sequence[Outcome]: ...


class Reply(NamedTuple):
    """An answer and where it goes."""

    to: Any
    message: Written


class WriteDesk:
    """The state between two batches: what is kept, and since when the disk refuses."""

    def __init__(self, store: Store, batch: int, incarnation_of: CurrentIncarnation) -> None:
        self._store = store
        self._batch = batch
        self._incarnation_of = incarnation_of
        self._kept: list[Write] = []
        self.trouble: tuple[str, str] | None = None
        self.failures = 0  # failed commits since the last one that worked
        self.damage: str | None = None  # what SQLite said about a damaged file
        self.fenced = 0
        self.commits = 0
        self.facts = 0

    @property
    def kept(self) -> int:
        """How many writes wait for the disk."""
        return len(self._kept)

    def take(self, writes: Sequence[Write]) -> list[Reply]:
        """Make these true, at most `batch` in one transaction; the answers, each after its commit."""
        replies: list[Reply] = []
        current = []
        for write in writes:
            if self._is_replaced(write):
                self.fenced += 1
                replies.append(_failed(write, "storage.fenced", f"{write.sender} has been replaced"))
            else:
                current.append(write)
        if self._kept:  # order is kept: nothing overtakes what waits
            return replies + self._keep(current)
        for start in range(0, len(current), self._batch):
            if self._kept:
                return replies + self._keep(current[start:])
            replies += self._commit(current[start : start + self._batch])
        return replies

    def retry(self) -> list[Reply]:
        """Try again what is kept, in its order; stops at the first batch that fails."""
        replies: list[Reply] = []
        while self._kept:
            waiting, self._kept = self._kept, []
            replies += self._commit(waiting[: self._batch])
            stopped = bool(self._kept)
            self._kept += waiting[self._batch :]
            if stopped:
                break
        return replies

    def give_up(self, others: Sequence[Write] = ()) -> list[Reply]:
        """At the end: whoever still waits, here or among `others`, hears that nothing was stored."""
        waiting, self._kept = [*self._kept, *others], []
        code, error = self.trouble or ("storage.fenced", "the writer has stopped")
        return [_failed(write, code, error) for write in waiting]

    def _commit(self, writes: Sequence[Write]) -> list[Reply]:
        outcomes = self._store.apply([write.fact for write in writes])
        self.commits += 1
        trouble = next(((o.code, o.error or "") for o in outcomes if not o.ok and o.code in PASSING), None)
        if trouble is not None:
            self.trouble = (str(trouble[0]), trouble[1])
            self.failures += 1
            return self._keep(writes)
        self.trouble = None
        self.failures = 0
        self.facts += len(writes)
        self.damage = self.damage or next((o.error for o in outcomes if o.code == DAMAGED), None)
        return [
            Reply(
                write.reply_to,
                Written(
                    tag=write.tag,
                    fact=write.fact,
                    ok=outcome.ok,
                    value=outcome.value,
                    code=outcome.code,
                    error=outcome.error,
                ),
            )
            for write, outcome in zip(writes, outcomes, strict=True)
        ]

    def _keep(self, writes: Sequence[Write]) -> list[Reply]:
        code, error = self.trouble or ("storage.busy", "the disk is being waited for")
        replies = []
        for write in writes:
            if isinstance(write.fact, REFUSED_IN_NEED) or len(self._kept) >= KEPT_MAX:
                replies.append(_failed(write, code, error))
            else:
                self._kept.append(write)
        return replies

    def _is_replaced(self, write: Write) -> bool:
        if write.incarnation <= 0:
            return False
        current = self._incarnation_of(write.sender)
        return current is not None and write.incarnation < current


def _failed(write: Write, code: str, error: str) -> Reply:
    return Reply(write.reply_to, Written(tag=write.tag, fact=write.fact, ok=False, code=code, error=error))
