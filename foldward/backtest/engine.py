"""One strategy over one window of candles: the way from a definition to an Outcome."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foldward.backtest import _kernels as k
from foldward.backtest._series import Series, series_of
from foldward.backtest._signals import builtin_signals, column, flags, sealed
from foldward.backtest.blocks import day_blocks, fees_of
from foldward.backtest.filters import Aux, allowed
from foldward.backtest.invariants import check_ledger, check_status
from foldward.backtest.kinds import find_kind
from foldward.backtest.ledger import ledger
from foldward.backtest.levels import Level, parse_level
from foldward.backtest.metrics import Curve, Dealings, invalid, measure
from foldward.backtest.outcome import Outcome
from foldward.backtest.peer import simulate_peer
from foldward.backtest.plugins import plugin_signals
from foldward.backtest.strategy import validate_strategy
from foldward.backtest.swaps import nightly
from foldward.contracts.errors import DataError, RequestError
from foldward.contracts.jobs import Fault, Strategy, Swap, Window
from foldward.data.bars import NS, Bars, Floats

_MODES = {"price": k.PRICE, "percent": k.PERCENT, "atr": k.ATR}
_NO_TRADES = np.zeros((0, k.TRADE_COLUMNS))
# What the digest covers of each trade; all else follows from it, the candles and the definition.
_IDENTITY = [k.T_ENTRY, k.T_EXIT, k.T_SIDE, k.T_PNL]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A strategy's signals over the whole series and everything the kernel needs to trade any window."""

    bars: Bars
    series: Series
    strategy: Strategy
    calendar: int
    signals: NDArray[np.uint8]
    settings: Floats
    atr: Floats
    swap_long: Floats
    swap_short: Floats
    warmup: int
    notes: tuple[str, ...]
    faults: tuple[Fault, ...] = ()


def simulate(
    bars: Bars,
    strategy: Strategy,
    start: int | None = None,
    end: int | None = None,
    *,
    seed: int = 0,
    include_trades: bool = False,
    calendar: int | None = None,
    aux: Aux | None = None,
    swaps: Iterable[Swap] | None = None,
) -> Outcome:
    """Trade `strategy` on the bars in [start, end] (Unix seconds, inclusive; None: the data's ends).

    Indicators warm up on the bars before the window; the window starts and ends flat. aux: minutes → Bars for
    the higher-timeframe filter. calendar: trading days a year (365 or 252), inferred from the data when None.
    seed only reaches plugins that ask for one. The ledger is always part of the outcome; include_trades is
    accepted for callers that pass a request on. Raises RequestError (definition, window), DataError
    `data.too_few_rows`; a broken invariant is no exception but verdict INVALID.
    """
    del include_trades
    if strategy.profile == "peer":
        lo, hi = window_range(bars, start, end)
        return simulate_peer(bars, validate_strategy(strategy), lo, hi, aux=aux, swaps=swaps)
    prepared = prepare(bars, strategy, seed=seed, calendar=calendar, aux=aux, swaps=swaps)
    lo, hi = window_range(bars, start, end)
    return run(prepared, lo, hi)


def simulate_windows(
    bars: Bars,
    strategy: Strategy,
    windows: Iterable[tuple[int | None, int | None]],
    *,
    seed: int = 0,
    calendar: int | None = None,
    aux: Aux | None = None,
    swaps: Iterable[Swap] | None = None,
) -> list[Outcome]:
    """One Outcome for each inclusive time window, equal to `simulate` on it; signals are computed once."""
    if strategy.profile == "peer":
        records = None if swaps is None else tuple(swaps)
        return [simulate(bars, strategy, *window, seed=seed, aux=aux, swaps=records) for window in windows]
    prepared = prepare(bars, strategy, seed=seed, calendar=calendar, aux=aux, swaps=swaps)
    return [run(prepared, *window_range(bars, *window)) for window in windows]


def _moment(seconds: int | None) -> str:
    """Unix seconds as a person reads them; what no calendar holds as it is."""
    if seconds is None:
        return "its edge"
    if not -(10**11) < seconds < 10**11:
        return str(seconds)
    return f"{np.datetime64(seconds, 's')}Z"


def window_range(bars: Bars, start: int | None, end: int | None) -> tuple[int, int]:
    """Half-open bar range of an inclusive time window.

    Raises RequestError `request.bad_window` when it is reversed or holds fewer than two bars.
    """
    if start is not None and end is not None and end < start:
        raise RequestError(
            "request.bad_window", f"the window ends at {_moment(end)}, before it starts at {_moment(start)}"
        )
    lo, hi = bars.index_range(start, end)
    if hi - lo < 2:
        reach = f"{_moment(bars.first())} to {_moment(bars.last())}" if len(bars) else "nothing"
        raise RequestError(
            "request.bad_window",
            f"the window from {_moment(start)} to {_moment(end)} holds {hi - lo} bars; the data has {reach}",
            start=start,
            end=end,
        )
    return lo, hi


def prepare(
    bars: Bars,
    strategy: Strategy,
    *,
    seed: int = 0,
    calendar: int | None = None,
    aux: Aux | None = None,
    swaps: Iterable[Swap] | None = None,
) -> Prepared:
    """Check the definition and compute its signals once for all windows of these bars."""
    strategy = validate_strategy(strategy)
    if calendar is not None and (isinstance(calendar, bool) or calendar not in (252, 365)):
        raise RequestError("request.bad_param", f"calendar is 365 or 252, not {calendar!r}", field="calendar")
    if strategy.timeframe != bars.timeframe:
        raise RequestError(
            "request.bad_strategy",
            f"timeframe: the strategy wants {strategy.timeframe} minutes, the candles have {bars.timeframe}",
            field="timeframe",
        )
    kind = find_kind(strategy.kind)
    sl, tp = parse_level(strategy.sl, name="sl"), parse_level(strategy.tp, name="tp")
    warmup = kind.warmup(strategy.params)
    uses_atr = any(level is not None and level.unit == "atr" for level in (sl, tp))
    if uses_atr:
        warmup = max(warmup, strategy.atr_period)
    notes: list[str] = []
    faults: tuple[Fault, ...] = ()
    if kind.builtin:
        signals = builtin_signals(kind.name, bars, strategy.params)
    else:
        signals, faults = plugin_signals(kind.name, bars, strategy.params, seed)
    if strategy.filter is not None:
        passes, note = allowed(bars, strategy.filter, aux)
        signals[~passes] &= ~np.uint8(k.LONG_ENTRY | k.SHORT_ENTRY)
        if note:
            notes.append(note)
    if strategy.costs.zero:
        notes.append("zero cost: not evidence")
    atr = np.zeros(len(bars) if uses_atr else 0, dtype=np.float64)
    if uses_atr:
        k.average_true_range(
            column(bars.high), column(bars.low), column(bars.close), strategy.atr_period, atr
        )
    swap_long, swap_short = nightly(bars, strategy.costs, swaps)
    series = series_of(bars)
    return Prepared(
        bars=bars,
        series=series,
        strategy=strategy,
        calendar=series.calendar if calendar is None else calendar,
        signals=sealed(signals) if kind.builtin else flags(signals),
        settings=sealed(_settings(strategy, sl, tp, bool(len(swap_long)))),
        atr=sealed(atr),
        swap_long=sealed(swap_long),
        swap_short=sealed(swap_short),
        warmup=warmup,
        notes=tuple(notes),
        faults=faults,
    )


def run(prepared: Prepared, lo: int, hi: int, *, check_rows: bool = True) -> Outcome:
    """Trade one window of prepared signals.

    Raises DataError `data.too_few_rows` when no signal is possible up to its end, unless `check_rows` is off.
    """
    bars, strategy = prepared.bars, prepared.strategy
    if check_rows and hi <= prepared.warmup + 1:
        raise DataError(
            "data.too_few_rows",
            f"{strategy.name!r} needs {prepared.warmup + 2} bars before it can trade; there are {hi} up to "
            "the window's end",
            bars=hi,
            needed=prepared.warmup + 2,
        )
    window = Window(int(bars.time[lo]) // NS, int(bars.time[hi - 1]) // NS, hi - lo)
    if prepared.faults:
        return _invalid(prepared, window, prepared.faults)
    table, days, status, where = trade(prepared, lo, hi)
    faults = check_status(bars, status, where)
    if faults:
        return _invalid(prepared, window, faults)
    faults, sums = check_ledger(bars, table, days, lo, hi, prepared.settings)
    if faults:
        return _invalid(prepared, window, faults)
    notes = list(prepared.notes)
    if status == k.RUINED:
        notes.append(f"ruined at bar {where} ({int(bars.time[where]) // NS}): the run ended there")
    if len(table) and table[-1, k.T_REASON] == k.REASON_END:
        notes.append("the last position was closed by the end of the window")
    curve = Curve(
        cash=strategy.cash,
        cum=days[k.D_CUM],
        times=bars.time[days[k.D_LAST].astype(np.int64)] // NS,
        start=window.start,
        drawdown=max_drawdown(days, strategy.cash),
        bars=int(days[k.D_BARS].sum()),
        held=int(days[k.D_HELD].sum()),
        ruined=status == k.RUINED,
    )
    settings = prepared.settings
    metrics, reasons = measure(curve, _dealings(sums, settings), prepared.calendar)
    return Outcome(
        metrics=metrics,
        reasons=reasons,
        window=window,
        make_trades=lambda: ledger(table, bars.time, settings),
        make_blocks=lambda: day_blocks(days, sums, settings, bars.time, lo),
        identity=(table[:, _IDENTITY],),
        day_times=curve.times,
        day_equity=curve.equity(),
        calendar=prepared.calendar,
        profile=strategy.profile,
        notes=tuple(notes),
    )


def trade(prepared: Prepared, lo: int, hi: int) -> tuple[Floats, Floats, int, int]:
    """What the kernel makes of bars lo ≤ i < hi: trades, days, status, bar (`_kernels.simulate`)."""
    series = prepared.series
    trades, days, status, where = k.simulate(
        series.open,
        series.high,
        series.low,
        series.close,
        prepared.signals,
        series.ends,
        series.extremes,
        lo,
        hi,
        prepared.settings,
        prepared.atr,
        prepared.swap_long,
        prepared.swap_short,
        _NO_TRADES,
        -1,
    )
    return trades, days, status, where


def _dealings(sums: Floats, settings: Floats) -> Dealings:
    totals = sums.sum(axis=1).tolist()
    return Dealings(
        trades=int(totals[k.P_TRADES]),
        wins=int(totals[k.P_WINS]),
        gross_profit=totals[k.P_PROFIT],
        gross_loss=totals[k.P_LOSS],
        fees=fees_of(totals[k.P_NOTIONAL], totals[k.P_TRADES], settings),
        notional=totals[k.P_NOTIONAL],
        trade_returns=totals[k.P_RETURNS],
    )


def max_drawdown(days: Floats, cash: float) -> float:
    """Largest fall of the equity from a peak at any bar's close, as a ratio of that peak (day table).

    A run that is ruined ends there, at its lowest: it fell from the highest peak of all. Its last day's own
    ratio is no measure, because below zero the ratio shrinks with the peak.
    """
    if days.shape[1] == 0:
        return 0.0
    low = float(days[k.D_LOW].min())
    if cash + low <= 0.0:
        top = max(0.0, float(days[k.D_HIGH].max()))
        return (top - low) / (cash + top)
    peaks = np.maximum.accumulate(np.concatenate(([0.0], days[k.D_HIGH])))[:-1]
    across = (peaks - days[k.D_LOW]) / (cash + peaks)
    return max(0.0, float(days[k.D_DRAWDOWN].max()), float(across.max()))


def _settings(strategy: Strategy, sl: Level | None, tp: Level | None, swaps: bool) -> Floats:
    costs = strategy.costs
    mask = {"both": 0xFF, "long": 0xFF & ~k.SHORT_ENTRY, "short": 0xFF & ~k.LONG_ENTRY}[strategy.direction]
    values = np.zeros(k.SETTINGS)
    values[k.S_SL_MODE] = k.OFF if sl is None else _MODES[sl.unit]
    values[k.S_SL] = 0.0 if sl is None else sl.value
    values[k.S_TP_MODE] = k.OFF if tp is None else _MODES[tp.unit]
    values[k.S_TP] = 0.0 if tp is None else tp.value
    values[k.S_ANCHOR] = float(strategy.stop_anchor == "signal")
    values[k.S_MASK] = mask
    values[k.S_UNITS] = strategy.units
    values[k.S_CASH] = strategy.cash
    values[k.S_HALF] = costs.spread / 2.0
    values[k.S_SLIPPAGE] = costs.slippage
    values[k.S_COMMISSION] = costs.commission_bps / 1e4
    values[k.S_SWAPS] = float(swaps)
    return values


def _invalid(prepared: Prepared, window: Window, faults: tuple[Fault, ...]) -> Outcome:
    metrics, reasons = invalid(f"invalid: {faults[0].message}")
    return Outcome(
        metrics=metrics,
        reasons=reasons,
        window=window,
        day_times=np.zeros(0, dtype=np.int64),
        day_equity=np.zeros(0),
        calendar=prepared.calendar,
        profile=prepared.strategy.profile,
        verdict="INVALID",
        faults=faults,
        notes=prepared.notes,
    )
