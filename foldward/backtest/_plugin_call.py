"""Calling a user's strategy: sealed candles, watched for clocks, asked often enough to trust the answer."""

from __future__ import annotations

import datetime
import random
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foldward.backtest import _kernels as k
from foldward.backtest._cuts import cuts
from foldward.backtest._kind import Kind
from foldward.backtest.stretch import prefix
from foldward.contracts.errors import EngineError
from foldward.contracts.jobs import Fault
from foldward.data.bars import Bars

_BITS = {
    "long_entry": k.LONG_ENTRY,
    "short_entry": k.SHORT_ENTRY,
    "long_exit": k.LONG_EXIT,
    "short_exit": k.SHORT_EXIT,
}
_CLOCKS = {
    name + suffix
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")
    for suffix in ("", "_ns")
} | {"localtime", "gmtime", "ctime", "strftime", "clock_gettime", "clock_gettime_ns"}
# One at a time: the checks change the process's global random state and put it back.
_lock = threading.Lock()


@dataclass(frozen=True)
class Plugin:
    """A registered plugin: the kind it makes, what to call, a digest of its source, and where it is from: a
    module, or an entry point with its distribution's version.
    """

    kind: Kind
    call: Callable[..., Any]
    wants_seed: bool
    source: str
    origin: str = ""


def checked_signals(
    plugin: Plugin, bars: Bars, params: Mapping[str, float], seed: int
) -> tuple[NDArray[np.uint8], tuple[Fault, ...]]:
    """The plugin's signal bits for every bar, and what is wrong with them (then the run is INVALID).

    Checked each time: it reads no clock; two runs under different global random state agree;
    signals on a prefix of the data must equal the full run's (no look-ahead); nothing is NaN; the candles are
    not changed (they are read-only). Raises EngineError `engine.failed` when the plugin raises.
    """
    with _lock:
        numpy_state, python_state = np.random.get_state(), random.getstate()
        try:
            return _checked(plugin, bars, params, seed)
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


def _checked(
    plugin: Plugin, bars: Bars, params: Mapping[str, float], seed: int
) -> tuple[NDArray[np.uint8], tuple[Fault, ...]]:
    name = plugin.kind.name
    try:
        first = _bits(_call(plugin, bars, params, seed, state=1), len(bars))
        second = _bits(_call(plugin, bars, params, seed, state=2), len(bars))
        different = np.flatnonzero(first != second)
        if len(different):
            return first, (
                Fault(
                    "engine.nondeterministic",
                    f"kind {name!r} gave two answers for one input, first at bar {different[0]}: it uses a "
                    "random source, or keeps state between calls",
                ),
            )
        for cut in cuts(bars.close, first):
            part = _bits(_call(plugin, prefix(bars, cut), params, seed, state=3), cut)
            wrong = np.flatnonzero(part != first[:cut])
            if len(wrong):
                return first, (
                    Fault(
                        "engine.lookahead",
                        f"kind {name!r} decides differently at bar {wrong[0]} when the data ends at bar "
                        f"{cut - 1}: it uses later bars",
                    ),
                )
    except _Impure as error:
        return np.zeros(len(bars), dtype=np.uint8), (
            Fault("engine.nondeterministic", f"kind {name!r}: {error}"),
        )
    except _NotANumber as error:
        return np.zeros(len(bars), dtype=np.uint8), (Fault("engine.not_finite", f"kind {name!r}: {error}"),)
    return first, ()


class _NotANumber(Exception):
    """The plugin returned NaN or infinity."""


class _Impure(Exception):
    """The plugin was seen doing what makes its answer depend on more than its input."""


def _call(plugin: Plugin, bars: Bars, params: Mapping[str, float], seed: int, state: int) -> Any:
    np.random.seed(state)
    random.seed(state)
    extra = {"seed": seed} if plugin.wants_seed else {}
    before = sys.getprofile()
    home = getattr(plugin.call, "__module__", "").partition(".")[0]
    seen: list[str] = []

    def watch(frame: FrameType, event: str, called: Any) -> None:
        # C calls made by the plugin's own package; what libraries time for themselves is their business.
        if event == "c_call" and str(frame.f_globals.get("__name__", "")).partition(".")[0] == home:
            reads = _reads_clock(called)
            if reads:
                seen.append(reads)

    sys.setprofile(watch)
    try:
        answer = plugin.call(_sealed(bars), dict(params), **extra)
        sys.setprofile(before)
        if seen:
            raise _Impure(f"it reads the clock ({seen[0]})")
        return answer
    except _Impure:
        raise
    except Exception as error:  # foreign code: whatever it raises becomes our one coded error
        raise EngineError(
            "engine.failed",
            f"kind {plugin.kind.name!r} failed: {type(error).__name__}: {error}",
            retryable=False,
            kind=plugin.kind.name,
        ) from error
    finally:
        sys.setprofile(before)


def _reads_clock(called: Any) -> str | None:
    owner = getattr(called, "__self__", None)
    name = getattr(called, "__name__", "")
    if getattr(owner, "__name__", "") == "time" and name in _CLOCKS:
        return f"time.{name}"
    if isinstance(owner, type) and issubclass(owner, datetime.date) and name in ("now", "utcnow", "today"):
        return f"{owner.__name__}.{name}"
    return None


def _sealed(bars: Bars) -> Bars:
    """The same candles behind read-only views: a plugin cannot change what everyone shares."""
    columns: dict[str, Any] = {}
    for name in ("time", "open", "high", "low", "close", "volume", "day_end"):
        view = np.asarray(getattr(bars, name)).view()
        view.flags.writeable = False
        columns[name] = view
    return replace(bars, **columns)


def _bits(answer: Any, n: int) -> NDArray[np.uint8]:
    if isinstance(answer, Mapping):
        unknown = [key for key in answer if key not in _BITS]
        if unknown or not answer:
            raise _shape(f"the mapping has the columns {sorted(map(str, answer))}; known are {sorted(_BITS)}")
        bits = np.zeros(n, dtype=np.uint8)
        for key, column in answer.items():
            values = _column(column, n, key)
            bits |= np.where(values != 0, _BITS[key], 0).astype(np.uint8)
        return bits
    target = _column(answer, n, "target position")
    if not np.isin(target, (-1.0, 0.0, 1.0)).all():
        raise _shape("a target position must be −1, 0 or 1 (the size is the strategy's `units`)")
    bits = np.full(n, k.LONG_EXIT | k.SHORT_EXIT, dtype=np.uint8)
    # A target is a wish that stands: only a change opens a position, else every stop would be undone at once.
    before = np.concatenate(([0.0], target[:-1]))
    bits[target > 0] = k.SHORT_EXIT
    bits[target < 0] = k.LONG_EXIT
    bits[(target > 0) & (before <= 0)] |= k.LONG_ENTRY
    bits[(target < 0) & (before >= 0)] |= k.SHORT_ENTRY
    return bits


def _column(values: Any, n: int, name: str) -> NDArray[np.float64]:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise _shape(f"{name} is not a column of numbers: {error}") from error
    if column.shape != (n,):
        raise _shape(f"{name} has the shape {column.shape}; the candles have {n} bars")
    if not np.isfinite(column).all():
        raise _NotANumber(f"{name} is not a number at bar {int(np.flatnonzero(~np.isfinite(column))[0])}")
    return column


def _shape(message: str) -> EngineError:
    return EngineError("engine.failed", message, retryable=False)
