"""Windows, refusals and the digest of a result."""

import numpy as np
import pytest

from foldward.backtest import ENGINE_VERSION, simulate, trade_list
from foldward.contracts.errors import DataError, RequestError
from foldward.contracts.jobs import Costs, Strategy

WAVE = [(100 + i % 7, 108, 92, 100 + (i + 1) % 7) for i in range(80)]
FAST = Strategy(name="fast", kind="sma", params={"sma_short": 2, "sma_long": 4})
START = 1_704_067_200


def test_equal_runs_have_equal_digests(make_bars):
    a, b = (simulate(make_bars(WAVE), FAST) for _ in range(2))
    assert a.digest == b.digest
    assert a.digest.startswith("sha256:")
    assert len(a.digest) == 71


def test_a_changed_cost_changes_the_digest(make_bars):
    dear = Strategy(name="fast", kind="sma", params=FAST.params, costs=Costs(commission_bps=2))
    assert simulate(make_bars(WAVE), FAST).digest != simulate(make_bars(WAVE), dear).digest


def test_the_name_is_not_part_of_the_result(make_bars):
    other = Strategy(name="other", kind="sma", params=FAST.params)
    assert simulate(make_bars(WAVE), FAST).digest == simulate(make_bars(WAVE), other).digest


def test_changing_the_window_changes_the_result(make_bars):
    bars = make_bars(WAVE)
    whole = simulate(bars, FAST)
    part = simulate(bars, FAST, start=START + 3600 * 20)
    assert whole.window.bars == 80
    assert (part.window.start, part.window.end, part.window.bars) == (START + 72_000, START + 284_400, 60)
    assert whole.digest != part.digest
    assert whole.metrics["trades"] > part.metrics["trades"]


def test_a_window_is_inclusive_at_both_ends(make_bars):
    out = simulate(make_bars(WAVE), FAST, start=START + 3600 * 10, end=START + 3600 * 19)
    assert out.window.bars == 10


@pytest.mark.parametrize(
    ("start", "end"),
    [(START + 7200, START), (START - 999_999, START - 1), (START + 9_999_999, None), (START, START)],
)
def test_a_window_without_bars_is_refused(make_bars, start, end):
    with pytest.raises(RequestError) as caught:
        simulate(make_bars(WAVE), FAST, start=start, end=end)
    assert caught.value.code == "request.bad_window"


def test_too_little_history_is_refused_with_both_numbers(make_bars):
    with pytest.raises(DataError) as caught:
        simulate(make_bars(WAVE), Strategy(name="slow", kind="sma", params={"sma_short": 5, "sma_long": 200}))
    assert caught.value.code == "data.too_few_rows"
    assert caught.value.context == {"bars": 80, "needed": 202}


def test_candles_of_another_timeframe_are_refused(make_bars):
    with pytest.raises(RequestError) as caught:
        simulate(make_bars(WAVE, timeframe=5), FAST)
    assert caught.value.context["field"] == "timeframe"


def test_an_impossible_calendar_is_refused(make_bars):
    with pytest.raises(RequestError, match="365 or 252"):
        simulate(make_bars(WAVE), FAST, calendar=260)


def test_read_only_columns_give_the_same_bits(make_bars):
    bars = make_bars(WAVE)
    digest = simulate(bars, FAST).digest
    for name in ("time", "open", "high", "low", "close", "volume", "day_end"):
        getattr(bars, name).flags.writeable = False
    assert simulate(bars, FAST).digest == digest


def test_zero_cost_is_noted_as_no_evidence(make_bars):
    free = Strategy(name="f", kind="sma", params=FAST.params, costs=Costs(zero=True))
    assert "zero cost: not evidence" in simulate(make_bars(WAVE), free).notes


def test_the_trade_list_keeps_the_latest_and_says_what_is_missing(make_bars):
    out = simulate(make_bars(WAVE), FAST)
    every, cut = trade_list(out.trades)
    assert (len(every), cut) == (out.metrics["trades"], False)
    last, cut = trade_list(out.trades, 3)
    assert (last, cut) == (every[-3:], True)
    assert sum(row["pnl"] for row in every) == pytest.approx(out.metrics["pnl"])
    assert trade_list(out.trades, 0) == ([], True)


def test_an_outcome_names_its_engine(make_bars):
    out = simulate(make_bars(WAVE), FAST)
    assert out.engine == ENGINE_VERSION
    assert out.profile == "next_open"
    assert np.array_equal(out.day_equity[-1:], [out.metrics["final_equity"]])
