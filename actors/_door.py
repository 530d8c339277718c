"""The queue's door: whether a name of an order becomes a row, with the rows read that it takes to say so.

Spec 1.2. What the store itself decides (cached, pending, full) is left to the one guarded INSERT.
"""

from __future__ import annotations

import msgspec

from actors._admission import EngineOf, Refusal, admit, refused, row_of
from actors._candles import CandlesGate
from foldward.contracts import clock, ids
from foldward.contracts.errors import FoldwardError
from foldward.contracts.facts import AdmitRequest
from foldward.contracts.jobs import Backtest, Strategy
from foldward.contracts.messages import Submit, SubmitOutcome
from foldward.settings import QueueTable
from foldward.wire import dumps
from storage.reads import Reader
from storage.rows import DefinitionRow

REMEMBERED = 100_000  # (name, kind) pairs that may have been sent lately
THROTTLED = ("backtest", "oos")
_definition = msgspec.json.Decoder(Strategy)


class Door:
    """See the module. It reads with the reader of the actor that it belongs to."""

    def __init__(
        self, reader: Reader, candles: CandlesGate, queue: QueueTable, engine: EngineOf, run_id: str
    ) -> None:
        self._reader = reader
        self._candles = candles
        self._queue = queue
        self._engine = engine
        self._run_id = run_id
        self._asked: dict[tuple[str, str], None] = {}
        # True: whatever was sent in this database was asked for through this door.
        self._knows_all_sends = reader.counters().get("sent", 0) == 0

    def admit(
        self, order: Submit, name: str, row: DefinitionRow, now_us: int
    ) -> AdmitRequest | SubmitOutcome | Refusal:
        """The row it would become; or throttled; or why not."""
        if row.rank == "retired":
            return Refusal("request.retired", f"{name!r} is retired")
        try:
            strategy = _definition.decode(row.definition)
            admitted = admit(
                order,
                strategy,
                self._candles,
                encode=dumps,
                engine=self._engine,
                run_id=self._run_id,
                oos_days=self._queue.oos_window_days,
                max_open=self._queue.max_open,
                now_us=now_us,
            )
        except msgspec.MsgspecError as error:
            return Refusal("request.bad_strategy", f"the stored definition of {name!r} is not valid: {error}")
        except FoldwardError as error:
            return refused(error)
        if isinstance(admitted, Refusal):
            return admitted
        fact = admitted[0]
        return fact if order.now or order.kind not in THROTTLED else self._throttle(fact, now_us)

    def _throttle(self, fact: AdmitRequest, now_us: int) -> AdmitRequest | SubmitOutcome:
        pair = (fact.name, fact.kind)
        if self._knows_all_sends and pair not in self._asked:
            self._ask(pair)
            return fact
        self._ask(pair)
        last_us = self._reader.last_sent_us(fact.name, fact.kind)
        # A last send in the future is a clock that was set back: it throttles nobody.
        if last_us is None or not 0 <= now_us - last_us < int(self._queue.throttle_s * clock.US):
            return fact
        if self._answered_or_open(fact):
            return fact  # the store answers cached or pending, and nothing is sent
        age = (now_us - last_us) / clock.US
        return SubmitOutcome(
            name=fact.name,
            status="throttled",
            code="request.throttled",
            message=f"last sent {age:.0f} s ago, the window is {self._queue.throttle_s:g} s",
            hint="wait, or submit with --now",
        )

    def _ask(self, pair: tuple[str, str]) -> None:
        """Only what was asked for can have been sent: spares the others a look into the rows."""
        self._asked[pair] = None
        if len(self._asked) > REMEMBERED:
            del self._asked[next(iter(self._asked))]
            self._knows_all_sends = False

    def _answered_or_open(self, fact: AdmitRequest) -> bool:
        return self._reader.result_by_digest(fact.digest) is not None or any(
            row.digest == fact.digest or row.kind == fact.kind == "oos"
            for row in self._reader.open_rows(fact.name)
        )

    def readmit(self, job: Backtest, order: Submit, now_us: int) -> AdmitRequest | Refusal:
        """A new request of an old one's content: the gate is asked again, window and seed stay."""
        try:
            verdict = self._candles.gate(job.strategy)
            if not verdict.ok:
                return Refusal(verdict.code, verdict.message, verdict.hint, verdict)
            window = self._candles.window(verdict.fingerprint, job.start_time, job.end_time)
            if window is None:
                return Refusal("data.too_few_rows", "the window holds no bars any more")
            fresh = msgspec.structs.replace(
                job,
                request_id=ids.new_id(),
                attempt=1,
                data_id=verdict.fingerprint,
                aux_data_ids=verdict.aux or None,
                candles_file=verdict.path,
                start_time=window.start,
                end_time=window.end,
            )
            limit = self._queue.max_open
            return row_of(fresh, order, verdict.fingerprint, window, dumps, self._engine, limit, now_us)
        except FoldwardError as error:
            return refused(error)
