"""What a piece of validation work is: the strategy, the request for it and the answer.

These structs are at once the vocabulary of the actors and the schema of the wire (spec 2.3 and 2.4): the
codecs in `foldward.wire` only change the spelling. All are frozen; change one with `msgspec.structs.replace`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import msgspec

from foldward.contracts.canonical import derive_seed, digest

Phase = Literal["backtest", "oos", "wfv", "cpcv", "evidence"]
PHASES: tuple[Phase, ...] = ("backtest", "oos", "wfv", "cpcv", "evidence")
Direction = Literal["long", "short", "both"]
MAX_SEED = 2**64 - 1
# How notes about the candles begin: they stand on every verdict, the other notes with the result alone.
DATA_REMARKS = ("data warning", "data finding accepted")


class Costs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What trading costs. `zero=True` is the explicit wish for none, which is never evidence.

    commission_bps: per side, in basis points of the notional. spread: full quoted spread in price units,
    half of it paid at every fill. slippage: price units lost at every fill. swap_long, swap_short: price
    units per unit and night held (added to the P&L, so a cost is negative).
    """

    commission_bps: float = 1.0
    spread: float = 0.0
    slippage: float = 0.0
    swap_long: float = 0.0
    swap_short: float = 0.0
    zero: bool = False


class Filter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries only while the last closed higher-timeframe close is on one side of its moving average."""

    timeframe: int
    period: int
    logic: Literal["PRICE_ABOVE_SMA", "PRICE_BELOW_SMA"]


class Strategy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named set of parameters of a registered kind.

    timeframe is in minutes. sl and tp are None (off), a number in price units, `"3%"` of the entry price or
    `"2atr"` (multiples of the ATR over atr_period at the decision). units is the position size. stop_anchor
    says whether stops hang on the fill price or on the close of the signal bar.
    """

    name: str
    kind: str
    params: dict[str, float] = {}
    symbol: str = ""
    timeframe: int = 60
    sl: float | str | None = None
    tp: float | str | None = None
    atr_period: int = 14
    direction: Direction = "both"
    stop_anchor: Literal["fill", "signal"] = "fill"
    units: float = 1.0
    cash: float = 10_000.0
    profile: Literal["next_open", "peer"] = "next_open"
    costs: Costs = Costs()
    filter: Filter | None = None
    generation: int = 0
    parent: str | None = None


class Candle(msgspec.Struct, frozen=True, array_like=False):
    """One bar on the wire: t in Unix seconds UTC."""

    t: int
    o: float
    h: float
    l: float  # noqa: E741 - the wire's own name
    c: float
    v: float = 0.0


class Swap(msgspec.Struct, frozen=True):
    """Overnight rates from time t on, in price units per unit and night."""

    t: int
    sl: float
    ss: float


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """A request for work: BACKTEST on the wire, `payload` in the queue.

    start_time and end_time are inclusive Unix seconds; None means the data's first or last bar. `data_id` is
    the fingerprint of canonical candles in the cache; `aux_data_ids` are those of the filter's own candles,
    by timeframe label. `plan` holds what the phase needs: splits for wfv and
    cpcv, statistics of all trials for evidence. `windows` asks for many ranges of one strategy in one job.
    """

    request_id: str
    strategy: Strategy
    phase: Phase = "backtest"
    trace_id: str = "-"
    run_id: str = "-"
    attempt: int = 1
    symbol: str = ""
    timeframe: int = 60
    candles_file: str | None = None
    data_id: str | None = None
    candles: tuple[Candle, ...] | None = None
    aux_candles: dict[str, tuple[Candle, ...]] | None = None
    aux_candles_files: dict[str, str] | None = None
    aux_data_ids: dict[str, str] | None = None
    swap_history: tuple[Swap, ...] | None = None
    start_time: int | None = None
    end_time: int | None = None
    windows: tuple[tuple[int, int], ...] | None = None
    seed: int = 0
    include_trades: bool = False
    range_id: str | None = None
    plan: dict[str, Any] | None = None
    deadline_s: float | None = None


class Window(msgspec.Struct, frozen=True):
    """The bars really used: first and last bar time in Unix seconds, and how many."""

    start: int
    end: int
    bars: int


class Fault(msgspec.Struct, frozen=True):
    """Why a result is INVALID: a code of the catalogue and what happened."""

    code: str
    message: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: the `result` of a BACKTEST_RESULT.

    win_rate is in percent (0 to 100) because the wire says so; `metrics["win_rate"]` is the ratio. A metric
    that has no value is None and its name stands in `reasons`. `equity` is a thinned daily curve of
    [Unix seconds, equity]; `blocks` holds the block statistics from which splits are derived; `detail` is
    the phase's own report (folds, paths, evidence). `error` and `code` make it the error form.
    """

    request_id: str
    strategy_name: str = ""
    trades: int | None = None
    wins: int | None = None
    losses: int | None = None
    pnl: float | None = None
    sharpe: float | None = None
    sortino: float | None = None
    max_drawdown: float | None = None
    win_rate: float | None = None
    profit_factor: float | None = None
    metrics: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    window: Window | None = None
    result_digest: str | None = None
    engine: str = ""
    profile: str = ""
    fingerprint: str | None = None
    provenance: str = "real"
    seed: int | None = None
    verdict: Literal["OK", "INVALID"] = "OK"
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    trade_list: tuple[dict[str, Any], ...] | None = None
    trades_truncated: bool = False
    equity: tuple[tuple[int, float], ...] | None = None
    blocks: dict[str, Any] | None = None
    detail: dict[str, Any] | None = None
    timings: dict[str, float] = {}
    trace_id: str = "-"
    attempt: int = 1
    worker: str | None = None
    error: str | None = None
    code: str | None = None
    retry_after: float | None = None


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """A sign of life of a peer; `timestamp` in Unix seconds."""

    id: str
    timestamp: float
    version: str = ""
    source: str = "WORKER"
    status: str = "ok"
    data: dict[str, float] = {}


def unit_seed(seed: int, name: str, kind: str, start: int | None, end: int | None) -> int:
    """The seed of one unit of work of a run: a strategy, a kind of work, a window."""
    return derive_seed(seed, name, kind, f"{start}:{end}")


def is_ours(engine: str) -> bool:
    """Whether numbers were made by an engine of Foldward, of any version."""
    return engine.startswith("foldward-")


def same_engine(made_by: str, ours: str | None) -> bool:
    """Whether a result's numbers are comparable with ours. A foreign peer's engine is nobody's to judge."""
    return ours is None or not is_ours(made_by) or made_by == ours


def is_of_run(result: Any, *, seed: int, data: Collection[str], engine: str | None = None) -> bool:
    """Whether a stored result belongs to a run: made of its candles, with its seed, by its engine.

    result: storage.rows.ResultRow. data: fingerprints of the run's candles, empty for any. engine: what makes
    the numbers of the strategy's kind, None for any. A result without a seed comes from a peer that has none.
    """
    if data and result.fingerprint not in data:
        return False
    expected = unit_seed(seed, result.name, result.kind, result.window_start, result.window_end)
    return same_engine(result.engine, engine) and result.seed in (None, expected)


def job_digest(
    strategy: Strategy,
    phase: Phase,
    fingerprint: str,
    window: tuple[int | None, int | None],
    seed: int,
    engine: str,
    plan: dict[str, Any] | None = None,
    aux: dict[str, str] | None = None,
) -> str:
    """The identity of a piece of work: two requests with the same digest have the same answer.

    aux: the fingerprints of the filter's own candles, where it has any.
    """
    content: dict[str, Any] = {
        "strategy": strategy,
        "phase": phase,
        "data": fingerprint,
        "window": list(window),
        "seed": seed,
        "engine": engine,
        "plan": plan,
    }
    return digest({**content, "aux": aux} if aux else content)
