"""From a kind and its parameters to one byte of wishes per bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foldward.backtest import _kernels as k
from foldward.data.bars import Bars

Signals = NDArray[np.uint8]
_NONE = np.zeros(0, dtype=np.float64)


def column(values: Any) -> NDArray[Any]:
    """A plain, contiguous, read-only float64 view: one array type, so one compiled version of each kernel."""
    plain = np.ascontiguousarray(values, dtype=np.float64).view(np.ndarray)
    plain = plain.view()
    plain.flags.writeable = False
    return plain


def sealed(values: NDArray[Any]) -> NDArray[Any]:
    """An array of one's own, contiguous and of the kernel's type, made read-only in place: the same type."""
    values.flags.writeable = False
    return values


def flags(values: Any) -> NDArray[np.uint8]:
    """The same for uint8 columns, which kernels also read in words of eight bytes."""
    plain = np.ascontiguousarray(values, dtype=np.uint8).view(np.ndarray)
    plain = plain.copy() if plain.ctypes.data % 8 else plain.view()
    plain.flags.writeable = False
    return plain


def _sma(b: Bars, p: Mapping[str, float], out: Signals) -> None:
    k.signal_sma(column(b.close), out, int(p["sma_short"]), int(p["sma_long"]))


def _ema(b: Bars, p: Mapping[str, float], out: Signals) -> None:
    k.signal_ema(column(b.close), out, int(p["sma_short"]), int(p["sma_long"]))


def _rsi(b: Bars, p: Mapping[str, float], out: Signals) -> None:
    k.signal_rsi(column(b.close), out, int(p["period"]), float(p["low"]), float(p["high"]), _NONE)


def _bb(b: Bars, p: Mapping[str, float], out: Signals) -> None:
    k.signal_bb(column(b.close), out, int(p["period"]), float(p["band_mult"]), _NONE, _NONE, _NONE)


def _macd(b: Bars, p: Mapping[str, float], out: Signals) -> None:
    k.signal_macd(column(b.close), out, int(p["fast"]), int(p["slow"]), int(p["signal"]), _NONE, _NONE)


def _keltner(b: Bars, p: Mapping[str, float], out: Signals) -> None:
    k.signal_keltner(
        column(b.high),
        column(b.low),
        column(b.close),
        out,
        int(p["period"]),
        int(p["atr_period"]),
        float(p["band_mult"]),
        _NONE,
        _NONE,
    )


def _stoch(b: Bars, p: Mapping[str, float], out: Signals) -> None:
    k.signal_stoch(
        column(b.high),
        column(b.low),
        column(b.close),
        out,
        int(p["period"]),
        int(p["smooth"]),
        float(p["low"]),
        float(p["high"]),
        _NONE,
    )


def _vwap(b: Bars, p: Mapping[str, float], out: Signals) -> None:
    k.signal_vwap(
        column(b.high), column(b.low), column(b.close), column(b.volume), out, int(p["period"]), _NONE
    )


def _volsma(b: Bars, p: Mapping[str, float], out: Signals) -> None:
    k.signal_volsma(column(b.close), column(b.volume), out, int(p["period"]), float(p["factor"]))


def _vpoc(b: Bars, p: Mapping[str, float], out: Signals) -> None:
    k.signal_vpoc(column(b.close), column(b.volume), out, int(p["period"]), int(p["bins"]), _NONE)


def _vwapvr(b: Bars, p: Mapping[str, float], out: Signals) -> None:
    k.signal_vwapvr(
        column(b.high),
        column(b.low),
        column(b.close),
        column(b.volume),
        out,
        int(p["period"]),
        float(p["threshold"]),
        _NONE,
    )


def _donchian(b: Bars, p: Mapping[str, float], out: Signals) -> None:
    k.signal_donchian(
        column(b.high), column(b.low), column(b.close), out, int(p["period"]), int(p["exit_period"])
    )


_BUILTIN: dict[str, Callable[[Bars, Mapping[str, float], Signals], None]] = {
    "sma": _sma,
    "ema": _ema,
    "rsi": _rsi,
    "bb": _bb,
    "macd": _macd,
    "keltner": _keltner,
    "stoch": _stoch,
    "vwap": _vwap,
    "volsma": _volsma,
    "vpoc": _vpoc,
    "vwapvr": _vwapvr,
    "donchian": _donchian,
}

# The kernels that leave no bar as they found it.
_WRITE_ALL = frozenset({"sma"})


def builtin_signals(kind: str, bars: Bars, params: Mapping[str, float]) -> Signals:
    """The signal bits of a built-in kind for every bar, from the first bar of the data on."""
    make = np.empty if kind in _WRITE_ALL else np.zeros
    out: Signals = make(len(bars), dtype=np.uint8)
    _BUILTIN[kind](bars, params, out)
    return out
