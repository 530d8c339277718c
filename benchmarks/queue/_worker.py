"""A worker process that answers at once: the product's worker loop, link and codec, with no engine behind it.

    python _worker.py --connect ENDPOINT --id NAME --capacity N [--hold]

Every request is decoded, reported as started, answered with a full result (numbers, metrics, window echo,
digest) and encoded, as `python -m foldward.worker` does it; only the backtest itself takes no time.
--hold: say that a request is begun, and never answer it.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from typing import Any

from foldward.contracts import ids
from foldward.contracts.jobs import Backtest, Result, Strategy, Window
from foldward.settings import LinkTable
from foldward.wire import dumps, encoding_of, loads
from foldward.wire.links import Heart, WorkerPort
from foldward.worker._limits import Parent
from foldward.worker.process import WorkerProcess

DAY_S = 86_400
DIGEST = "sha256:" + "ab" * 32


class AtOnce:
    """In the place of `foldward.worker.desk.Desk`."""

    timeout_s = None

    def __init__(self, worker: str, hold: bool) -> None:
        self._worker = worker
        self._hold = hold

    def answer(self, raw: bytes, request_id: str = "", begin: Callable[[Any], None] | None = None) -> bytes:
        job = loads(raw)
        assert isinstance(job, Backtest), request_id
        if begin is not None:
            begin(job)
        if self._hold:
            threading.Event().wait()
        return dumps(result_of(job, self._worker), encoding_of(raw))


def request(number: int) -> bytes:
    """A request as Foldward stores and sends it, for those that know no admission."""
    params = {"sma_short": 5.0, "sma_long": 20.0}
    strategy = Strategy(name=f"s{number}", kind="sma", params=params, symbol="EURUSD", timeframe=1440)
    id = ids.new_id()
    job = Backtest(
        request_id=id,
        strategy=strategy,
        phase="oos",
        trace_id=id,
        symbol="EURUSD",
        timeframe=1440,
        candles_file="/data/EURUSD_D1.csv",
        data_id="sha256:EURUSD:730",
        start_time=1_678_060_800,
        end_time=1_693_612_800,
        seed=number,
        include_trades=True,
    )
    return dumps(job)


def answered(raw: bytes, worker: str = "worker-1") -> bytes:
    """What a worker makes of a request, from bytes to bytes."""
    job = loads(raw)
    assert isinstance(job, Backtest)
    return dumps(result_of(job, worker), encoding_of(raw))


def result_of(job: Backtest, worker: str) -> Result:
    """What a worker would say of this request, over daily bars without holes."""
    start, end = job.start_time or 0, job.end_time or 0
    return Result(
        request_id=job.request_id,
        strategy_name=job.strategy.name,
        trades=42,
        wins=20,
        losses=22,
        pnl=12.5,
        sharpe=0.61,
        sortino=0.9,
        max_drawdown=0.1,
        win_rate=47.6,
        profit_factor=1.2,
        metrics={"sharpe": 0.61, "sortino": 0.9, "expectancy": 0.3, "cagr": 0.1, "calmar": 0.8},
        window=Window(start, end, (end - start) // DAY_S + 1),
        result_digest=DIGEST,
        engine="bench",
        fingerprint=job.data_id,
        trace_id=job.trace_id,
        attempt=job.attempt,
        seed=job.seed,
        worker=worker,
    )


def main() -> None:
    """Work until the parent ends or SIGTERM comes."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--connect", required=True)
    options.add_argument("--id", default="worker-1")
    options.add_argument("--capacity", type=int, default=500)
    options.add_argument("--hold", action="store_true")
    given = options.parse_args()
    settings = LinkTable()
    port = WorkerPort(given.connect, given.id, capacity=given.capacity, version="bench", settings=settings)
    desk: Any = AtOnce(given.id, given.hold)
    process = WorkerProcess(port, desk, id=given.id, version="bench", parent=Parent())
    process.handle_signals()
    Heart(given.connect, given.id, process.beat, check=process.check, settings=settings).start()
    process.run()


if __name__ == "__main__":
    main()
