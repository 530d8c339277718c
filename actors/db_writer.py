"""DBWriter: the one actor that writes. Takes what waits, commits it in one transaction, answers each.

`hang_after` of its child spec is HANG_AFTER_S: the longest honest pause is one commit of a full batch with
the checkpoint that it triggers and a disk that flushes slowly (seconds, measured on rotating disks), and the
first migration of a large file. Beyond that the thread is stuck in the kernel; `fence` then interrupts SQLite
from outside and rolls back, and the successor finds the lock free.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from pathlib import Path
from typing import Any

from loguru import logger

from actors._base import ProductActor
from actors._letters import GROUP_S, Letters, is_letter, still_s, until_quiet
from actors._write_desk import Reply, WriteDesk
from foldward.contracts import clock
from foldward.contracts.errors import FoldwardError
from foldward.contracts.facts import CountUp, Prune
from foldward.contracts.messages import Message, Tick, Write
from foldward.settings import StorageTable
from storage import Writer, open_writer

HANG_AFTER_S = 60.0
TICK_S = 1.0  # how often a full disk is tried again, and idle time is looked for
RETENTION_S = 60.0  # how often retention begins a round
PRUNE_ROWS = 1000
FOLD_EVERY = 8  # groups of dead letters
DAY_US = 86_400 * clock.US


class LettersDue(Message, frozen=True, kw_only=True):
    """To oneself: dead letters wait for their commit."""


class DBWriter(ProductActor):
    """The only writer of the database.

    database: path of the SQLite file, created or migrated at start. settings: the table `[storage]`.
    """

    service = "db_writer"

    def __init__(self, *, database: Path | str, settings: StorageTable) -> None:
        super().__init__()
        self._database = Path(database)
        self._settings = settings
        self._writer: Writer | None = None
        self._letters = Letters()
        self._letters_asked = False
        self._groups = 0
        self._quiet_at = -inf
        self._in_hand: Sequence[Any] = ()
        self._idle = True
        self._retention_at = 0.0
        self._rounds: list[Prune] = []
        self._failed_commits = 0
        self._told_damage = False
        self.wal_bytes = 0

    # --- life ------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Open the file for writing. Raises StorageError: then the child does not start."""
        self._writer = open_writer(self._database, self._settings)
        self._desk = WriteDesk(self._writer, self._settings.batch, self.names.incarnation)

    def on_start(self) -> None:
        """Look at the clock now and then."""
        self._retention_at = clock.now() + RETENTION_S
        self.every(TICK_S, Tick())

    def on_stop(self) -> None:
        """The inbox was drained before: one last attempt for what the disk refused, then close."""
        if self._writer is not None:
            _answer(self._desk.retry())
            _answer(self._desk.take(self._letters.take_all()))
            self._let_go(self._writer)

    def on_failure(self, *_: Any) -> None:
        """A bug of ours: the successor needs the file, and who waits must not wait for ever."""
        if self._writer is not None:
            # What was being handled comes again by itself.
            again = {id(message) for message in self._in_hand}
            self._let_go(self._writer, [one for one in self._letters.take_all() if id(one) not in again])

    def _let_go(self, writer: Writer, letters: Sequence[Write] = ()) -> None:
        _answer(self._desk.give_up(letters))
        writer.close()

    def fence(self) -> None:
        """From outside, when this incarnation hangs: interrupt, roll back, close."""
        if self._writer is not None:
            self._writer.fence()

    # --- work ------------------------------------------------------------------------------------------

    def drain(self, batch: Sequence[Any]) -> None:
        """Everything that waits, in its order, in as few transactions as the batch allows; then letters."""
        self._in_hand = batch
        writes = []
        for message in batch:
            kind = type(message)
            if kind is Write:
                if is_letter(message):
                    self._letters.add(message)
                else:
                    writes.append(message)
            elif kind is LettersDue:
                self._letters_asked = False
        if writes:
            self._idle = False
            _answer(self._desk.take(writes))
            self._quiet_at = clock.now() + still_s(writes)
            self._look_at_disk()
        if self._letters:
            self._post()
        if any(isinstance(message, Tick) for message in batch):
            self._tick()
        self._in_hand = ()

    def _post(self) -> None:
        """One step at a time, for good work that came meanwhile goes first: a group of letters, or the log.

        Letters fill the log fast, and the commit that makes it too long copies it into the file: that should
        not be the commit of an answer.
        """
        now, least_s = clock.now(), 0.0
        if self._writer is not None and self._fold_is_due(now):
            self._groups = 0
            self._writer.fold()
            least_s = GROUP_S / 2
        elif group := self._letters.take(now, self._quiet_at):
            self._groups += 1
            self._idle = False
            _answer(self._desk.take(group))
            self._letters.done()
            self._look_at_disk()
        if self._letters and not self._letters_asked:
            self._letters_asked = True
            wait_s = self._letters.wait_s(clock.now(), self._quiet_at)
            self.after(max(least_s, wait_s), LettersDue())

    def _fold_is_due(self, now: float) -> bool:
        quiet = until_quiet(now, self._quiet_at) == 0.0
        return self._groups >= (FOLD_EVERY if quiet else 2 * FOLD_EVERY)

    def on_receive(self, message: Any) -> None:
        """One message alone."""
        self.drain((message,))

    def _tick(self) -> None:
        if self._desk.kept:
            _answer(self._desk.retry())
            self._look_at_disk()
            return
        idle, self._idle = self._idle, True
        if self._writer is None or not idle:
            return
        self.wal_bytes = self._writer.wal_bytes()
        try:
            self._writer.checkpoint()
        except FoldwardError as error:
            self._alarm(error.code, error.message)
        self._retain()

    def _retain(self) -> None:
        """One small batch of retention per idle tick, until a round is through."""
        now = clock.now()
        if not self._rounds and now >= self._retention_at:
            self._retention_at = now + RETENTION_S
            self._rounds = retention(self._settings, clock.utc_us())
        if not self._rounds or self._writer is None:
            return
        (outcome,) = self._writer.apply([self._rounds[0]])
        if not outcome.ok or outcome.value < PRUNE_ROWS:
            self._rounds.pop(0)

    # --- a disk that refuses ---------------------------------------------------------------------------

    def _look_at_disk(self) -> None:
        if self._desk.damage is not None and not self._told_damage:
            self._told_damage = True
            body = f"{self._desk.damage}; foldward db fsck, then foldward db restore FILE"
            self.notify("storage.corrupt", "The database is damaged", body, "critical")
        failures, trouble = self._desk.failures, self._desk.trouble
        if trouble is not None and failures > self._failed_commits:
            if self._failed_commits == 0:
                self._alarm(*trouble)
            self._failed_commits = failures
        elif trouble is None and self._failed_commits:
            counted, self._failed_commits = self._failed_commits, 0
            if self._writer is not None:
                self._writer.apply([CountUp(counts={"db_error": counted})])
            self.notify(
                "storage.trouble", "The database writes again", f"{counted} commits had failed", "info"
            )

    def _alarm(self, code: str, error: str) -> None:
        body = f"{code}: {error}; {self._desk.kept} writes wait and are tried again"
        self.notify("storage.trouble", "The database cannot be written", body, "critical")


def retention(settings: StorageTable, now_us: int) -> list[Prune]:
    """One round: what may go, by age in days."""
    keep = settings.retention

    def before(days: float) -> int:
        return now_us - round(days * DAY_US)

    return [
        Prune(what="error_rows", before_us=before(keep.error_days), limit=PRUNE_ROWS),
        Prune(what="cancelled_rows", before_us=before(keep.cancelled_days), limit=PRUNE_ROWS),
        Prune(what="trade_lists", before_us=before(keep.trades_days), limit=PRUNE_ROWS),
        Prune(what="dead_letters", before_us=before(keep.dead_days), limit=PRUNE_ROWS),
        Prune(what="events", before_us=before(keep.events_days), limit=PRUNE_ROWS),
    ]


def _answer(replies: Iterable[Reply]) -> None:
    for reply in replies:
        if reply.to is None:
            continue
        try:
            reply.to.tell(reply.message)
        # The address came from outside. Whatever is wrong with it, the others of this commit hear theirs.
        except Exception:
            logger.exception("an answer about {} could not be told", type(reply.message.fact).__name__)
