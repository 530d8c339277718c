"""What must hold for every series, kind and window."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as change

from foldward.backtest import KINDS, combine, resample, simulate
from foldward.backtest._signals import builtin_signals
from foldward.backtest.blocks import combine_all, fold
from foldward.backtest.engine import prepare, run
from foldward.backtest.kinds import resolve_params
from foldward.backtest.stretch import prefix
from foldward.backtest.windows import measure_ranges
from foldward.contracts.jobs import Costs, Filter, Strategy
from foldward.data.bars import NS, Bars, day_ends

pytestmark = pytest.mark.slow
BUILT_IN = sorted(name for name, kind in KINDS.items() if kind.builtin)
# Short periods, so that a few hundred bars hold many trades.
SHORT = {
    "sma": {"sma_short": 2, "sma_long": 5},
    "ema": {"sma_short": 2, "sma_long": 5},
    "rsi": {"period": 4, "low": 40, "high": 60},
    "bb": {"period": 6, "band_mult": 1.0},
    "keltner": {"period": 5, "atr_period": 3, "band_mult": 0.5},
    "macd": {"fast": 3, "slow": 7, "signal": 3},
    "stoch": {"period": 5, "smooth": 2, "low": 30, "high": 70},
    "vwap": {"period": 5},
    "volsma": {"period": 5, "factor": 1.1},
    "vpoc": {"period": 8, "bins": 5},
    "vwapvr": {"period": 5, "threshold": 100},
    "donchian": {"period": 4, "exit_period": 2},
}


def walk(seed, n=400, minutes=60, gaps=0.002, scale=1.0):
    """A random walk with gaps between bars, weekends left out, prices on a coarse grid so that ties occur."""
    rng = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.01, n))), 1)
    opening = np.round(np.concatenate((close[:1], close[:-1])) * (1 + rng.normal(0, gaps, n)), 1)
    reach = np.round(np.abs(rng.normal(0, 0.006, n)) * close, 1)
    slots = np.arange(3 * n)
    time = 1_704_067_200 + 60 * minutes * slots
    time = time[(time // 86_400 + 3) % 7 < 5][:n]
    return Bars(
        time=time.astype(np.int64) * NS,
        open=opening * scale,
        high=(np.maximum(opening, close) + reach) * scale,
        low=(np.minimum(opening, close) - reach) * scale,
        close=close * scale,
        volume=rng.integers(0, 50, n).astype(np.float64),
        day_end=day_ends(time.astype(np.int64) * NS),
        timeframe=minutes,
    )


levels = st.sampled_from([None, 1.5, "2%", "1.5atr"])
costs = st.builds(
    Costs,
    commission_bps=st.sampled_from([1.0, 5.0, 25.0]),
    spread=st.sampled_from([0.0, 0.1]),
    slippage=st.sampled_from([0.0, 0.05]),
    swap_long=st.sampled_from([0.0, -0.02]),
    swap_short=st.sampled_from([0.0, 0.01]),
)


@st.composite
def definitions(draw):
    kind = draw(st.sampled_from(BUILT_IN))
    return Strategy(
        name="p",
        kind=kind,
        params=SHORT[kind],
        sl=draw(levels),
        tp=draw(levels),
        atr_period=5,
        direction=draw(st.sampled_from(["long", "short", "both"])),
        stop_anchor=draw(st.sampled_from(["fill", "signal"])),
        units=draw(st.sampled_from([0.1, 1.0, 7.0])),
        cash=draw(st.sampled_from([3_000.0, 10_000.0])),
        costs=draw(costs),
    )


seeds = st.integers(0, 10_000)
many = settings(max_examples=60, deadline=None)


@pytest.mark.parametrize("kind", BUILT_IN)
@many
@given(seed=seeds, cut=st.integers(2, 399))
def test_a_signal_never_changes_when_later_bars_are_added(kind, seed, cut):
    bars = walk(seed)
    params = resolve_params(kind, SHORT[kind])
    whole = builtin_signals(kind, bars, params)
    assert (builtin_signals(kind, prefix(bars, cut), params) == whole[:cut]).all()


@pytest.mark.parametrize("kind", BUILT_IN)
def test_every_kind_trades_on_a_random_walk(kind):
    found = [simulate(walk(seed), Strategy(name="p", kind=kind, params=SHORT[kind])) for seed in range(5)]
    assert sum(out.metrics["trades"] for out in found) >= 20
    assert {out.verdict for out in found} == {"OK"}


@pytest.mark.parametrize("kind", BUILT_IN)
def test_no_signal_appears_before_the_warm_up_is_over(kind):
    for params in ({}, SHORT[kind]):
        resolved = resolve_params(kind, params)
        warmup = KINDS[kind].warmup(resolved)
        first = []
        for seed in range(20):
            signals = builtin_signals(kind, walk(seed), resolved)
            assert not signals[:warmup].any()
            first.append(int(np.flatnonzero(signals)[0]))
        assert min(first) < warmup + 60


@many
@given(seed=seeds, definition=definitions())
def test_every_run_keeps_the_invariants(seed, definition):
    out = simulate(walk(seed), definition)
    assert out.faults == ()
    trades = out.trades
    assert (trades["entry_bar"] <= trades["exit_bar"]).all()
    assert (trades["exit_bar"][:-1] <= trades["entry_bar"][1:]).all()
    assert trades["pnl"].sum() == pytest.approx(out.metrics["pnl"], abs=1e-9 * definition.cash)
    assert out.day_equity[-1] == pytest.approx(definition.cash + out.metrics["pnl"])
    again = (
        trades["direction"] * trades["units"] * (trades["exit_price"] - trades["entry_price"])
        - trades["commission"]
        + trades["swap"]
    )
    np.testing.assert_allclose(again, trades["pnl"], atol=1e-9)
    if definition.direction != "both":
        assert set(trades["direction"].tolist()) <= {1 if definition.direction == "long" else -1}


@many
@given(seed=seeds, definition=definitions())
def test_equity_at_each_day_is_cash_plus_position(seed, definition):
    bars = walk(seed)
    out = simulate(bars, definition)
    trades = out.trades
    for block, equity in zip(out.blocks, out.day_equity, strict=True):
        bar = block["last_bar"]
        done = trades[trades["exit_bar"] <= bar]
        value = definition.cash + done["pnl"].sum()
        for row in trades[(trades["entry_bar"] <= bar) & (trades["exit_bar"] > bar)]:
            side, units = int(row["direction"]), float(row["units"])
            nights = sum(
                int(bars.time[i] // (86_400 * NS) - bars.time[i - 1] // (86_400 * NS))
                for i in range(row["entry_bar"] + 1, bar + 1)
            )
            rate = definition.costs.swap_long if side > 0 else definition.costs.swap_short
            value += side * units * (bars.close[bar] - row["entry_price"]) + nights * rate * units
            value -= row["entry_price"] * units * definition.costs.commission_bps / 1e4
        assert equity == pytest.approx(value, rel=1e-9)


@many
@given(seed=seeds, definition=definitions())
def test_costs_never_raise_equity(seed, definition):
    bars = walk(seed)
    free = simulate(bars, replace_costs(definition, Costs(zero=True)))
    cheap = simulate(bars, replace_costs(definition, Costs(commission_bps=1)))
    dear = simulate(bars, replace_costs(definition, Costs(commission_bps=9, spread=0.05, slippage=0.02)))
    for less, more in ((free, cheap), (cheap, dear)):
        assert less.metrics["trades"] == more.metrics["trades"]
        assert (more.day_equity <= less.day_equity + 1e-9).all()
        assert (more.trades["raw_exit"] == less.trades["raw_exit"]).all()


def replace_costs(definition, costs_):
    return change(definition, costs=costs_)


@many
@given(seed=seeds, definition=definitions(), power=st.sampled_from([-3, -1, 2, 5]))
def test_scaling_all_prices_scales_all_money(seed, definition, power):
    factor = 2.0**power  # exact in binary: not one bit of a price changes but its exponent
    scaled = change(
        definition,
        cash=definition.cash * factor,
        sl=definition.sl * factor if isinstance(definition.sl, float) else definition.sl,
        tp=definition.tp * factor if isinstance(definition.tp, float) else definition.tp,
        costs=change(
            definition.costs,
            spread=definition.costs.spread * factor,
            slippage=definition.costs.slippage * factor,
            swap_long=definition.costs.swap_long * factor,
            swap_short=definition.costs.swap_short * factor,
        ),
    )
    one, other = simulate(walk(seed), definition), simulate(walk(seed, scale=factor), scaled)
    assert (one.trades["entry_bar"] == other.trades["entry_bar"]).all()
    assert (one.trades["exit_bar"] == other.trades["exit_bar"]).all()
    np.testing.assert_allclose(one.trades["pnl"] * factor, other.trades["pnl"], rtol=1e-9, atol=1e-9 * factor)
    for name in ("sharpe", "max_drawdown", "win_rate", "exposure", "turnover"):
        if one.metrics[name] is not None and abs(one.metrics[name]) > 1e-9:
            assert other.metrics[name] == pytest.approx(one.metrics[name], rel=1e-6)


@many
@given(seed=seeds, definition=definitions(), ends=st.tuples(st.integers(0, 399), st.integers(0, 399)))
def test_a_window_from_one_pass_equals_the_window_alone(seed, definition, ends):
    bars = walk(seed)
    prepared = prepare(bars, definition)
    lo, hi = min(ends), max(ends) + 1
    ranges = [(lo, hi), (0, hi), (lo, 400), (0, 400), (lo, lo), (lo, lo + 1)]
    for (start, stop), measured in zip(ranges, measure_ranges(prepared, ranges), strict=True):
        if stop <= start:
            assert measured.block.bars == 0
            continue
        alone = fold(run(prepared, start, stop, check_rows=False).blocks)
        for field in fields(alone):
            a, b = getattr(alone, field.name), getattr(measured.block, field.name)
            assert b == pytest.approx(a, rel=1e-11, abs=1e-15 * (1 + definition.cash)), field.name


@many
@given(seed=seeds, definition=definitions(), cuts=st.lists(st.integers(0, 400), min_size=2, max_size=6))
def test_windows_of_an_account_that_is_ruined_equal_each_alone(seed, definition, cuts):
    bars = walk(seed)
    poor = prepare(bars, change(definition, cash=20.0, units=3.0))
    ranges = [(min(pair), max(pair)) for pair in pairwise(cuts)]
    ranges = [(lo, hi) for lo, hi in ranges if hi > lo]
    for (lo, hi), measured in zip(ranges, measure_ranges(poor, ranges), strict=True):
        out = run(poor, lo, hi, check_rows=False)
        assert out.faults == ()
        assert measured.block.trades == out.metrics["trades"]
        assert measured.block.pnl == pytest.approx(out.metrics["pnl"], rel=1e-9, abs=1e-12)
        assert measured.block.drawdown == pytest.approx(out.metrics["max_drawdown"], rel=1e-9)
        assert measured.block.ruined() == any("ruined" in note for note in out.notes)


@many
@given(seed=seeds, definition=definitions(), start=st.integers(30, 250), length=st.integers(2, 140))
def test_a_window_equals_simulate_with_its_start_and_end(seed, definition, start, length):
    bars = walk(seed)
    stop = start + length
    at = bars.time // NS
    named = simulate(bars, definition, start=int(at[start]), end=int(at[stop - 1]))
    assert named.digest == run(prepare(bars, definition), start, stop).digest
    assert named.window.bars == length
    if len(named.trades):
        assert named.trades["entry_bar"].min() > start
        assert named.trades["exit_bar"].max() < stop


@many
@given(seed=seeds, definition=definitions(), end=st.integers(60, 399))
def test_the_future_after_a_window_changes_nothing_in_it(seed, definition, end):
    bars = walk(seed)
    calm = simulate(bars, definition, end=int(bars.time[end - 1]) // NS, calendar=252)
    cut = simulate(prefix(bars, end), definition, calendar=252)
    assert calm.metrics == cut.metrics
    assert (calm.trades == cut.trades).all()


@many
@given(seed=seeds, definition=definitions(), cuts=st.lists(st.integers(0, 17), max_size=3))
def test_splitting_and_combining_blocks_equals_the_whole(seed, definition, cuts):
    table = simulate(walk(seed), definition).blocks
    edges = [0, *sorted(min(cut, len(table)) for cut in cuts), len(table)]
    parts = [fold(table[a:b]) for a, b in pairwise(edges)]
    whole = fold(table)
    rows = combine_all(fold(table[i : i + 1]) for i in range(len(table)))
    left = combine_all(parts)
    right = parts[-1]
    for part in reversed(parts[:-1]):
        right = combine(part, right)
    for other in (left, right, rows):
        for field in fields(whole):
            expected = getattr(whole, field.name)
            assert getattr(other, field.name) == pytest.approx(expected, rel=1e-11, abs=1e-14), field.name


@many
@given(seed=seeds, definition=definitions())
def test_the_blocks_fold_to_the_metrics(seed, definition):
    out = simulate(walk(seed), definition)
    whole = fold(out.blocks)
    m = out.metrics
    assert (whole.trades, whole.wins, whole.days) == (m["trades"], m["wins"], m["days"])
    assert whole.drawdown == pytest.approx(m["max_drawdown"], rel=1e-11, abs=1e-15)
    assert whole.pnl == pytest.approx(m["pnl"], rel=1e-11, abs=1e-9)
    if m["sharpe"] is not None and abs(m["sharpe"]) < 100:
        assert whole.sharpe(out.calendar) == pytest.approx(m["sharpe"], rel=1e-9, abs=1e-9)


@many
@given(seed=seeds, definition=definitions())
def test_two_runs_are_equal_to_the_bit(seed, definition):
    assert simulate(walk(seed), definition).digest == simulate(walk(seed), definition).digest


@many
@given(seed=seeds, definition=definitions(), period=st.integers(1, 5))
def test_a_filter_only_takes_entries_away_and_never_looks_ahead(seed, definition, period):
    bars = walk(seed)
    rule = Filter(timeframe=240, period=period, logic="PRICE_BELOW_SMA")
    filtered = change(definition, filter=rule)
    whole = prepare(bars, filtered, aux={240: resample(bars, 240)}).signals
    plain = prepare(bars, definition).signals
    assert ((whole & ~plain) == 0).all()
    cut = 200
    part = prepare(prefix(bars, cut), filtered, aux={240: resample(prefix(bars, cut), 240)}).signals
    assert (part == whole[:cut]).all()


def test_threads_and_order_change_no_bit():
    from concurrent.futures import ThreadPoolExecutor

    jobs = [(seed, kind) for seed in range(6) for kind in BUILT_IN]

    def digest(job):
        seed, kind = job
        return simulate(walk(seed), Strategy(name="p", kind=kind, params=SHORT[kind], sl="2%")).digest

    alone = [digest(job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(digest, reversed(jobs)))
    assert together[::-1] == alone


def test_a_changed_candle_before_the_window_changes_only_the_warm_up():
    bars = walk(3)
    other = replace(bars, close=bars.close.copy())
    other.close[0] += 0.1
    definition = Strategy(name="p", kind="sma", params=SHORT["sma"])
    start = int(bars.time[50]) // NS
    assert simulate(bars, definition, start=start).digest == simulate(other, definition, start=start).digest
