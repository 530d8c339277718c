"""Reading and writing messages: what is accepted, what is refused, and how the refusal is named."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest

from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Backtest, Candle, Costs, Filter, Heartbeat, Result, Strategy, Window
from foldward.wire import MAX_DEPTH, MAX_FRAME, dumps, encoding_of, loads

ID = "0198f3a0-0000-7000-8000-000000000000"
METRICS: dict[str, Any] = {
    "trades": 10,
    "wins": 6,
    "losses": 4,
    "pnl": 12.5,
    "sharpe": 0.25,
    "sortino": 0.5,
    "max_drawdown": 0.125,
    "win_rate": 60.0,
    "profit_factor": 1.5,
}


def request(**fields: Any) -> bytes:
    body = {
        "action": "BACKTEST",
        "request_id": ID,
        "strategy": {"name": "a", "kind": "sma", "params": {"sma_short": 5, "sma_long": 20}},
        "data_id": "sha256:00",
        **fields,
    }
    return json.dumps({key: value for key, value in body.items() if value is not ...}).encode()


def result(**fields: Any) -> bytes:
    body = {"request_id": ID, "strategy_name": "a", **METRICS, **fields}
    body = {key: value for key, value in body.items() if value is not ...}
    return json.dumps({"type": "BACKTEST_RESULT", "result": body}).encode()


def refusal(raw: bytes) -> tuple[str, str]:
    with pytest.raises(WireError) as caught:
        loads(raw)
    assert caught.value.raw == raw
    return caught.value.code, caught.value.message


FULL_REQUEST = Backtest(
    request_id=ID,
    strategy=Strategy(
        name='line\none "two" back\\slash',
        kind="bb",
        params={"period": 20.0, "band_mult": 2.5},
        symbol="EURUSD",
        sl="2atr",
        tp="3.5atr",
        filter=Filter(timeframe=240, period=50, logic="PRICE_ABOVE_SMA"),
        costs=Costs(commission_bps=0.5, spread=0.0001),
    ),
    phase="wfv",
    trace_id="trace",
    attempt=3,
    symbol="EURUSD",
    candles=(Candle(1_700_000_000, 1.0, 2.0, 0.5, 1.5, 7.0),),
    aux_candles={"240": (Candle(1_700_000_000, 1.0, 2.0, 0.5, 1.5),)},
    aux_candles_files={"1440": "d1.csv"},
    start_time=1_700_000_000,
    windows=((1, 2), (3, 4)),
    seed=2**64 - 1,
    include_trades=True,
    plan={"mode": "rolling", "grid": {"period": [10, 20]}},
    deadline_s=2.5,
)
FULL_RESULT = Result(
    request_id=ID,
    strategy_name="a",
    **{**METRICS, "sortino": None},
    metrics={"cagr": 0.1, "calmar": None},
    reasons={"sortino": "no losing day", "calmar": "no drawdown"},
    window=Window(1_700_000_000, 1_700_003_600, 2),
    result_digest="sha256:ab",
    trade_list=({"timestamp": 1_700_000_000, "pnl": -0.5, "direction": "long", "stop": None},),
    equity=((1_700_000_000, 10_000.0), (1_700_086_400, 10_012.5)),
    blocks={"rows": [[1, 0.1, 0.01]]},
    detail={"folds": [{"train": {"start": 1}}]},
    timings={"run": 0.001},
    notes=("zero cost",),
)
BEAT = Heartbeat(id="worker-1", timestamp=1_700_000_000.25, version="1", data={"done": 3.0})


@pytest.mark.parametrize("form", ["json", "sexp"])
@pytest.mark.parametrize("message", [FULL_REQUEST, FULL_RESULT, BEAT], ids=["request", "result", "beat"])
def test_a_message_reads_back_as_it_was_written(message, form):
    raw = dumps(message, form)
    assert loads(raw) == message
    assert encoding_of(raw) == form
    assert b"\n" not in raw


def test_the_flat_spelling_for_peers_reads_back_as_well():
    raw = dumps(FULL_REQUEST, "json", peer=True)
    assert loads(raw) == FULL_REQUEST
    strategy = json.loads(raw)["strategy"]
    assert strategy["indicator_type"] == "bb"
    assert strategy["sma_short"] == 20.0
    assert (strategy["atr_barrier_sl"], strategy["atr_barrier_tp"]) == (2.0, 3.5)
    assert (strategy["filter_enabled"], strategy["filter_tf"]) == (True, 240)


def test_a_flat_strategy_of_an_existing_peer_is_understood():
    flat = {
        "name": "x",
        "indicator_type": "sma",
        "sma_short": 10,
        "sma_long": 30,
        "sl": 1.0,
        "tp": 1.5,
        "volume": 0.01,
        "timeframe": 60,
        "band_mult": 2.0,
        "atr_period": 14,
        "filter_enabled": True,
        "filter_tf": 240,
        "filter_period": 50,
        "filter_logic": "PRICE_BELOW_SMA",
    }
    job = loads(request(strategy=flat))
    assert job.strategy == Strategy(
        name="x",
        kind="sma",
        params={"sma_short": 10.0, "sma_long": 30.0},
        timeframe=60,
        sl=1.0,
        tp=1.5,
        units=0.01,
        filter=Filter(timeframe=240, period=50, logic="PRICE_BELOW_SMA"),
    )


def test_atr_barriers_become_distances_in_atr():
    flat = {
        "name": "x",
        "indicator_type": "rsi",
        "sma_short": 14,
        "atr_barrier_sl": 2.0,
        "atr_barrier_tp": 3.5,
    }
    assert (loads(request(strategy=flat)).strategy.sl, loads(request(strategy=flat)).strategy.tp) == (
        "2atr",
        "3.5atr",
    )


def test_a_keltner_strategy_takes_its_flat_band_and_atr_period():
    flat = {"name": "x", "indicator_type": "keltner", "sma_short": 20, "band_mult": 1.5, "atr_period": 10}
    assert loads(request(strategy=flat)).strategy.params == {
        "sma_short": 20.0,
        "band_mult": 1.5,
        "atr_period": 10.0,
    }


def test_candles_may_be_named_in_full():
    row = {"timestamp": 60, "open": 1, "high": 2, "low": 0.5, "close": 1.5, "volume": 9}
    job = loads(request(candles=[row, {"t": 120.0, "o": 1, "h": 2, "l": 1, "c": 2}]))
    assert job.candles == (Candle(60, 1.0, 2.0, 0.5, 1.5, 9.0), Candle(120, 1.0, 2.0, 1.0, 2.0, 0.0))


def test_a_timeframe_given_once_serves_strategy_and_request():
    assert loads(request(timeframe=240)).strategy.timeframe == 240
    inside = loads(request(strategy={"name": "a", "kind": "sma", "timeframe": 15}))
    assert (inside.timeframe, inside.strategy.timeframe) == (15, 15)


def test_costs_of_the_request_are_the_strategys():
    assert loads(request(costs={"spread": 0.5})).strategy.costs == Costs(spread=0.5)


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"request_id": ...}, "wire.missing_request_id", "request_id is missing or not a readable string"),
        ({"request_id": 7}, "wire.missing_request_id", "request_id is missing or not a readable string"),
        ({"strategy": ...}, "wire.missing_field", "strategy is missing"),
        ({"strategy": {"kind": "sma"}}, "wire.missing_field", "strategy.name is missing"),
        ({"strategy": {"name": "a"}}, "wire.missing_field", "strategy.kind is missing"),
        ({"strategy": {"name": "", "kind": "sma"}}, "wire.invalid_field", "strategy.name is empty"),
        ({"symbl": "X"}, "wire.unknown_field", "symbl is not known; did you mean 'symbol'?"),
        ({"seed": -1}, "wire.invalid_field", "seed is -1, not from 0 to 2^64-1"),
        ({"attempt": 0}, "wire.invalid_field", "attempt is 0, not ≥ 1"),
        ({"timeframe": 0}, "wire.invalid_field", "strategy.timeframe is 0, not a number of minutes > 0"),
        ({"timeframe": "60"}, "wire.invalid_field", "strategy.timeframe is str, not int"),
        ({"start_time": True}, "wire.invalid_field", "start_time is bool, not int"),
        ({"candles": [{"t": 1}]}, "wire.missing_field", "candles[0].o is missing"),
        ({"candles": {}}, "wire.invalid_field", "candles is not a list"),
        ({"windows": [[2, 1]]}, "wire.invalid_field", "windows[0] is 2 to 1"),
        ({"phase": "later"}, "wire.invalid_field", "phase : Invalid enum value 'later'"),
        ({"deadline_s": -1}, "wire.invalid_field", "deadline_s is -1.0, not > 0"),
        (
            {"strategy": {"name": "a", "kind": "sma", "params": {"x": "5"}}},
            "wire.invalid_field",
            "strategy.params.x is '5', not a number",
        ),
        (
            {"strategy": {"name": "a", "kind": "sma", "params": {}, "direktion": "long"}},
            "wire.unknown_field",
            "strategy.direktion is not known; did you mean 'direction'?",
        ),
        (
            {"strategy": {"name": "a", "kind": "sma", "costs": {"comission_bps": 1}}},
            "wire.unknown_field",
            "strategy.costs.comission_bps is not known",
        ),
        (
            {"strategy": {"name": "a", "indicator_type": "sma", "filter_enabled": True}},
            "wire.missing_field",
            "strategy.filter_tf is missing",
        ),
    ],
)
def test_a_bad_request_is_refused_with_the_field_named(fields, code, message):
    assert refusal(request(**fields)) == (code, message)


def test_a_number_that_is_not_finite_is_refused_in_a_request():
    raw = request(strategy={"name": "a", "kind": "sma", "params": {"x": math.inf}})
    assert refusal(raw) == ("wire.invalid_field", "strategy.params.x is not finite (inf)")


def test_aliases_of_older_peers_are_read():
    names = ("sharpe", "trades", "pnl", "win_rate", "profit_factor", "max_drawdown")
    read = loads(
        result(
            **dict.fromkeys(names, ...),
            sharpe_ratio=0.25,
            total_trades=10.0,
            total_profit=12.5,
            winrate=60,
            pf=1.5,
            max_dd=0.125,
        )
    )
    assert {name: getattr(read, name) for name in METRICS} == METRICS
    assert type(read.trades) is int


def test_fields_that_a_newer_peer_adds_are_left_out():
    assert loads(result(adjusted_sharpe=0.2)) == loads(result())


@pytest.mark.parametrize("name", list(METRICS))
def test_a_metric_that_is_absent_is_refused_and_never_read_as_zero(name):
    assert refusal(result(**{name: ...})) == ("wire.missing_field", f"result.{name} is missing")


def test_null_needs_a_reason():
    assert refusal(result(sharpe=None))[0] == "wire.missing_field"
    assert refusal(result(sharpe=None, reasons={"sharpe": ""})) == (
        "wire.missing_field",
        "result.sharpe is null without a reason",
    )
    assert loads(result(sharpe=None, reasons={"sharpe": "flat"})).sharpe is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sharpe": "0.5"}, "result.sharpe is str, not float"),
        ({"trades": 1.5}, "result.trades is float, not int"),
        ({"trades": -1}, "result.trades is -1, below 0"),
        ({"trades": 10**17}, "result.trades is 100000000000000000, which nobody can count"),
        ({"trades": 10**30}, "result.trades has more than 64 bits"),
        ({"trades": 1e30}, "result.trades is float, not int"),
        ({"win_rate": 100.5}, "result.win_rate is 100.5, not a percentage"),
        ({"sharpe": math.nan}, "result.sharpe is not finite (nan)"),
        ({"error": ""}, "result.error is '', not a text"),
        ({"equity": [[1, math.inf]]}, "result.equity[0][1] is not finite (inf)"),
    ],
)
def test_an_impossible_value_in_a_result_is_refused(fields, message):
    assert refusal(result(**fields)) == ("wire.invalid_field", message)


def test_the_error_form_needs_no_metrics_and_keeps_none():
    read = loads(
        result(**{**dict.fromkeys(METRICS, ...), "sharpe": 0.0}, error="no memory", code="engine.memory")
    )
    assert (read.error, read.code, read.sharpe, read.request_id) == (
        "no memory",
        "engine.memory",
        None,
        ID,
    )


def test_a_result_without_id_keeps_the_name_it_goes_by():
    assert loads(result(request_id=..., strategy_name="a-OOS")).request_id == ""
    assert refusal(result(request_id=..., strategy_name=...)) == (
        "wire.missing_field",
        "result.request_id is missing",
    )


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "wire.unparseable"),
        (b"hello", "wire.unparseable"),
        (b"[1]", "wire.unparseable"),
        (b"{", "wire.unparseable"),
        (b'{"a":"\xff"}', "wire.not_utf8"),
        (b'((type . "\xff"))', "wire.not_utf8"),
        (b"{}", "wire.unknown_type"),
        (b'{"type":"PING"}', "wire.unknown_type"),
        (b'{"action":"STOP"}', "wire.unknown_type"),
        (b'{"type":["BACKTEST_RESULT"]}', "wire.unknown_type"),
        (b'{"type":"BACKTEST_RESULT"}', "wire.missing_field"),
        (b'{"type":"HEARTBEAT","id":"a"}', "wire.missing_field"),
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "wire.too_deep"),
        (b"(" * (MAX_DEPTH + 1), "wire.too_deep"),
        (b"{" + b" " * MAX_FRAME + b"}", "wire.oversize"),
    ],
)
def test_bytes_that_are_no_message_are_refused_with_a_code(raw, code):
    assert refusal(raw)[0] == code


def test_brackets_inside_strings_do_not_count_as_depth():
    deep = "[" * 500 + '\\"' + "(" * 500
    assert loads(result(notes=[deep])).notes == (deep,)


def test_the_position_of_a_syntax_error_is_told_in_bytes():
    with pytest.raises(WireError) as caught:
        loads('{"ü":1,}'.encode())
    assert caught.value.position == 8


@pytest.mark.parametrize("form", ["json", "sexp"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_written(form, value):
    broken = msgspec.structs.replace(FULL_RESULT, equity=((1, 1.0), (2, value)))
    with pytest.raises(WireError) as caught:
        dumps(broken, form)
    assert caught.value.code == "wire.not_finite"
    assert caught.value.message.startswith("result.equity[1][1] is ")


def test_a_result_with_a_metric_neither_given_nor_explained_is_never_written():
    with pytest.raises(WireError) as caught:
        dumps(msgspec.structs.replace(FULL_RESULT, reasons={}))
    assert caught.value.message == "result.sortino is missing"


def test_text_that_utf8_cannot_hold_is_refused_on_write():
    for form in ("json", "sexp"):
        with pytest.raises(WireError) as caught:
            dumps(Heartbeat(id="\ud800", timestamp=1.0), form)
        assert caught.value.code == "wire.invalid_field"
