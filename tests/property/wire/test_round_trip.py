"""Whatever a message holds, it reads back equal; whatever the bytes, only WireError escapes."""

from __future__ import annotations

import json
import math
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foldward.contracts.errors import WireError
from foldward.contracts.jobs import (
    MAX_SEED,
    Backtest,
    Candle,
    Costs,
    Fault,
    Filter,
    Heartbeat,
    Result,
    Strategy,
    Swap,
    Window,
)
from foldward.wire import dumps, loads
from foldward.wire._results import METRICS
from foldward.wire.codec import _carefully, _quickly

pytestmark = pytest.mark.slow
RUNS = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ident = st.text(string.ascii_letters + string.digits + '-_ .:()"\\', min_size=1, max_size=40).filter(
    str.strip
)
number = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(0, 1e15, allow_nan=False)
seconds = st.integers(-10_000_000_000, 10_000_000_000)
sixty_four_bits = st.integers(-(2**64) + 1, 2**64 - 1)
minutes = st.integers(1, 43_200)
level = st.one_of(st.none(), number, st.sampled_from(["3%", "2atr", "2.5atr", "0.1atr", "1e-05atr", "off"]))
candle = st.builds(Candle, seconds, number, number, number, number, number)
candles = st.lists(candle, max_size=3).map(tuple)
json_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | number | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
strategy = st.builds(
    Strategy,
    name=text.filter(str.strip),
    kind=text,
    params=st.dictionaries(ident, number, max_size=4),
    symbol=ident,
    timeframe=minutes,
    sl=level,
    tp=level,
    atr_period=st.integers(1, 100),
    direction=st.sampled_from(["long", "short", "both"]),
    stop_anchor=st.sampled_from(["fill", "signal"]),
    units=number,
    cash=number,
    profile=st.sampled_from(["next_open", "peer"]),
    costs=st.builds(Costs, commission_bps=number, spread=number, zero=st.booleans()),
    filter=st.none()
    | st.builds(
        Filter,
        timeframe=minutes,
        period=st.integers(1, 500),
        logic=st.sampled_from(["PRICE_ABOVE_SMA", "PRICE_BELOW_SMA"]),
    ),
    generation=st.integers(0, 1000),
    parent=st.none() | text,
)
request = st.builds(
    Backtest,
    request_id=ident,
    strategy=strategy,
    phase=st.sampled_from(["backtest", "oos", "wfv", "cpcv", "evidence"]),
    trace_id=text,
    run_id=text,
    attempt=st.integers(1, 100),
    symbol=ident,
    timeframe=minutes,
    candles_file=st.none() | text,
    data_id=st.none() | text,
    candles=st.none() | candles,
    aux_candles=st.none() | st.dictionaries(ident, candles, max_size=2),
    aux_candles_files=st.none() | st.dictionaries(ident, text, max_size=2),
    swap_history=st.none() | st.lists(st.builds(Swap, seconds, number, number), max_size=2).map(tuple),
    start_time=st.none() | seconds,
    end_time=st.none() | seconds,
    windows=st.none()
    | st.lists(st.tuples(seconds, seconds).map(lambda pair: tuple(sorted(pair))), max_size=3).map(tuple),
    seed=st.integers(0, MAX_SEED),
    include_trades=st.booleans(),
    range_id=st.none() | text,
    plan=st.none() | st.dictionaries(text, json_data, max_size=3),
    deadline_s=st.none() | st.floats(0.001, 1e6),
)


@st.composite
def result(draw):
    values = {
        name: draw(
            st.none()
            | (
                st.integers(0, 10_000)
                if name in ("trades", "wins", "losses")
                else st.floats(0, 100)
                if name == "win_rate"
                else number
                if name in ("pnl", "sharpe", "sortino")
                else positive
            )
        )
        for name in METRICS
    }
    metrics = draw(st.dictionaries(ident, st.none() | number, max_size=4))
    missing = [name for name, value in {**metrics, **values}.items() if value is None]
    missing += [name for name, value in metrics.items() if value is None]
    reasons = {name: draw(text.filter(bool)) for name in dict.fromkeys(missing)}
    return Result(
        request_id=draw(ident),
        strategy_name=draw(text),
        **values,
        metrics=metrics,
        reasons=reasons,
        window=draw(st.none() | st.builds(Window, seconds, seconds, st.integers(0, 10**6))),
        result_digest=draw(st.none() | text),
        notes=tuple(draw(st.lists(text, max_size=3))),
        trade_list=draw(
            st.none()
            | st.lists(
                st.dictionaries(
                    ident, st.none() | sixty_four_bits | number | text | st.booleans(), max_size=3
                ),
                max_size=2,
            ).map(tuple)
        ),
        equity=draw(st.none() | st.lists(st.tuples(seconds, number), max_size=3).map(tuple)),
        blocks=draw(st.none() | st.dictionaries(text, json_data, max_size=2)),
        detail=draw(st.none() | st.dictionaries(text, json_data, max_size=2)),
        timings=draw(st.dictionaries(ident, number, max_size=2)),
        seed=draw(st.none() | st.integers(0, MAX_SEED)),
        worker=draw(st.none() | text),
    )


def same(one, other):
    return repr(one) == repr(other)  # repr tells −0.0 from 0.0, and every bit of a float


@pytest.mark.parametrize("form", ["json", "sexp", "peer"])
@RUNS
@given(message=request)
def test_every_request_reads_back_bit_equal(form, message):
    raw = dumps(message, "json", peer=True) if form == "peer" else dumps(message, form)
    assert same(loads(raw), message)
    assert form != "sexp" or b"\n" not in raw


@pytest.mark.parametrize("form", ["json", "sexp"])
@RUNS
@given(message=result())
def test_every_result_reads_back_bit_equal(form, message):
    assert same(loads(dumps(message, form)), message)


@pytest.mark.parametrize("form", ["json", "sexp"])
@RUNS
@given(name=text, at=number, data=st.dictionaries(ident, number, max_size=3))
def test_every_heartbeat_reads_back_bit_equal(form, name, at, data):
    beat = Heartbeat(id=name, timestamp=at, data=data)
    assert same(loads(dumps(beat, form)), beat)


@RUNS
@given(message=result())
def test_both_encodings_say_the_same(message):
    assert same(loads(dumps(message, "sexp")), loads(dumps(message, "json")))


def only_wire_errors(raw):
    try:
        loads(raw)
    except WireError as error:
        fault = error
    else:
        return
    assert fault.raw == raw
    assert fault.message


@RUNS
@given(st.binary(max_size=200))
def test_random_bytes_raise_only_wire_errors(raw):
    for head in (
        b"",
        b"{",
        b"((",
        b'{"type":"BACKTEST_RESULT","result":',
        b'((type . "BACKTEST_RESULT")(result . (',
    ):
        only_wire_errors(head + raw)


@pytest.mark.parametrize("form", ["json", "sexp"])
@RUNS
@given(data=st.data(), message=st.one_of(request, result()))
def test_a_damaged_message_raises_only_wire_errors(form, data, message):
    raw = bytearray(dumps(message, form))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        what = data.draw(st.sampled_from(["flip", "cut", "insert", "end"]))
        if what == "flip":
            raw[place] = data.draw(st.integers(0, 255))
        elif what == "cut":
            del raw[place : place + data.draw(st.integers(1, 20))]
        elif what == "insert":
            raw[place:place] = data.draw(
                st.sampled_from([b"(", b")", b"{", b"}", b'"', b" . ", b"1e999", b"null", b"\\"])
            )
        else:
            del raw[place + 1 :]
        if not raw:
            break
    only_wire_errors(bytes(raw))


@RUNS
@given(
    st.dictionaries(
        st.sampled_from(
            ["action", "type", "result", "strategy", "request_id", "candles", "aux_candles", "plan"]
        ),
        json_data | st.sampled_from(["BACKTEST", "BACKTEST_RESULT", "HEARTBEAT"]),
    )
)
def test_any_json_object_raises_only_wire_errors(plain):
    only_wire_errors(json.dumps(plain).encode())
    for action in ({"action": "BACKTEST", "request_id": "r"}, {"type": "HEARTBEAT"}):
        only_wire_errors(json.dumps({**plain, **action}).encode())
    body = {"type": "BACKTEST_RESULT", "result": {"request_id": "r", "metrics": {"a": math.nan}, **plain}}
    only_wire_errors(json.dumps(body).encode())


def the_quick_way_says_what_the_careful_way_says(raw):
    quick = _quickly(raw)
    if quick is not None:
        assert same(quick, _carefully(raw))


EDITS = (
    b"", b" ", b"-0", b"007", b"1e400", b"nil", b"null", b"t", b'"', b'" "', b")(", b" . ", b") (", b":",
    b'"a":1,', b"(t . 1)", b"(pnl . 1)", b"(sharpe-ratio . 1)", b"\\", b"\\n", b"\\t", b"\xff", b"9" * 20,
    b'"volume":1.0,', b'"symbol":"x",', b"error", b"2.0", b"\n", b"\x01",
)  # fmt: skip
simple = st.text('ab -_.:(t)nil\\"', max_size=8)
plain_result = st.builds(
    Result,
    request_id=ident,
    strategy_name=simple,
    **dict.fromkeys(("trades", "wins", "losses"), st.integers(0, 10_000)),
    **dict.fromkeys(("pnl", "sharpe", "sortino"), number),
    **dict.fromkeys(("max_drawdown", "profit_factor"), positive),
    win_rate=st.floats(0, 100),
    metrics=st.dictionaries(st.sampled_from("abct"), number, max_size=3),
    reasons=st.dictionaries(st.sampled_from("abct"), simple, max_size=3),
    window=st.none() | st.builds(Window, seconds, seconds, st.integers(0, 10**6)),
    notes=st.lists(simple, max_size=3).map(tuple),
    trade_list=st.none()
    | st.lists(
        st.dictionaries(
            st.sampled_from("abt"), st.none() | st.integers(-9, 9) | number | simple | st.booleans()
        ),
        max_size=3,
    ).map(tuple),
    equity=st.none() | st.lists(st.tuples(seconds, number), max_size=3).map(tuple),
    blocks=st.none() | st.dictionaries(simple, json_data, max_size=2),
    faults=st.lists(st.builds(Fault, simple, simple), max_size=3).map(tuple),
    timings=st.dictionaries(st.sampled_from("abt"), number, max_size=2),
    seed=st.none() | st.integers(0, MAX_SEED),
    attempt=st.integers(1, 3),
)


@pytest.mark.parametrize("form", ["json", "sexp", "peer"])
@RUNS
@given(message=st.one_of(request, result(), plain_result))
def test_the_quick_reader_and_the_careful_one_agree_on_all_messages(form, message):
    raw = dumps(message, "sexp" if form == "sexp" else "json", peer=form == "peer")
    the_quick_way_says_what_the_careful_way_says(raw)
    assert same(loads(raw), message)


@RUNS
@given(
    data=st.data(),
    form=st.sampled_from(["json", "sexp"]),
    message=st.one_of(request, plain_result),
)
def test_the_two_readers_agree_on_edited_messages(data, form, message):
    raw = dumps(message, form)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw)))
        end = place + data.draw(st.integers(0, 12))
        new = data.draw(st.sampled_from(EDITS))
        raw = raw[:place] + new + raw[end:]
    quick = _quickly(raw)
    if quick is not None:
        assert same(quick, loads(raw))
        assert same(quick, _carefully(raw))
