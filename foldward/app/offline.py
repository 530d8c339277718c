"""Work on a file without a core: what `backtest`, `wfv run` and `cpcv run` print."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from foldward.app.own_rule import told_by_place
from foldward.backtest import simulate
from foldward.backtest.ledger import trade_list
from foldward.contracts.errors import RequestError
from foldward.contracts.jobs import Filter, Strategy
from foldward.contracts.timeframe import parse_timeframe, timeframe_label
from foldward.data.bars import Bars
from foldward.data.cache import Cache
from foldward.data.entries import data_notes
from foldward.worker._candles import resampled

ENDINGS = (".csv", ".parquet")
Aux = Callable[[Filter | None], tuple[dict[int, Bars] | None, list[str]]]


@contextmanager
def series_of(
    file: Path,
    timeframe: str | None,
    *,
    utc: bool,
    allow: Sequence[str],
    synthetic: bool,
    cache: Path | None,
) -> Iterator[tuple[Bars, list[str], Aux]]:
    """The file's canonical bars, what is recorded of them on every result, and where a filter's candles are.

    Through the home's cache where there is one, else through a passing one.
    """
    minutes = None if timeframe is None else parse_timeframe(timeframe)
    with tempfile.TemporaryDirectory(prefix="foldward-") as passing:
        store = Cache(cache or Path(passing))
        entry = store.ensure(file, minutes, utc=utc, allow=tuple(allow), synthetic=synthetic)
        bars = store.load(entry.fingerprint)

        def aux(rule: Filter | None) -> tuple[dict[int, Bars] | None, list[str]]:
            if rule is None:
                return None, []
            label = timeframe_label(rule.timeframe)
            beside = (file.with_name(f"{bars.symbol}_{label}{ending}") for ending in ENDINGS)
            source = next((path for path in beside if path.is_file()), None)
            if source is not None:
                found = store.ensure(source, rule.timeframe, symbol=bars.symbol, utc=utc, allow=tuple(allow))
                return {rule.timeframe: store.load(found.fingerprint)}, [
                    f"filter candles {label} {found.fingerprint}"
                ]
            made = resampled(bars, rule.timeframe)
            if made is None:
                return None, []
            return {rule.timeframe: made}, [f"filter candles {label} resampled from the data"]

        yield bars, data_notes(entry), aux


def simulate_file(
    file: Path,
    strategy: Strategy,
    *,
    timeframe: str | None,
    start: int | None,
    end: int | None,
    seed: int,
    include_trades: bool,
    calendar: int | None,
    utc: bool,
    allow: Sequence[str],
    synthetic: bool,
    cache: Path | None,
) -> dict[str, Any]:
    """One simulation as the JSON of `foldward backtest`."""
    # Profile peer trades resampled candles: there the timeframe is the strategy's, and the file says its own.
    wanted = None if strategy.profile != "peer" or timeframe is None else parse_timeframe(timeframe)
    said = timeframe if wanted is None else None
    series = series_of(file, said, utc=utc, allow=allow, synthetic=synthetic, cache=cache)
    with series as (bars, recorded, aux_of):
        strategy = _on(strategy, bars, wanted)
        aux, more = aux_of(strategy.filter)
        with told_by_place():
            outcome = simulate(
                bars,
                strategy,
                start,
                end,
                seed=seed,
                include_trades=include_trades,
                calendar=calendar,
                aux=aux,
            )
        answer: dict[str, Any] = {
            "metrics": outcome.metrics,
            "reasons": outcome.reasons,
            "window": msgspec.to_builtins(outcome.window),
            "result_digest": outcome.digest,
            "fingerprint": bars.fingerprint,
            "verdict": outcome.verdict,
            "faults": msgspec.to_builtins(outcome.faults),
            "notes": [*outcome.notes, *_noted(bars, recorded), *more],
            "calendar": outcome.calendar,
            "profile": strategy.profile,
            "seed": seed,
            "strategy": msgspec.to_builtins(strategy),
        }
        if include_trades:
            answer["trades"] = trade_list(outcome.trades, limit=None)[0]
    return answer


def split_file(
    what: str,
    file: Path,
    strategy: Strategy,
    plan: dict[str, Any],
    *,
    timeframe: str | None,
    seed: int,
    utc: bool,
    allow: Sequence[str],
    synthetic: bool,
    cache: Path | None,
) -> dict[str, Any]:
    """A walk-forward or a CPCV as the JSON of `foldward wfv run` and `foldward cpcv run`."""
    from foldward.backtest import cpcv, walk_forward

    split = walk_forward if what == "wfv" else cpcv
    # The generation is the strategy's; a plan says only how to split.
    cuts = {key: value for key, value in plan.items() if key != "generation"}
    series = series_of(file, timeframe, utc=utc, allow=allow, synthetic=synthetic, cache=cache)
    with series as (bars, recorded, aux_of):
        strategy = _on(strategy, bars, None)
        aux, more = aux_of(strategy.filter)
        with told_by_place():
            report = split(bars, strategy, cuts, seed=seed, aux=aux)
    return {
        **report,
        "notes": [*(report.get("notes") or ()), *_noted(bars, recorded), *more],
        "result_digest": report["digest"],
        "fingerprint": bars.fingerprint,
        "seed": seed,
    }


def _noted(bars: Bars, recorded: list[str]) -> list[str]:
    return (["synthetic"] if bars.provenance == "synthetic" else []) + recorded


def _on(strategy: Strategy, bars: Bars, timeframe: int | None) -> Strategy:
    """The strategy on these bars, at their timeframe or (profile peer) at a longer one that it names."""
    minutes = bars.timeframe if timeframe is None else timeframe
    if minutes % bars.timeframe:
        wanted, have = timeframe_label(minutes), timeframe_label(bars.timeframe)
        raise RequestError(
            "request.bad_strategy", f"timeframe: {wanted} candles cannot be made of {have}", field="timeframe"
        )
    return msgspec.structs.replace(strategy, timeframe=minutes, symbol=bars.symbol)
