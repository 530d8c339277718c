"""The candles of a job: from the cache, from a file inside the data roots, or from the message itself."""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import msgspec

from foldward.contracts import clock
from foldward.contracts.errors import DataError, RequestError
from foldward.contracts.jobs import Backtest, Candle
from foldward.contracts.timeframe import parse_timeframe, timeframe_label
from foldward.data.bars import NS, Bars
from foldward.data.entries import data_notes
from foldward.data.findings import Finding

if TYPE_CHECKING:
    from foldward.data.cache import Cache


_SHELF = 64
_DAY = 1440
_shelves: WeakKeyDictionary[Cache, OrderedDict[str, tuple[Bars, tuple[str, ...]]]] = WeakKeyDictionary()


def load_bars(job: Backtest, cache: Cache, roots: Sequence[Path]) -> tuple[Bars, list[str]]:
    """The job's bars and notes about them. Raises DataError and RequestError.

    `data_id` wins over `candles_file`, which wins over `candles`. A damaged cache entry is stored anew from
    its archive or source before it is given up.
    """
    notes: list[str] = []
    if job.data_id is not None:
        return _cached(job.data_id, cache, notes), notes
    if job.candles_file is not None:
        return _from_file(job.candles_file, job, cache, roots, notes), notes
    if job.candles is not None:
        minutes = job.timeframe
        if job.strategy.profile == "peer":
            minutes = _own_step(job.candles) or minutes
        return inline_bars(job.candles, minutes, job.symbol), notes
    raise RequestError(
        "request.bad_param", "the request names no data: data_id, candles_file or candles", field="data_id"
    )


def load_aux(
    job: Backtest, bars: Bars, cache: Cache, roots: Sequence[Path]
) -> tuple[dict[int, Bars], list[str]]:
    """Minutes → Bars for the higher-timeframe filter, and notes.

    Without candles of its own, the filter of profile next_open sees the job's bars, resampled, where that is
    the same series exactly (`resampled`); elsewhere it has none and the engine lets no entry pass. Profile
    peer keeps the peer's rule for missing candles.
    """
    aux: dict[int, Bars] = {}
    notes: list[str] = []
    for key, rows in (job.aux_candles or {}).items():
        minutes = parse_timeframe(key)
        aux[minutes] = inline_bars(rows, minutes, job.symbol)
    for key, fingerprint in (job.aux_data_ids or {}).items():
        minutes = parse_timeframe(key)
        if minutes not in aux:
            aux[minutes] = _cached(fingerprint, cache, notes)
            notes.append(f"filter candles {timeframe_label(minutes)} {fingerprint}")
    for key, path in (job.aux_candles_files or {}).items():
        minutes = parse_timeframe(key)
        if minutes not in aux:
            higher = replace_job(job, path, minutes)
            aux[minutes] = _from_file(path, higher, cache, roots, notes)
    rule = job.strategy.filter
    if rule is not None and rule.timeframe not in aux and job.strategy.profile != "peer":
        higher_bars = resampled(bars, rule.timeframe)
        if higher_bars is not None:
            aux[rule.timeframe] = higher_bars
            notes.append(f"filter candles {timeframe_label(rule.timeframe)} resampled from the data")
    return aux, notes


def resampled(bars: Bars, minutes: int) -> Bars | None:
    """The bars at a longer timeframe, or None where that would be a guess.

    It is none where each longer bar is made of whole bars and begins where everybody's does: a multiple of
    the bars' own timeframe that divides the UTC day, bars that open on multiples of theirs. Weeks and months
    begin differently from source to source.
    """
    from foldward.backtest import resample

    step = bars.timeframe * 60 * NS
    if minutes % bars.timeframe or _DAY % minutes or (bars.time % step).any():
        return None
    return resample(bars, minutes)


def replace_job(job: Backtest, path: str, minutes: int) -> Backtest:
    """The job as if its data were this file."""
    return msgspec.structs.replace(job, candles_file=path, timeframe=minutes)


def inline_bars(rows: Iterable[Candle], timeframe: int, symbol: str) -> Bars:
    """Bars of candles that came with the message, held to the same contract as a file.

    Raises DataError with the first finding's own code.
    """
    from foldward.data.contract import examine, terms

    lines = ["time,open,high,low,close,volume"]
    lines += [f"{row.t},{row.o!r},{row.h!r},{row.l!r},{row.c!r},{row.v!r}" for row in rows]
    said = terms("inline.csv", timeframe, symbol=symbol, utc=True)
    checked = examine("inline candles", "\n".join(lines).encode() + b"\n", said, clock.utc_us())
    if checked.bars is None:
        worst = next(item for item in checked.report.findings if item.severity == "ERROR")
        raise DataError(worst.code, f"inline candles: {worst.rule or worst.code}{_place(worst)}")
    return checked.bars


def _own_step(rows: Sequence[Candle]) -> int | None:
    """Minutes between the candles: a peer's strategy names what they are resampled to, not what they are."""
    steps = [after.t - before.t for before, after in itertools.pairwise(rows)]
    shortest = min((step for step in steps if step > 0), default=0)
    return shortest // 60 if shortest and shortest % 60 == 0 else None


def _place(finding: Finding) -> str:
    if not finding.places:
        return ""
    first = finding.places[0]
    where = "" if first.line is None else f"candle {first.line - 2}: "  # the header is line 1
    return f" ({where}{first.detail})"


def _cached(fingerprint: str, cache: Cache, notes: list[str]) -> Bars:
    """Mapped once and kept: a worker computes many strategies on few series."""
    shelf = _shelves.setdefault(cache, OrderedDict())
    kept = shelf.get(fingerprint)
    if kept is None:
        while len(shelf) >= _SHELF:
            shelf.popitem(last=False)
        told: list[str] = []
        kept = shelf[fingerprint] = (_load(fingerprint, cache, told), tuple(told))
    else:
        shelf.move_to_end(fingerprint)
    notes += kept[1]
    return kept[0]


def forget(cache: Cache, but: Iterable[str]) -> None:
    """Let go of every kept series of this cache but these."""
    shelf, wanted = _shelves.get(cache, OrderedDict()), frozenset(but)
    for fingerprint in [name for name in shelf if name not in wanted]:
        del shelf[fingerprint]


def load_whole(fingerprint: str, cache: Cache, notes: list[str] | None = None) -> Bars:
    """A series of the cache; a damaged entry is stored anew first. Raises DataError."""
    try:
        return cache.load(fingerprint)
    except DataError as error:
        if error.code != "data.corrupt":
            raise
        cache.rebuild(fingerprint)
        if notes is not None:
            notes.append("the cache entry was damaged and has been stored anew")
        return cache.load(fingerprint)


def _load(fingerprint: str, cache: Cache, notes: list[str]) -> Bars:
    bars = load_whole(fingerprint, cache, notes)
    entry = cache.entry(fingerprint)
    if entry is not None:
        notes += data_notes(entry)
    return bars


def _from_file(path: str, job: Backtest, cache: Cache, roots: Sequence[Path], notes: list[str]) -> Bars:
    inside = inside_roots(path, roots)
    minutes = None if job.strategy.profile == "peer" else job.timeframe  # None: what the file says
    entry = cache.ensure(inside, minutes, symbol=job.symbol or None, utc=True)
    return _cached(entry.fingerprint, cache, notes)


def inside_roots(path: str, roots: Sequence[Path]) -> Path:
    """The real path, if it lies in a declared data root. Raises DataError `data.outside_root`."""
    if "\0" in path:
        raise DataError("data.outside_root", "the path holds a NUL byte")
    for root in roots:
        base = os.path.realpath(root)
        real = os.path.realpath(path if os.path.isabs(path) else os.path.join(base, path))
        if real.startswith(base.rstrip("/") + "/"):
            return Path(real)
    known = ", ".join(str(root) for root in roots) or "none is declared"
    raise DataError("data.outside_root", f"{path!r} lies in no data root ({known})", path=path)
