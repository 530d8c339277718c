"""WFVScheduler: starts walk-forward runs by its guard, and combinatorial or further ones by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors._base import ProductActor
from actors._wfv_core import Splits, WfvCore
from foldward.contracts import clock
from foldward.contracts.messages import Figures, Settled, Submit, Submitted, Tick, Written
from foldward.settings import WfvTable
from storage.reads import Reader

TICK_S = 30.0


class WFVScheduler(ProductActor):
    """Told `Submit` (kind wfv or cpcv) it starts runs by hand and answers with `Submitted`.

    database: path of the SQLite file. deadline_s: total time of a request (`retry.deadline_s`): a run that
    has not ended by then expires with its request.
    """

    service = "wfv_scheduler"

    def __init__(
        self,
        *,
        database: Path | str,
        settings: WfvTable,
        deadline_s: float = 86_400.0,
        run_id: str = "-",
        seed: int = 0,
        splits: Splits | None = None,
    ) -> None:
        super().__init__()
        self._database = Path(database)
        self._settings = settings
        self._deadline_s = deadline_s
        self._run_id = run_id
        self._seed = seed
        self._splits = splits

    def recover(self) -> None:
        """Read what is under way."""
        self._reader = Reader(self._database)
        self._core = WfvCore(
            self._settings,
            deadline_s=self._deadline_s,
            seed=self._seed,
            run_id=self._run_id,
            address=self.handle(self.id),
            splits=self._splits,
        )
        self._core.recover(self._reader)

    def on_start(self) -> None:
        """Begin to look; the guard decides how often something starts."""
        self.every(min(TICK_S, max(1.0, self._settings.interval_s)), Tick())

    def on_stop(self) -> None:
        """Close the rows."""
        self._reader.close()

    def drain(self, batch: Sequence[Any]) -> None:
        """Everything that waits, in order."""
        for message in batch:
            self.on_receive(message)

    def on_receive(self, message: Any) -> Any:
        """One message, or a question."""
        core = self._core
        now_us = clock.utc_us()
        now = now_us / clock.US
        match message:
            case Figures():
                return core.figures(now)
            case Tick():
                self.carry_out(core.tick(self._reader, now))
            case Submit():
                self.carry_out(core.order(message, now))
            case Submitted():
                self.carry_out(core.submitted(message, now_us))
            case Settled():
                self.carry_out(core.settled(message, self._reader, now))
            case Written():
                self.carry_out(core.written(message, self._reader, now))
        return None
