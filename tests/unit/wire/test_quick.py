"""The quick way through the codec: what takes it, what must not, and that both ways say the same."""

from __future__ import annotations

import pytest

from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Backtest, Candle, Costs, Fault, Filter, Result, Strategy, Swap, Window
from foldward.wire import dumps, loads
from foldward.wire.codec import _carefully, _quickly

NUMBERS = {
    "trades": 2,
    "wins": 1,
    "losses": 1,
    "pnl": 1e-05,
    "sortino": -0.0,
    "max_drawdown": 0.5,
    "win_rate": 50.0,
    "profit_factor": 1e22,
}
RICH = Result(
    request_id="r-1",
    strategy_name="a (b) . c",
    **NUMBERS,
    sharpe=None,
    metrics={"cagr": None, "trades": 2.0},
    reasons={"sharpe": "flat", "cagr": "too short"},
    window=Window(60, 120, 2),
    faults=(Fault("engine.nan", "no number"), Fault("engine.look", "ahead")),
    notes=("one", " two", ""),
    trade_list=(
        {"timestamp": 60, "pnl": -1.5, "direction": "long", "open": False, "tag": None},
        {"timestamp": 120, "pnl": 2.5, "direction": "short", "open": True, "tag": "x"},
    ),
    equity=((60, 10_000.0), (120, 9_998.5)),
    blocks={"rows": [[2, 0.5, 0.25]], "text": 'a "b" \\ c\n'},
    timings={"run": 0.001},
    seed=2**64 - 1,
    worker="worker-1",
)
ATR = Strategy(name="s", kind="bb", params={"period": 20.0}, sl="2atr", tp="3.5atr", costs=Costs(zero=True))
FILTERED = Strategy(
    name="s", kind="sma", sl="3%", filter=Filter(timeframe=240, period=5, logic="PRICE_ABOVE_SMA")
)
MESSAGES = [
    RICH,
    Backtest(request_id="r", strategy=ATR, include_trades=True, plan={"mode": "classic", "n": [1, None]}),
    Backtest(request_id="r", strategy=FILTERED, windows=((1, 2), (3, 4)), start_time=1, end_time=4),
    Backtest(
        request_id="r",
        strategy=FILTERED,
        candles=(Candle(60, 1.0, 2.0, 0.5, 1.5, 3.0), Candle(120, 1.5, 2.0, 1.0, 1.0)),
        swap_history=(Swap(60, -0.5, 0.25),),
        deadline_s=1.5,
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=["result", "atr", "filter", "candles"])
def test_what_our_writer_writes_is_read_the_quick_way(message):
    raw = dumps(message, "sexp")
    assert repr(_quickly(raw)) == repr(_carefully(raw)) == repr(message)


@pytest.mark.parametrize("message", MESSAGES[:3], ids=["result", "atr", "filter"])
def test_our_json_is_read_the_quick_way(message):
    raw = dumps(message)
    assert repr(_quickly(raw)) == repr(_carefully(raw)) == repr(message)


def rich(old: bytes, new: bytes) -> bytes:
    raw = dumps(RICH, "sexp")
    assert raw.count(old) == 1
    return raw.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        (b"(cagr . nil)", b"(cagr . 1.5)(cagr . 2.5)", "metrics", {"cagr": 1.5, "trades": 2.0}),
        (b"(run . 0.001)", b"(run . 1)(run . 2)", "timings", {"run": 1.0}),
        (b"(pnl . 1e-05)", b"(total-profit . 3)", "pnl", 3.0),
        (b"(pnl . 1e-05)", b"(pnl . -0)", "pnl", 0.0),
        (b"(pnl . 1e-05)", b"(pnl . 1d-5)", "pnl", 1e-05),
        (b'(notes . ("one" " two" ""))', b'(notes . (" "))', "notes", (" ",)),
        (b'(notes . ("one" " two" ""))', b'(notes . ("a" " " "b c"))', "notes", ("a", " ", "b c")),
        (b'(notes . ("one" " two" ""))', b'(notes . ("a\\t"))', "notes", ("at",)),
        (b'(worker . "worker-1")', b"(worker . worker-1)", "worker", "worker-1"),
        (b'"too short"', b'"x . y:nil)("', "reasons", {"sharpe": "flat", "cagr": "x . y:nil)("}),
    ],
)
def test_what_is_written_otherwise_is_read_with_the_same_care(old, new, field, value):
    found = getattr(loads(rich(old, new)), field)
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"(pnl . 1e-05)", b"(pnl . 1e400)", "wire.missing_field"),
        (b"(wins . 1)", b"(wins . 99999999999999999999)", "wire.invalid_field"),
        (b'"worker-1"', b'"worker-\xff"', "wire.not_utf8"),
        (b"(attempt . 1)", b"(attempt . 0)", "wire.invalid_field"),
    ],
)
def test_what_is_wrong_is_refused_in_the_careful_readers_words(old, new, code):
    raw = rich(old, new)
    if code == "wire.missing_field":
        assert loads(raw).pnl is None  # absent, with the reason that the peer sent infinity
        return
    with pytest.raises(WireError) as caught:
        loads(raw)
    assert caught.value.code == code


def test_metrics_beside_an_error_mean_nothing_in_either_encoding():
    raw = dumps(Result(request_id="r", strategy_name="a", error="no data", **NUMBERS))
    assert loads(raw).pnl is None
    blank = raw.replace(b'"no data"', b'" "')
    with pytest.raises(WireError, match=r"result\.error"):
        loads(blank)


def test_a_candle_that_spells_only_its_volume_out_keeps_it():
    job = Backtest(request_id="r", strategy=ATR, candles=(Candle(60, 1.0, 2.0, 0.5, 1.5, 7.0),))
    assert loads(dumps(job).replace(b'"v":', b'"volume":')).candles == job.candles


@pytest.mark.parametrize("form", ["json", "sexp"])
@pytest.mark.parametrize("value", [2**64, -(2**64)])
def test_an_integer_beyond_64_bits_is_refused_when_it_is_written(form, value):
    broken = Result(request_id="r", **NUMBERS, sharpe=1.0, trade_list=({"id": value},))
    with pytest.raises(WireError) as caught:
        dumps(broken, form)
    assert caught.value.code == "wire.invalid_field"
    assert caught.value.message == "result.trade_list[0].id has more than 64 bits"


def test_a_peers_flat_strategy_is_left_to_the_careful_reader():
    raw = b"""((action . "BACKTEST")(request_id . "r")(strategy . ((name . "a")(indicator_type . sma)\
(sma_short . 5)(sma_long . 20)(volume . 2.0)(timeframe . 60))))"""
    assert _quickly(raw) is None
    assert loads(raw).strategy.params == {"sma_short": 5.0, "sma_long": 20.0}
