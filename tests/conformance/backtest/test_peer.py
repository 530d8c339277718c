"""Profile peer against results that the existing peer's engine computed."""

import json
from pathlib import Path

import numpy as np
import pytest

from foldward.backtest import simulate
from foldward.contracts.jobs import Filter, Strategy, Swap
from foldward.data.bars import NS, Bars, day_ends

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "data" / "peer_golden.jsonl").read_text().splitlines()
]


def series(n=3000):
    i = np.arange(n)
    close = 150 + 3 * np.sin(i / 37) + 1.5 * np.sin(i / 11) + 0.8 * np.cos(i / 5)
    opening = np.concatenate((close[:1], close[:-1]))
    time = (1_700_006_400 + 3600 * i.astype(np.int64)) * NS
    return Bars(
        time=time,
        open=opening,
        high=np.maximum(opening, close) + 0.15,
        low=np.minimum(opening, close) - 0.15,
        close=close,
        volume=100 + 60 * np.sin(i / 9) ** 2 + 8 * ((7919 * i) % 13),
        day_end=day_ends(time),
        timeframe=60,
    )


def strategy(case, **fields):
    given = case["strategy"]
    return Strategy(
        name=case["case"],
        kind=given["indicator_type"],
        params={"sma_short": given["sma_short"], "sma_long": given["sma_long"]},
        sl=given["sl"],
        tp=given["tp"],
        timeframe=given["timeframe"],
        profile="peer",
        **fields,
    )


def test_all_golden_cases_are_here():
    assert [case["case"] for case in CASES] == [
        "sma",
        "rsi",
        "macd",
        "vwap",
        "vwapvr",
        "keltner",
        "sma_resample_240",
        "sma_swap",
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_the_peers_numbers_are_reproduced(case):
    swaps = [Swap(**record) for record in case["strategy"].get("swap_history", [])]
    out = simulate(series(), strategy(case), swaps=swaps)
    ours = {**out.metrics, "win_rate": 100 * out.metrics["win_rate"]}
    expected = dict(case["expected"])
    first = expected.pop("first_trades")
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, abs=1e-8), name
    for row, (when, pnl) in zip(out.trades, first, strict=False):
        assert int(row["exit_time"]) == when
        assert float(row["pnl"]) == pytest.approx(pnl, abs=1e-8)
    assert out.profile == "peer"
    assert out.notes[0].startswith("profile peer")


@pytest.mark.parametrize("kind", ["ema", "bb", "stoch", "volsma", "vpoc"])
def test_every_other_kind_of_the_peer_trades(kind):
    case = {
        "case": kind,
        "strategy": {
            "indicator_type": kind,
            "sma_short": 20,
            "sma_long": 40,
            "sl": 1,
            "tp": 1.5,
            "timeframe": 60,
        },
    }
    out = simulate(series(), strategy(case))
    assert out.metrics["trades"] > 50
    assert out.metrics["wins"] + out.metrics["losses"] == out.metrics["trades"]


def test_its_ema_is_computed_as_a_simple_average():
    sma = CASES[0]
    ema = {"case": "ema", "strategy": {**sma["strategy"], "indicator_type": "ema"}}
    assert simulate(series(), strategy(ema)).metrics == simulate(series(), strategy(sma)).metrics


def test_fewer_candles_than_it_wants_give_zero_metrics():
    out = simulate(series(30), strategy(CASES[0]))
    assert (out.metrics["trades"], out.metrics["sharpe"], out.metrics["pnl"]) == (0, 0.0, 0.0)
    assert "fewer than the 32 it wants" in out.notes[1]


def test_zero_stops_are_not_off_but_leave_on_the_next_bar():
    case = {"case": "zero", "strategy": {**CASES[0]["strategy"], "sl": 0, "tp": 0}}
    out = simulate(series(), strategy(case))
    assert (out.trades["exit_bar"] - out.trades["entry_bar"] == 1).all()


def test_atr_barriers_scale_with_the_range_at_entry():
    case = {"case": "atr", "strategy": {**CASES[0]["strategy"], "sl": "2atr", "tp": "3atr"}}
    out = simulate(series(), strategy(case))
    down = np.abs(out.trades["entry_price"] - out.trades["stop"])
    up = np.abs(out.trades["target"] - out.trades["entry_price"])
    np.testing.assert_allclose(up / down, 1.5)


def test_its_filter_passes_when_candles_are_missing_and_blocks_on_short_history():
    rule = Filter(timeframe=240, period=5, logic="PRICE_ABOVE_SMA")
    free = simulate(series(), strategy(CASES[0]))
    assert simulate(series(), strategy(CASES[0], filter=rule)).metrics == free.metrics
    from foldward.backtest import resample

    aux = {240: resample(series(), 240)}
    held = simulate(series(), strategy(CASES[0], filter=rule), aux=aux)
    assert 0 < held.metrics["trades"] < free.metrics["trades"]
    short = {240: resample(series(12), 240)}
    assert simulate(series(), strategy(CASES[0], filter=rule), aux=short).metrics["trades"] == 0


def test_what_it_does_not_define_is_none_with_a_reason():
    out = simulate(series(), strategy(CASES[0]))
    assert out.metrics["cagr"] is None
    assert out.reasons["cagr"] == "profile peer does not define cagr"
