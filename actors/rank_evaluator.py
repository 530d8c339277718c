"""RankEvaluator: judges what is known of each strategy, moves its rank, asks for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from actors._base import ProductActor
from actors._rank_core import RankCore
from actors._windows import OwnWindows
from foldward.contracts import clock
from foldward.contracts.messages import Figures, Message, Refresh, Settled, Submitted, Tick, Written
from foldward.settings import RankTable
from storage.reads import Reader

QUICK_S = 0.1  # results that come close together are looked at together


PATIENT_S = 5.0


class Look(Message, frozen=True, kw_only=True):
    """To itself: there is something to look at."""


class RankEvaluator(ProductActor):
    """A cycle every `cycle_s` over what changed, and a quick look after each result. Work for a strategy
    begins in a cycle; what follows from its answers is asked for at once.

    database: path of the SQLite file. complete: every strategy gets in-sample, out-of-sample, walk-forward,
    combinatorial run and evidence whatever the gates say, of results with this `seed` on these `data`
    (fingerprints of candles; empty: any). windows: on which bars in-sample and out-of-sample results count;
    None: on any. Told `Refresh` it looks for changes at once. Asked
    with `Figures` it says whether it is idle: then nothing is under way, and nothing more will be asked for
    until something changes.
    """

    service = "rank_evaluator"

    def __init__(
        self,
        *,
        database: Path | str,
        settings: RankTable,
        complete: bool = False,
        run_id: str = "-",
        seed: int = 0,
        data: Collection[str] = (),
        engine: Callable[[str], str] | None = None,
        windows: OwnWindows | None = None,
    ) -> None:
        super().__init__()
        self._database = Path(database)
        self._settings = settings
        self._complete = complete
        self._run_id = run_id
        self._seed = seed
        self._data = frozenset(data)
        self._engine = engine
        self._windows = windows
        self._looking = False

    def recover(self) -> None:
        """Know open and given-up requests again; strategies follow in batches."""
        self._reader = Reader(self._database)
        self._core = RankCore(
            self._settings,
            complete=self._complete,
            run_id=self._run_id,
            seed=self._seed,
            data=self._data,
            engine=self._engine,
            windows=self._windows,
            address=self.handle(self.id),
        )
        self._core.recover(self._reader)

    def on_start(self) -> None:
        """Begin the cycles; the first look comes at once."""
        self.every(self._settings.cycle_s, Tick())
        self.every(PATIENT_S, Look())  # what was held back and is due again
        self._soon(0.0)

    def on_stop(self) -> None:
        """Close the rows."""
        self._reader.close()

    def drain(self, batch: Sequence[Any]) -> None:
        """Take everything that waits, then look once."""
        for message in batch:
            self._take(message)
        if self._core.busy:
            self._soon(QUICK_S)

    def on_receive(self, message: Any) -> Any:
        """One message, or a question."""
        if isinstance(message, Figures):
            return self._core.figures()
        self.drain((message,))
        return None

    def _take(self, message: Any) -> None:
        core = self._core
        match message:
            case Settled():
                core.settled(message)
            case Submitted():
                core.submitted(message, clock.now())
            case Written():
                self.carry_out(core.written(message, clock.now()))
            case Look():
                self._look()
            case Refresh():
                core.caught_up = False  # strategies were imported: not only at the next cycle
            case Tick():
                self.carry_out(core.end_cycle(self._reader))

    def _look(self) -> None:
        self._looking = False
        started = clock.now()
        self.carry_out(self._core.work(self._reader, started, clock.utc_us()))
        self._core.cycle.seconds += max(0.0, clock.now() - started)
        if self._core.busy:
            self._soon(0.0)

    def _soon(self, seconds: float) -> None:
        """One look at a time is on its way: messages in between are served first."""
        if not self._looking:
            self._looking = True
            self.after(seconds, Look())
