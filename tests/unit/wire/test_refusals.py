"""Shapes and numbers that no message may have, each refused where it stands."""

import pytest

from foldward.contracts.errors import WireError
from foldward.wire import dumps, loads
from foldward.wire._misfit import Misfit
from foldward.wire._scalars import Boolean, String, Symbol
from foldward.wire._sexp_tree import Atom
from foldward.wire._shape import FreeForm

REQUEST = (
    b'{"action":"BACKTEST","request_id":"r","strategy":{"name":"s","indicator_type":"sma","timeframe":60%s}}'
)
RESULT = (
    b'{"type":"BACKTEST_RESULT","result":{"request_id":"r","strategy_name":"s","trades":1,"wins":1,"losses":0,'
    b'"pnl":1.0,"sharpe":1.0,"sortino":1.0,"max_drawdown":0.1,"win_rate":50.0,"profit_factor":2.0%s}}'
)


def refusal(raw: bytes) -> str:
    with pytest.raises(WireError) as caught:
        loads(raw)
    return caught.value.message


def test_a_message_is_an_object() -> None:
    assert "JSON" in refusal(b"[1]") or "begins with" in refusal(b"[1]")


def test_a_flat_parameter_that_is_no_number_is_named() -> None:
    assert "colour" in refusal(REQUEST % b',"colour":"red"')
    assert "flag" in refusal(REQUEST % b',"flag":true')


def test_an_empty_strategy_name_is_refused() -> None:
    assert "strategy.name" in refusal((REQUEST % b"").replace(b'"name":"s"', b'"name":" "'))


def test_a_further_metric_needs_a_reason_too() -> None:
    assert "result.metrics.calmar" in refusal(RESULT % b',"metrics":{"calmar":null}')
    assert loads(RESULT % b',"metrics":{"calmar":null},"reasons":{"calmar":"flat"}').metrics == {
        "calmar": None
    }


@pytest.mark.parametrize(("shape", "value"), [(Boolean(), "yes"), (String(), 7)])
def test_a_value_of_another_kind_is_not_written(shape: Boolean | String, value: object) -> None:
    with pytest.raises(Misfit):
        shape.write(value)


def test_json_in_a_string_is_read_only_from_a_string() -> None:
    assert FreeForm().read(Atom("nil"), "plan") is None
    with pytest.raises(Misfit, match="not JSON in a string"):
        FreeForm().read(Atom("bare"), "plan")


def test_nil_is_no_name() -> None:
    assert Symbol().atom("NIL", "kind") is None
    assert Symbol().atom("pkg::SMA", "kind") == "sma"


def test_an_unknown_format_is_not_written_as_another_one() -> None:
    with pytest.raises(WireError, match="format is 'xml'; json and sexp are known"):
        dumps(loads(RESULT % b""), format="xml")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [5, None, {"type": "HEARTBEAT"}])
def test_what_is_no_message_is_not_written_as_a_heartbeat(value: object) -> None:
    with pytest.raises(WireError, match="is no message"):
        dumps(value)  # type: ignore[arg-type]
