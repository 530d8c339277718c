"""Where candles come from: files in the declared data roots, through the cache, by symbol and timeframe.

This is the gate that the queue asks before it admits anything (spec 1.2); it remembers a file's answer as
long as its path, size and modification time stay the same.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from actors._candles import GateResult
from foldward.contracts.errors import DataError, FoldwardError
from foldward.contracts.jobs import Strategy, Window
from foldward.contracts.timeframe import timeframe_label
from foldward.data.bars import NS, Bars
from foldward.data.cache import Cache
from foldward.data.entries import Entry
from foldward.data.findings import ERROR

ENDINGS = (".csv", ".parquet")


_Mark = tuple[int, int, int, int]
_Stamp = tuple[_Mark | None, ...]


class Candles:
    """The data gate over a cache and data roots. Safe for use by several threads."""

    def __init__(
        self, cache: Cache, roots: Sequence[Path], allow: Sequence[str] = (), coverage_min: float = 0.95
    ) -> None:
        self._cache = cache
        self._roots = [root.resolve() for root in roots]
        self._allow = tuple(allow)
        self._coverage_min = coverage_min
        self._known: dict[tuple[str, int], tuple[_Stamp, GateResult]] = {}
        self._places: dict[tuple[str, int], list[str]] = {}
        self._needed: set[tuple[str, int]] = set()  # asked for by more than a filter
        self._bars: dict[str, Bars] = {}
        self._lock = threading.Lock()
        self._loading = threading.Lock()

    def reconfigure(self, roots: Sequence[Path], allow: Sequence[str], coverage_min: float) -> None:
        """Look elsewhere from now on, by other rules; what was asked before is asked anew."""
        with self._lock:
            self._roots = [root.resolve() for root in roots]
            self._allow = tuple(allow)
            self._coverage_min = coverage_min
            self._known.clear()
            self._places.clear()

    def locate(self, symbol: str, timeframe: int) -> Path | None:
        """`SYMBOL_TF.csv` or `.parquet` in the first data root that has it; no path leaves the roots."""
        stem = f"{symbol}_{timeframe_label(timeframe)}"
        for root in self._roots:
            for ending in ENDINGS:
                file = (root / (stem + ending)).resolve()
                if file.parent == root and file.is_file():
                    return file
        return None

    def gate(self, strategy: Strategy) -> GateResult:
        """Whether this strategy's candles may be used, and which they are.

        The filter of profile next_open takes the symbol's own candles of its timeframe where a data root or
        the cache has them; they must pass like any others. Without them the engine makes them of the
        strategy's own bars, where that is exact.
        """
        answer = self._series(strategy.symbol, strategy.timeframe)
        rule = strategy.filter
        if rule is None or not answer.ok or strategy.profile == "peer":
            return answer
        higher = self._series(strategy.symbol, rule.timeframe, optional=True)
        if higher.code == "data.not_found":
            return answer
        if not higher.ok:
            label = timeframe_label(rule.timeframe)
            return msgspec.structs.replace(higher, message=f"the filter's {label} candles: {higher.message}")
        return msgspec.structs.replace(answer, aux={str(rule.timeframe): higher.fingerprint})

    def _series(self, symbol: str, timeframe: int, *, optional: bool = False) -> GateResult:
        key = (symbol, timeframe)
        with self._lock:
            if not optional:
                self._needed.add(key)
            stamp = self._stamp(key)
            known = self._known.get(key)
            if known is not None and known[0] == stamp and any(stamp):
                return known[1]
            answer = self._ask(self.locate(*key), *key)
            self._known[key] = (stamp, answer)
            return answer

    def _stamp(self, key: tuple[str, int]) -> _Stamp:
        """What stands at every place where the series may lie: a few stat(2), no path is resolved."""
        places = self._places.get(key)
        if places is None:
            stem = f"{key[0]}_{timeframe_label(key[1])}"
            places = [str(root / (stem + ending)) for root in self._roots for ending in ENDINGS]
            self._places[key] = places
        return tuple(_mark(place) for place in places)

    def refusals(self) -> list[tuple[str, str, str]]:
        """What was refused so far: (`SYMBOL_TF`, code, message)."""
        with self._lock:
            known = [
                (key, answer)
                for key, (_, answer) in self._known.items()
                if not answer.ok and (key in self._needed or answer.code != "data.not_found")
            ]
        return sorted(
            (f"{symbol}_{timeframe_label(minutes)}", a.code, a.message) for (symbol, minutes), a in known
        )

    def window(self, fingerprint: str, start: int | None, end: int | None) -> Window | None:
        """The exact first bar, last bar and bar count inside [start, end] (Unix seconds, inclusive)."""
        bars = self.bars(fingerprint)
        lo, hi = bars.index_range(start, end)
        if hi <= lo:
            return None
        return Window(int(bars.time[lo]) // NS, int(bars.time[hi - 1]) // NS, hi - lo)

    def bars(self, fingerprint: str) -> Bars:
        """The candles that the gate accepted under this fingerprint, mapped once."""
        # Not the gate's lock: that is held while a large file is checked, and others only want to look.
        with self._loading:
            bars = self._bars.get(fingerprint)
            if bars is None:
                bars = self._bars[fingerprint] = self._cache.load(fingerprint)
        return bars

    def _ask(self, file: Path | None, symbol: str, timeframe: int) -> GateResult:
        if file is None:
            entries = self._cache.find(symbol, timeframe)
            if entries:
                return _accepted(entries[-1])
            error: FoldwardError = DataError(
                "data.not_found", f"no candles for {symbol} {timeframe_label(timeframe)} in the data roots"
            )
            return _refused(error, None)
        try:
            entry = self._cache.ensure(
                file, timeframe, symbol=symbol, allow=self._allow, coverage_min=self._coverage_min
            )
        except FoldwardError as refusal:
            return _refused(refusal, file)
        return _accepted(entry)


def _mark(place: str) -> _Mark | None:
    try:
        found = os.stat(place)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _accepted(entry: Entry) -> GateResult:
    return GateResult(
        ok=True,
        fingerprint=entry.fingerprint,
        path=str(entry.source),
        first=entry.first,
        last=entry.last,
        rows=entry.rows,
        provenance=entry.provenance,
        warnings=tuple(finding.code for finding in entry.warnings),
    )


def _refused(error: FoldwardError, file: Path | None) -> GateResult:
    findings = _findings(error)
    further = ", ".join(
        f"{item['code']} ×{item['count']}"
        for item in findings
        if item["severity"] == ERROR and item["code"] != error.context.get("cause", error.code)
    )
    # The message becomes a verdict's reason, and the same data elsewhere must give the same verdict.
    said = error.message if file is None else error.message.replace(str(file), file.name)
    return GateResult(
        ok=False,
        path=str(file) if file else "",
        code=error.code,
        message=said + (f"; also {further}" if further else ""),
        hint=error.hint,
        findings=tuple(findings),
    )


def _findings(error: FoldwardError) -> list[dict[str, Any]]:
    report = error.context.get("report") or {}
    plain: list[dict[str, Any]] = report.get("findings", [])
    return plain
