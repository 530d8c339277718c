"""The built-in kinds: parameters, rules with their sources, warm-up.

What computes their signals is found by its name in `_signals`.
"""

from __future__ import annotations

from foldward.backtest._kind import MAX_PERIOD, Kind, Param, Params


def _period(default: int, low: int = 2) -> Param:
    return Param(default, low, MAX_PERIOD, integer=True)


def builtin() -> list[Kind]:
    """All of them, in the order of the documentation."""
    averages = {"sma_short": _period(5, 1), "sma_long": _period(20)}
    level = {"low": Param(30, 0, 100), "high": Param(70, 0, 100)}
    band = Param(2.0, 0.0, 100.0)

    def first(params: Params) -> int:
        return int(params["period"])

    def names(long_name: str | None = None, short_name: str = "period") -> dict[str, str | None]:
        return {"sma_short": short_name, "sma_long": long_name}

    return [
        Kind(
            "sma",
            averages,
            "Crossover of two simple moving averages of the close. Long when the short one crosses above the "
            "long one, out when it crosses below; shorts mirror. Murphy, Technical Analysis of the Financial "
            "Markets (1999), ch. 9.",
            lambda p: int(p["sma_long"]),
            order=(("sma_short", "sma_long"),),
        ),
        Kind(
            "ema",
            averages,
            "Crossover of two exponential moving averages (smoothing 2/(period+1), seeded with the simple "
            "mean of the first period values, as TA-Lib EMA). Rules as sma. Murphy (1999), ch. 9.",
            lambda p: int(p["sma_long"]),
            order=(("sma_short", "sma_long"),),
        ),
        Kind(
            "rsi",
            {"period": _period(14), **level},
            "Relative strength index with Wilder's smoothing (TA-Lib RSI). Long when it crosses above low, "
            "out when it crosses above high; short when it crosses below high, out when it crosses below "
            "low. Wilder, New Concepts in Technical Trading Systems (1978).",
            lambda p: first(p) + 1,
            order=(("low", "high"),),
            aliases=names(),
        ),
        Kind(
            "bb",
            {"period": _period(20), "band_mult": band},
            "Bollinger bands: simple mean ± band_mult population standard deviations (TA-Lib BBANDS). Long "
            "when the close crosses back above the lower band, out at close ≥ middle; shorts mirror at the "
            "upper band. Bollinger on Bollinger Bands (2001).",
            first,
            aliases=names(),
        ),
        Kind(
            "keltner",
            {"period": _period(20), "atr_period": _period(14, 1), "band_mult": band},
            "Keltner channel in Raschke's form: EMA of the close ± band_mult average true ranges (TA-Lib EMA "
            "and ATR). Rules as bb. Keltner, How to Make Money in Commodities (1960); Raschke and Connors, "
            "Street Smarts (1995).",
            lambda p: max(int(p["period"]), int(p["atr_period"]) + 1),
            aliases=names(),
        ),
        Kind(
            "macd",
            {"fast": _period(12), "slow": _period(26), "signal": _period(9, 1)},
            "Moving average convergence/divergence (TA-Lib MACD). Long when the line crosses above its "
            "signal line, out when it crosses below; shorts mirror. Appel, The Moving Average "
            "Convergence-Divergence Trading Method (1979).",
            lambda p: int(p["slow"]) + int(p["signal"]) - 1,
            order=(("fast", "slow"),),
            aliases=names("slow", "fast"),
        ),
        Kind(
            "stoch",
            {
                "period": _period(14),
                "smooth": _period(3, 1),
                "low": Param(20, 0, 100),
                "high": Param(80, 0, 100),
            },
            "Slow stochastic %K: the close's place in the range of the last period bars, averaged over "
            "smooth bars (TA-Lib STOCH, slowk). Long when %K crosses above low, out when it crosses above "
            "high; shorts mirror. Lane, Lane's Stochastics (Stocks & Commodities, 1984).",
            lambda p: first(p) + int(p["smooth"]) - 1,
            order=(("low", "high"),),
            aliases=names(),
        ),
        Kind(
            "vwap",
            {"period": _period(20)},
            "Rolling volume-weighted average of the typical price (high + low + close) / 3. Long when the "
            "close crosses above it, out when it crosses below; shorts mirror. A window without volume gives "
            "no signal. Berkowitz, Logue, Noser, Journal of Finance 43 (1988).",
            first,
            aliases=names(),
        ),
        Kind(
            "volsma",
            {"period": _period(20), "factor": Param(1.5, 0.01, 1000.0)},
            "Volume spike: the volume crosses above factor × its simple mean (this bar included) on an up "
            "bar (close above the previous close): long, out on the same on a down bar; shorts mirror. "
            "Murphy (1999), ch. 7.",
            first,
            aliases=names(),
        ),
        Kind(
            "vpoc",
            {"period": _period(30), "bins": Param(12, 2, 1000, integer=True)},
            "Volume point of control: the mid price of the fullest bin (the lowest of equals) of a volume "
            "profile of closes over period bars. Long when the close crosses above it, out when it crosses "
            "below; shorts mirror. Steidlmayer, Markets and Market Logic (1986).",
            first,
            aliases=names("bins"),
        ),
        Kind(
            "vwapvr",
            {"period": _period(20), "threshold": Param(125, 0.0, 1e6)},
            "Signed volume ratio: 100 × volume / its mean over period bars, positive when the close is at or "
            "above the rolling VWAP, else negative. Long when it crosses above threshold, out at ≤ 0; short "
            "when it crosses below −threshold, out at ≥ 0.",
            first,
            aliases=names("threshold"),
        ),
        Kind(
            "donchian",
            {"period": _period(20, 1), "exit_period": _period(10, 1)},
            "Channel breakout: long when the close is above the highest high of the previous period bars, "
            "out when it is below the lowest low of the previous exit_period bars; shorts mirror. Donchian's "
            "rule as in Faith, The Original Turtle Trading Rules (2003).",
            lambda p: max(first(p), int(p["exit_period"])),
            aliases=names("exit_period"),
        ),
    ]
