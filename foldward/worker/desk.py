"""Bytes in, bytes out: a request is decoded, run and answered, whatever it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from loguru import logger

from foldward.contracts import clock
from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Backtest, Result
from foldward.wire import MAX_FRAME, dumps, encoding_of, loads
from foldward.wire.peek import peek_name, peek_request_id
from foldward.worker.runner import failed, run_job

if TYPE_CHECKING:
    from foldward.data.cache import Cache

MISSING = "MISSING"
_NAMES_PROFILE = re.compile(rb'"profile"\s*:|\(\s*[^\s()"]*profile[\s.]', re.IGNORECASE)


@dataclass
class Desk:
    """What a worker needs to answer.

    profile: the engine profile of strategies in the flat spelling that name none; "peer" makes the worker
    stand in for an existing peer's service.
    """

    cache: Cache
    data_roots: Sequence[Path] = ()
    worker: str | None = None
    timeout_s: float | None = None
    profile: str | None = None
    max_frame: int = MAX_FRAME

    def answer(self, raw: bytes, request_id: str = "", begin: Callable[[Any], None] | None = None) -> bytes:
        """The BACKTEST_RESULT to a message, in its encoding.

        request_id: the id on the envelope, for a message that cannot be read. begin(job) is called before
        the job runs.
        """
        encoding = encoding_of(raw)
        try:
            job = loads(raw, max_frame=self.max_frame)
            if not isinstance(job, Backtest):
                raise WireError(
                    "wire.unknown_type", raw, 0, f"a worker takes BACKTEST, not {type(job).__name__}"
                )
        except WireError as error:
            return dumps(self._unreadable(raw, request_id, error), encoding)
        if self.profile is not None and not _NAMES_PROFILE.search(raw):
            strategy: Any = msgspec.structs.replace(job.strategy, profile=self.profile)
            job = msgspec.structs.replace(job, strategy=strategy)
        if begin is not None:
            begin(job)
        with logger.contextualize(trace_id=job.trace_id, request_id=job.request_id):
            result = run_job(
                job,
                self.cache,
                data_roots=self.data_roots,
                worker=self.worker,
                timeout_s=self.timeout_s,
            )
            return self._encode(job, result, encoding)

    def _unreadable(self, raw: bytes, request_id: str, error: WireError) -> Result:
        found = request_id or peek_request_id(raw) or MISSING
        message = error.message
        code = error.code
        if found == MISSING:
            message, code = "missing request_id", "wire.missing_request_id"
        logger.bind(request_id=found).warning("unreadable request: {}: {}", error.code, error.message)
        return Result(
            request_id=found, strategy_name=peek_name(raw) or "", error=message, code=code, worker=self.worker
        )

    def _encode(self, job: Backtest, result: Result, encoding: Any) -> bytes:
        """The bytes; an answer that cannot be sent as it is goes without its curves, or says why not."""
        began = clock.now()
        try:
            data = dumps(result, encoding)
            if len(data) > self.max_frame:
                lean = msgspec.structs.replace(
                    result,
                    trade_list=None,
                    trades_truncated=result.trade_list is not None,
                    equity=None,
                    blocks=None,
                    notes=(*result.notes, "trade list, curve and blocks left out: the answer was too large"),
                )
                data = dumps(lean, encoding)
            if len(data) <= self.max_frame:
                logger.trace("encoded in {:.6f} s", clock.now() - began)
                return data
            error = f"the answer has {len(data)} bytes, allowed are {self.max_frame}"
            return dumps(failed(job, "wire.oversize", error), encoding)
        except WireError as fault:
            logger.error("the answer cannot be written: {}: {}", fault.code, fault.message)
            return dumps(failed(job, fault.code, fault.message), encoding)
