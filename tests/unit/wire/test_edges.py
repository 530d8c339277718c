"""Rare forms: improper lists, values in the wrong place, contradictions between the two spellings."""

from __future__ import annotations

import json
from typing import Any

import pytest
import zmq

from foldward.contracts.errors import ConfigError, WireError
from foldward.contracts.jobs import Backtest, Heartbeat, Strategy
from foldward.settings import LinkTable
from foldward.wire import dumps, loads
from foldward.wire.links import PushPullLink, ServicePort

HEAD = '((type . "BACKTEST_RESULT")(result . ((request_id . "r")(trades . 2)(wins . 1)(losses . 1)'
BODY = "(pnl . 1)(sharpe . 1)(sortino . 1)(max_drawdown . 0.1)(win_rate . 50)(profit_factor . 1)"


def result(extra: str) -> bytes:
    return f"{HEAD}{BODY}{extra})))".encode()


def told(raw: bytes) -> str:
    with pytest.raises(WireError) as caught:
        loads(raw)
    return f"{caught.value.code} {caught.value.message}"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"(a . b) (c . d)", "wire.unparseable S-expression, byte 8: something follows the message"),
        (b"((a . b)) (c . d)", "wire.unparseable S-expression, byte 10: something follows the message"),
        (b"((a . b)) c", "wire.unparseable S-expression, byte 10: something follows the message"),
        (b"((x . (a . b) (c . d)))", "wire.unparseable S-expression, byte 14: more than one value behind"),
        (b'((x . (a . b) "c"))', "wire.unparseable S-expression, byte 14: more than one value behind"),
        (b"(type . action)", "wire.invalid_field is not a proper list"),
        (b"(())", "wire.unknown_type neither action nor type is given"),
        (b"((a . b) ())", "wire.invalid_field is not made of (key . value) pairs"),
        (b"((a . b) . c)", "wire.invalid_field is not a proper list"),
        (b"((1 2) (3 4) x)", "wire.invalid_field is not made of (key . value) pairs"),
    ],
)
def test_forms_that_are_no_alist_are_refused(raw, message):
    assert told(raw).startswith(message)


def test_a_dotted_list_goes_on_in_its_tail():
    long = '((type . "HEARTBEAT") . ((id . "a") . ((timestamp . 1) . nil)))'
    assert loads(long.encode()) == Heartbeat(id="a", timestamp=1.0)
    rest = b'((type "HEARTBEAT") (id . ("a")) (timestamp 1) (data (x . 1) . nil))'
    assert loads(rest).data == {"x": 1.0}


@pytest.mark.parametrize(
    ("extra", "field", "value"),
    [
        ("(window . nil)(notes . nil)", "notes", ()),
        ("(worker . nil)", "worker", None),
        ("(worker . bare)", "worker", "bare"),
        ("(detail)", "detail", None),
        ("(detail . nil)", "detail", None),
        ('(detail . ("{\\"a\\":1}"))', "detail", {"a": 1}),
        ("(equity . ((1 . 2.5)))", "equity", ((1, 2.5),)),
        (
            "(trade_list ((timestamp . 1)(won . t)(lost . #f)(why . stop)))",
            "trade_list",
            ({"timestamp": 1, "won": True, "lost": False, "why": "stop"},),
        ),
        ('(reasons . (("Some Key" . "x")))', "reasons", {"Some Key": "x"}),
        ("(unknown . (1 2 3))(other . 5)", "worker", None),
        ("(seed . ())", "seed", None),
    ],
)
def test_empty_and_bare_values_are_read_by_the_schema(extra, field, value):
    assert getattr(loads(result(extra)), field) == value


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("(trades_truncated . maybe)", "result.trades_truncated is 'maybe', not a boolean"),
        ("(equity . (1))", "result.equity[0] is not a list"),
        ("(detail . 5)", "result.detail is not JSON in a string"),
        ('(detail . "{")', "result.detail is not JSON in a string (Input data was truncated)"),
        ("(attempt . 0)", "result.attempt is 0, not ≥ 1"),
        ("(seed . " + "9" * 30 + ")", "result.seed has more than 64 bits"),
        ("(seed . " + "9" * 50 + ")", "result.seed is float, not int"),
        ("(window . (((x . 1))))", "result.window.start is missing"),
    ],
)
def test_values_of_another_kind_are_refused_with_their_field(extra, message):
    assert told(result(extra)).split(" ", 1)[1] == message


def request(strategy: dict[str, Any], **fields: Any) -> bytes:
    body = {"action": "BACKTEST", "request_id": "r", "strategy": strategy, **fields}
    return json.dumps(body).encode()


FLAT = {"name": "a", "indicator_type": "sma"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (request([]), "wire.invalid_field strategy is not an object"),  # type: ignore[arg-type]
        (request({"name": 5, "kind": "sma"}), "wire.invalid_field strategy.name is 5, not a string"),
        (request({**FLAT, "params": []}), "wire.invalid_field strategy.params is not an object"),
        (
            request({**FLAT, "units": 1.0, "volume": 2.0}),
            "wire.invalid_field strategy.volume 2.0 contradicts units 1.0",
        ),
        (
            request({**FLAT, "atr_barrier_tp": 2.0}),
            "wire.invalid_field strategy.atr_barrier_tp is 2.0 without atr_barrier_sl > 0",
        ),
        (
            request({**FLAT, "atr_barrier_sl": "2"}),
            "wire.invalid_field strategy.atr_barrier_sl is '2', not a number",
        ),
        (
            request({**FLAT, "filter_enabled": 1}),
            "wire.invalid_field strategy.filter_enabled is 1, not a boolean",
        ),
        (
            request({**FLAT, "filter_enabled": True, "filter": {"timeframe": 1, "period": 1, "logic": "x"}}),
            "wire.invalid_field strategy.filter_enabled stands beside filter",
        ),
        (request(FLAT, costs={"spread": 1.0}, deadline_s=0), "wire.invalid_field deadline_s is 0.0, not > 0"),
        (
            request({**FLAT, "costs": {"spread": 2.0}}, costs={"spread": 1.0}),
            "wire.invalid_field costs differ from strategy.costs",
        ),
        (request(FLAT, start_time=10**15), "wire.invalid_field start_time is 1000000000000000, not Unix"),
        (request(FLAT, candles=[5]), "wire.invalid_field candles[0] is not an object"),
        (request(FLAT, seed=2**64), "wire.invalid_field seed has more than 64 bits"),
        (b'{"action":"BACKTEST","x":' + b"1" * 5000 + b"}", "wire.missing_request_id"),
        (b'{"a":1e999,"action":"BACKTEST"', "wire.unparseable JSON"),
        (b'{"a":"\\ud800"}', "wire.unparseable JSON: a text holds half of a surrogate pair"),
        (b'{"type":"HEARTBEAT","id":"\\uDFFF"}', "wire.unparseable JSON: a text holds half"),
        (b'{"a":"\\ud83d\\ude00","b":NaN}', "wire.unknown_type neither action nor type"),
    ],
)
def test_contradictions_and_strange_values_in_a_request_are_named(raw, message):
    assert told(raw).startswith(message)


def test_a_null_in_a_strategy_means_not_given():
    job = loads(request({"name": "a", "kind": "sma", "params": None, "costs": None, "direction": None}))
    assert job.strategy == Strategy(name="a", kind="sma")


def test_an_echo_beside_params_is_not_read():
    strategy = {"name": "a", "kind": "volsma", "params": {"period": 20, "factor": 1.5}, "sma_long": 150}
    assert loads(request(strategy)).strategy.params == {"period": 20.0, "factor": 1.5}
    job = Backtest(request_id="r", strategy=loads(request(strategy)).strategy)
    assert json.loads(dumps(job, peer=True))["strategy"]["sma_long"] == 150.0


def test_a_message_that_is_no_text_cannot_be_written():
    broken = Backtest(request_id="r", strategy=Strategy(name=5, kind="sma"))  # type: ignore[arg-type]
    with pytest.raises(WireError) as caught:
        dumps(broken, "sexp")
    assert caught.value.code == "wire.invalid_field"
    with pytest.raises(WireError) as caught:
        dumps(Heartbeat(id="a", timestamp=True), "sexp")
    assert caught.value.message == "timestamp is True, not a number"


def test_a_service_may_bind_or_connect_either_side():
    service = ServicePort("tcp://127.0.0.1:*", "tcp://127.0.0.1:*", bind_results=True)
    link = PushPullLink(
        lambda message: None,
        LinkTable(
            mode="pushpull",
            request_endpoint=service.requests,
            result_endpoint=service.results_endpoint,
            bind_results=False,
        ),
    )
    link.start()
    try:
        assert service.poll(0) == []
        service.started("r")
        service.bye("x")
        with pytest.raises(WireError) as caught:
            ServicePort(service.requests, "tcp://127.0.0.1:1")
        assert caught.value.code == "wire.endpoint_taken"
        assert caught.value.message == f"{service.requests} is already taken"
        with pytest.raises(ConfigError) as wrong:
            ServicePort("nonsense", "tcp://127.0.0.1:1", bind_requests=False)
        assert wrong.value.message == "nonsense is no address to connect to: Invalid argument"
        with pytest.raises(WireError) as caught:
            ServicePort("tcp://127.0.0.1", "tcp://127.0.0.1:1")
        assert caught.value.message == "tcp://127.0.0.1 cannot be bound: Invalid argument"
    finally:
        link.close()
        service.close(0)


def test_what_is_not_read_yet_stays_with_its_sender():
    link = PushPullLink(
        lambda message: None,
        LinkTable(
            mode="pushpull",
            request_endpoint="tcp://127.0.0.1:*",
            result_endpoint="tcp://127.0.0.1:*",
            bind_requests=True,
        ),
    )
    link.worked_off(0, 0)  # and never again: sixteen are read
    link.start()
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.setsockopt(zmq.SNDHWM, 1)
    push.connect(link.result_endpoint)
    assert push.poll(5000, zmq.POLLOUT)
    taken = 0
    try:
        while taken < 1000 and push.poll(100, zmq.POLLOUT):
            push.send(bytes(128 * 1024))
            taken += 1
    finally:
        context.destroy(linger=0)
        link.close()
    assert 64 < taken < 300  # the kernel's buffers among them
