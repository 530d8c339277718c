"""How many strategies without any skill get the final PASS?

    python benchmarks/stats/noise_verdicts.py [--series 10] [--strategies 100] [--days 1600] [--seed 1]

Each series is a random walk of four-hour candles without drift, so whatever a rule earns on it is luck. Every
strategy goes the way of the product: in-sample backtest and out-of-sample run by the worker's own function,
every backtest counted as a trial of its series, evidence against luck from a worker where no gate is missed
yet, and `actors._gates.judge`. Costs and volatility are low on purpose: what stops noise is to be the gates,
not the broker. With --edge X the returns carry that autocorrelation, rules that follow it have skill, and
some must pass.

Prints as JSON the verdicts, the share of PASS (to be <= .05) and of series with any, by the default gates and
by easy ones (rank A asks no more than rank B, and 30 trades); `undeflated`: the same without the deflated
Sharpe ratio, to see what it stops.
"""

import argparse
import itertools
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
from loguru import logger

from actors._gates import judge
from actors._numbers import Numbers, Side, Split
from actors._trials import TrialBook, block_sums
from foldward.backtest import warm_up
from foldward.contracts.jobs import Backtest, Costs, Strategy, unit_seed
from foldward.data.cache import Cache
from foldward.settings import GatesTable
from foldward.worker import run_job

START = 1_577_836_800  # 2020-01-01
STEP = 4 * 3600
OOS_S = 180 * 86_400
DEFAULT = GatesTable()
_MORE = {"oos_sharpe": 0.0, "trades": 30, "expectancy": 0.0, "ruin": 1.0}
EASY = DEFAULT.model_copy(update={"A": DEFAULT.B.model_copy(update=_MORE)})
GATES = {
    "default": DEFAULT,
    "default undeflated": DEFAULT.model_copy(update={"final_dsr": 0.0}),
    "easy": EASY,
    "easy undeflated": EASY.model_copy(update={"final_dsr": 0.0}),
}


def candles(folder, number, *, days, seed, edge):
    """The file of one series: log returns of 0.1 % a candle, each with `edge` of the one before."""
    rng = np.random.default_rng([seed, number])
    count = days * 6
    steps = rng.normal(0.0, 0.001, (count, 4))
    for i in range(1, count):
        steps[i, 3] += edge * steps[i - 1, 3]
    close = 100.0 * np.exp(np.cumsum(steps[:, 3]))
    opening = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opening, close) * np.exp(np.abs(steps[:, 0]) / 2)
    low = np.minimum(opening, close) * np.exp(-np.abs(steps[:, 1]) / 2)
    volume = 100.0 + 1e4 * np.abs(steps[:, 2])
    times = START + STEP * np.arange(count)
    file = Path(folder) / f"WALK{number}_H4.csv"
    rows = zip(*(x.tolist() for x in (times, opening, high, low, close, volume)), strict=True)
    lines = [",".join(map(repr, row)) for row in rows]
    file.write_text("\n".join(["timestamp,open,high,low,close,volume", *lines]) + "\n")
    return file


def rules():
    """Kinds and parameters, the quick ones first: they make the trades that the gates want."""
    averages = [
        (kind, {"sma_short": short, "sma_long": long})
        for short, long, kind in itertools.product((2, 3, 5, 8), (10, 15, 20, 40), ("sma", "ema"))
    ]
    rsi = [
        ("rsi", {"period": p, "low": low, "high": 100 - low}) for p in (3, 5, 9, 14) for low in (20, 30, 40)
    ]
    bands = [
        (kind, {"period": p, "band_mult": m})
        for kind in ("bb", "keltner")
        for p in (10, 20, 30)
        for m in (1.0, 1.5, 2.0)
    ]
    stoch = [("stoch", {"period": p, "smooth": s}) for p in (5, 9, 14) for s in (1, 3)]
    macd = [("macd", {"fast": f, "slow": s, "signal": 5}) for f in (3, 6, 12) for s in (15, 26)]
    broken = [("donchian", {"period": p, "exit_period": e}) for p in (5, 10, 20) for e in (3, 5)]
    volume = [(kind, {"period": p}) for kind in ("vwap", "vpoc") for p in (5, 10, 20)]
    return [*averages, *rsi, *bands, *stoch, *macd, *broken, *volume]


def strategies(count, symbol):
    """`count` different definitions: the rules, then the rules again with a stop, with a target …"""
    levels = [(None, None), ("2%", None), (None, "1%"), ("1%", "1%"), ("3%", "2%")]
    chosen = itertools.islice(itertools.product(levels, rules()), count)
    return [
        Strategy(
            name=f"{symbol}-{number}",
            kind=kind,
            params={name: float(value) for name, value in params.items()},
            symbol=symbol,
            timeframe=240,
            sl=sl,
            tp=tp,
            units=100.0,
            costs=Costs(commission_bps=0.01),
        )
        for number, ((sl, tp), (kind, params)) in enumerate(chosen)
    ]


def side(result):
    """A worker's answer as the verdict takes it."""
    names = ("sharpe", "profit_factor", "win_rate", "max_drawdown", "expectancy")
    return Side(
        **{name: result.metrics.get(name) for name in names},
        trades=result.trades,
        reasons=result.reasons,
        fingerprint=result.fingerprint,
    )


def one_series(folder, number, *, count, days, seed, edge):
    """The verdicts on each strategy of one series, by each of GATES."""
    file = candles(folder, number, days=days, seed=seed, edge=edge)
    cache = Cache(Path(folder) / "cache")
    entry = cache.ensure(file, 240)
    spans = {"backtest": (entry.first, entry.last - OOS_S - 1), "oos": (entry.last - OOS_S, entry.last)}

    def ask(strategy, phase, span, plan=None):
        job = Backtest(
            request_id=f"{strategy.name}-{phase}",
            strategy=strategy,
            phase=phase,
            data_id=entry.fingerprint,
            timeframe=240,
            start_time=span[0],
            end_time=span[1],
            seed=unit_seed(seed, strategy.name, phase, *span),
            plan=plan,
        )
        result = run_job(job, cache)
        if result.error is not None or result.verdict != "OK":
            raise RuntimeError(f"{strategy}: {result.error or result.faults}")
        return result

    made, book = [], TrialBook()
    for strategy in strategies(count, entry.symbol):
        inside, outside = (ask(strategy, phase, span) for phase, span in spans.items())
        trial = f"{strategy.name}:{inside.window.start}:{inside.window.end}"  # as `trial_of` names it
        book.add(entry.fingerprint, trial, block_sums(inside.blocks))
        made.append((strategy, Numbers(name=strategy.name, backtest=side(inside), oos=side(outside))))
    for strategy, numbers in made:
        verdicts = {name: judge(numbers, gates).verdict for name, gates in GATES.items()}
        if set(verdicts.values()) != {"FAIL"}:
            proof = ask(strategy, "evidence", (entry.first, entry.last), book.plan(entry.fingerprint))
            report = Split(report=proof.detail, fingerprint=entry.fingerprint)
            whole = msgspec.structs.replace(numbers, evidence=report)
            verdicts = {name: judge(whole, gates).verdict for name, gates in GATES.items()}
        yield verdicts


def study(*, series, strategies, days, seed, edge=0.0):
    """The figures of a whole study."""
    began = time.perf_counter()
    warm_up()
    verdicts = {name: Counter() for name in GATES}
    touched = Counter()
    for number in range(series):
        with tempfile.TemporaryDirectory() as folder:
            judged = list(one_series(folder, number, count=strategies, days=days, seed=seed, edge=edge))
        for name, counted in verdicts.items():
            counted.update(row[name] for row in judged)
            touched[name] += any(row[name] == "PASS" for row in judged)
    figures = {
        name: {
            "verdicts": dict(counted),
            "share_pass": counted["PASS"] / counted.total(),
            "share_of_series": touched[name] / series,
        }
        for name, counted in verdicts.items()
    }
    seconds = round(time.perf_counter() - began, 1)
    return {"seed": seed, "edge": edge, "judged": series * strategies, "gates": figures, "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=10)
    parser.add_argument("--strategies", type=int, default=100)
    parser.add_argument("--days", type=int, default=1600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--edge", type=float, default=0.0)
    logger.remove()
    print(json.dumps(study(**vars(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
