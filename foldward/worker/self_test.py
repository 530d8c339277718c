"""One tiny job through the whole worker: decode, contract, engine, encode."""

from __future__ import annotations

import math
import tempfile

from loguru import logger

from foldward.contracts.jobs import Backtest, Candle, Result, Strategy
from foldward.wire import dumps, loads

_BARS = 200


def tiny_job() -> Backtest:
    """Two hundred hourly candles of a sine wave, and a crossover of two averages."""
    closes = [100.0 + 5.0 * math.sin(i / 8.0) for i in range(_BARS)]
    candles = []
    for i, close in enumerate(closes):
        opened = closes[max(0, i - 1)]
        high, low = max(opened, close) + 0.1, min(opened, close) - 0.1
        candles.append(Candle(1_700_006_400 + 3600 * i, opened, high, low, close, 10.0 + i % 7))
    return Backtest(
        request_id="00000000-0000-7000-8000-000000000000",
        strategy=Strategy(name="self-test", kind="sma", params={"sma_short": 3.0, "sma_long": 9.0}),
        candles=tuple(candles),
        include_trades=True,
    )


def self_test() -> int:
    """0 if the job gives the same numbers twice and in both encodings, else 1."""
    from foldward.data.cache import Cache
    from foldward.worker.desk import Desk

    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Cache(folder), worker="self-test")
        answers = [loads(desk.answer(dumps(tiny_job(), form))) for form in ("json", "sexp", "json")]
    digests = {answer.result_digest for answer in answers if isinstance(answer, Result)}
    good = [a for a in answers if isinstance(a, Result) and a.error is None and (a.trades or 0) > 3]
    if len(good) == len(answers) and len(digests) == 1:
        logger.info("self-test passed: {} trades, {}", good[0].trades, good[0].result_digest)
        return 0
    for answer in answers:
        logger.error("self-test failed: {}", answer)
    return 1
