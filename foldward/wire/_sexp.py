"""S-expressions ↔ plain data, by schema (the grammar is in `_sexp_read`, the shapes in `_shape`)."""

from __future__ import annotations

from typing import Any

from msgspec import inspect

from foldward.contracts.jobs import Backtest, Heartbeat, Result
from foldward.wire._messages import CANDLE_ALIASES
from foldward.wire._misfit import Misfit
from foldward.wire._results import ALIASES, METRICS
from foldward.wire._scalars import Boolean, Loose, Number, Shape, String, Symbol
from foldward.wire._sexp_read import parse
from foldward.wire._sexp_tree import alist
from foldward.wire._shape import FreeForm, Record, Sequence, Table, shape_of

OPTION_FIELDS = ("data_id", "candles_file", "start_time", "end_time", "timeframe", "aux_candles_files")


def _fields(struct: type, special: dict[str, Shape]) -> dict[str, Shape]:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return {field.name: shape_of(field.type, special, field.name) for field in info.fields}


def _request_shape() -> Record:
    from foldward.contracts.jobs import Candle, Costs, Filter, Strategy

    costs = Record(_fields(Costs, {}))
    rule = Record(_fields(Filter, {"logic": Symbol(upper=True)}))
    own = _fields(Strategy, {"kind": Symbol(), "costs": costs, "filter": rule, "sl": Loose(), "tp": Loose()})
    strategy = Record(
        {
            "name": own.pop("name"),
            "indicator_type": Symbol(),
            "sma_short": Number(),
            "sma_long": Number(),
            "sl": own.pop("sl"),
            "tp": own.pop("tp"),
            "volume": Number(),
            "timeframe": own.pop("timeframe"),
            "band_mult": Number(),
            "atr_barrier_sl": Number(),
            "atr_barrier_tp": Number(),
            "filter_enabled": Boolean(),
            "filter_tf": Number(),
            "filter_period": Number(),
            "filter_logic": Symbol(upper=True),
            **own,
        }
    )
    candle = Record(_fields(Candle, {}), aliases=CANDLE_ALIASES)
    candles = Sequence(candle)
    special: dict[str, Shape] = {
        "strategy": strategy,
        "candles": candles,
        "aux_candles": Table(candles),
        "plan": FreeForm(),
    }
    fields = {"action": String(), **_fields(Backtest, special), "costs": costs}
    return Record(fields, optional=OPTION_FIELDS)


def _result_shape() -> Record:
    special: dict[str, Shape] = {
        "trade_list": Sequence(Table(Loose())),
        "blocks": FreeForm(),
        "detail": FreeForm(),
        "metrics": Table(Number()),
    }
    return Record(_fields(Result, special), always=METRICS, aliases=ALIASES)


MESSAGES = {
    "action": _request_shape(),
    "BACKTEST_RESULT": Record({"type": String(), "result": _result_shape()}),
    "HEARTBEAT": Record({"type": String(), **_fields(Heartbeat, {})}),
}
_TYPE = String()


def read_sexp(raw: bytes) -> Any:
    """Plain data of one S-expression. Raises WireError `wire.unparseable` and Misfit."""
    root = parse(raw)
    for key, node in alist(root, ""):
        if key == "action":
            return MESSAGES["action"].read(root, "")
        if key == "type":
            kind = _TYPE.read(node, "type")
            shape = MESSAGES.get(kind) if kind != "action" else None
            return shape.read(root, "") if shape is not None else {"type": kind}
    raise Misfit("", "neither action nor type is given", "wire.unknown_type")


def write_sexp(plain: dict[str, Any]) -> bytes:
    """One line. Raises Misfit for what cannot be written."""
    shape = MESSAGES["action" if "action" in plain else plain["type"]]
    return shape.write(plain).encode()
