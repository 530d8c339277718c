"""S-expressions as our own writer writes them → JSON in our own spelling, by one pattern a message.

The pattern is made from the same shapes that the writer uses: fields in the writer's order, one space, plain
keys. What it does not match (another order, another spelling, candles in an odd form) is read by the careful
reader in `_sexp_read`; what it matches means the same there. Strings need no translation: of the escapes of
both grammars only those that mean the same are let through.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from foldward.wire import _sexp
from foldward.wire._scalars import Boolean, Loose, Number, Shape, String, Symbol
from foldward.wire._shape import FreeForm, Record, Row, Sequence, Table
from foldward.wire._strategy import FILTER_FIELDS, atr_text

Convert = Callable[[bytes], bytes]
_KEY = rb"[a-z][a-z0-9_]*+"
_NUMBER = rb"(?!-0[ )])-?[0-9]++(?:\.[0-9]++)?+(?:e[+-]?[0-9]++)?+"
_STRING = rb'"(?:[^"\\\x00-\x1f]++|\\["\\nr])*+"'
# Inside lists, where parts are told by what parts them: a text that could be taken for that is left out.
_INNER = rb'"(?! ")(?:[^"\\\x00-\x1f().:]++|\.(?! )|:(?!nil))*+"'
_BOOLEANS = {b"t": b"true", b"nil": b"false"}
_RESULT = b'((type . "BACKTEST_RESULT")'
_REQUEST = b'((action . "BACKTEST")'
_text = msgspec.json.Decoder(str).decode
_plain = msgspec.json.Decoder().decode
_whole = msgspec.json.Decoder(msgspec.Raw).decode


def canonical(raw: bytes) -> bytes | None:
    """The message as JSON, or None when it is not written as we write it."""
    try:
        if raw.startswith(_RESULT):
            pattern, fields = _result_form()
            found = pattern.fullmatch(raw)
            if found is not None:
                return b'{"type":"BACKTEST_RESULT","result":{%b}}' % _joined(fields, found.groups())
        elif raw.startswith(_REQUEST):
            form = _request_form()
            found = form.pattern.fullmatch(raw)
            return None if found is None else form.json(found.groups())
    except (ValueError, RecursionError):
        pass  # what is in a string or a table is not what it should be: the careful reader names it
    return None


# --- values -------------------------------------------------------------------------------------------------


def _symbol(text: bytes) -> bytes:
    return text if text.startswith(b'"') else b'"' + text + b'"'


def _boolean(text: bytes) -> bytes:
    return _BOOLEANS[text]


def _nullable(text: bytes) -> bytes:
    return b"null" if text == b"nil" else text


def _free(text: bytes) -> bytes:
    # Checked to be one value before it is put among others.
    return bytes(_whole(_text(text).encode()))


def _object(text: bytes) -> bytes:
    """`((a . 1)(b . nil))` → `{"a":1,"b":null}`."""
    body = text[2:-2].replace(b")(", b',"').replace(b" . ", b'":').replace(b":nil", b":null")
    return b'{"' + body + b"}"


def _flagged(text: bytes) -> bytes:
    """The same for numbers and booleans."""
    body = _object(text).replace(b":null", b":false")
    return body.replace(b":t,", b":true,").replace(b":t}", b":true}")


def _table(text: bytes) -> bytes:
    """The same where keys are data. Of two pairs with one key the first counts, and in JSON the last."""
    if text == b"()":
        return b"{}"
    found = _object(text)
    if len(_plain(found)) != found.count(b'":'):
        raise ValueError("a key stands there twice")
    return found


def _tables(text: bytes) -> bytes:
    """Many of them."""
    found = _objects(text)
    if sum(map(len, _plain(found))) != found.count(b'":'):
        raise ValueError("a key stands there twice")
    return found


def _objects(text: bytes) -> bytes:
    """`(((a . 1)(b . 2)) ((a . 3)))` → `[{"a":1,"b":2},{"a":3}]`."""
    if text == b"()":
        return b"[]"
    body = text[3:-3].replace(b")) ((", b'},{"').replace(b")(", b',"').replace(b" . ", b'":')
    return b'[{"' + body.replace(b":nil", b":null") + b"}]"


def _rows(text: bytes) -> bytes:
    """`((1 2.0) (3 4.0))` → `[[1,2.0],[3,4.0]]`."""
    if text == b"()":
        return b"[]"
    return b"[[" + text[2:-2].replace(b") (", b"],[").replace(b" ", b",") + b"]]"


def _texts(text: bytes) -> bytes:
    """`("a" "b")` → `["a","b"]`."""
    return b"[" + text[1:-1].replace(b'" "', b'","') + b"]"


def _listed(item: bytes) -> bytes:
    """The pattern of a list of such items."""
    return rb"\((?:" + item + rb"(?: " + item + rb")*+)?+\)"


def _pairs(value: bytes) -> bytes:
    return rb"\((?:\(" + _KEY + rb" \. " + value + rb"\))*+\)"


def _inner(shape: Shape) -> bytes | None:
    """The pattern of a value inside a list."""
    if type(shape) is Number:
        return _NUMBER
    if type(shape) is Boolean:
        return rb"(?:t|nil)"
    if type(shape) is String or type(shape) is Symbol:
        return _INNER
    return rb"(?:" + _NUMBER + rb"|" + _INNER + rb"|nil|true|false)" if type(shape) is Loose else None


def _flat(shape: Record) -> bytes | None:
    """The pattern of a record of plain values, all of them given."""
    out = [rb"\("]
    for name, value in shape.fields.items():
        inner = _inner(value)
        if inner is None:
            return None
        out.append(rb"\(" + name.encode() + rb" \. " + inner + rb"\)")
    return b"".join(out) + rb"\)"


def _form(shape: Shape) -> tuple[bytes, Convert | None] | None:
    """How a field's value is written and what makes JSON of it; None: the careful reader's."""
    kind = type(shape)
    if kind is Number:
        return _NUMBER, None
    if kind is String:
        return _STRING, None
    if kind is Symbol:
        return rb"(?!nil[ )])" + _KEY + rb"|" + _STRING, _symbol
    if kind is Boolean:
        return rb"t|nil", _boolean
    if kind is Loose:
        return _NUMBER + rb"|" + _STRING, None
    if isinstance(shape, FreeForm):
        return _STRING, _free
    if isinstance(shape, Table):
        inner = _inner(shape.value)
        return None if inner is None else (_pairs(rb"(?:" + inner + rb"|nil)"), _table)
    if isinstance(shape, Record):
        flat = _flat(shape)
        flags = any(type(value) is Boolean for value in shape.fields.values())
        return None if flat is None else (flat, _flagged if flags else _object)
    if isinstance(shape, Sequence):
        return _listed_form(shape.item)
    return None


def _listed_form(item: Shape) -> tuple[bytes, Convert] | None:
    if isinstance(item, Row) and all(type(place) is Number for place in item.places):
        return _listed(rb"\(" + rb" ".join([_NUMBER] * len(item.places)) + rb"\)"), _rows
    if type(item) is String:
        return _listed(_INNER), _texts
    if isinstance(item, Record):
        flat = _flat(item)
        return None if flat is None else (_listed(flat), _objects)
    if isinstance(item, Table):
        inner = _inner(item.value)
        # An empty object would have no mark of its own among the others.
        return None if inner is None else (_listed(rb"(?!\(\))" + _pairs(inner)), _tables)
    return None


# --- records ------------------------------------------------------------------------------------------------

_Fields = tuple[tuple[bytes, Convert | None], ...]


def _record(shape: Record, left_out: frozenset[str] = frozenset()) -> tuple[bytes, _Fields]:
    """The pattern of a record's fields, one group each, and what each group becomes."""
    pattern, fields = [], []
    for name, value in shape.fields.items():
        form = None if name in left_out else _form(value)
        if form is None:
            continue
        text, convert = form
        key = name.encode()
        if name in shape.optional:
            pattern.append(rb"(?:\(" + key + rb"(?: (" + text + rb"))?+\))?+")
        elif name in shape.always:
            pattern.append(rb"(?:\(" + key + rb" \. (" + text + rb"|nil)\))?+")
            convert = _nullable
        else:
            pattern.append(rb"(?:\(" + key + rb" \. (" + text + rb")\))?+")
        fields.append((b'"' + key + b'":', convert))
    return b"".join(pattern), tuple(fields)


def _joined(fields: _Fields, groups: tuple[Any, ...]) -> bytes:
    return b",".join(
        [
            head + (text if convert is None else convert(text))
            for (head, convert), text in zip(fields, groups, strict=True)
            if text is not None
        ]
    )


@cache
def _result_form() -> tuple[re.Pattern[bytes], _Fields]:
    shape = _sexp.MESSAGES["BACKTEST_RESULT"].fields["result"]
    assert isinstance(shape, Record)
    pattern, fields = _record(shape)
    return re.compile(rb'\(\(type \. "BACKTEST_RESULT"\)\(result \. \(' + pattern + rb"\)\)\)"), fields


# Flat fields of a strategy: what they are called with us, and what is said otherwise or by `params`.
_NAMES = {"indicator_type": "kind", "volume": "units"}
_BARRIERS = ("atr_barrier_sl", "atr_barrier_tp")
_ASIDE = frozenset({"sma_short", "sma_long", "band_mult", *_BARRIERS, *FILTER_FIELDS})
_OURS = frozenset({"kind", "units", "filter"})  # our names for what stands there flat


class _RequestForm:
    """A request: id, strategy, the rest. The groups of its pattern from 1 to `cut` are the strategy's."""

    def __init__(self) -> None:
        shape = _sexp.MESSAGES["action"]
        strategy = shape.fields["strategy"]
        assert isinstance(strategy, Record)
        names = [name for name in strategy.fields if name not in _OURS]
        inner, flat = _record(strategy, _OURS)
        outer, self.rest = _record(shape, frozenset({"action", "request_id", "strategy", "costs"}))
        self.strategy = tuple(
            (f'"{_NAMES.get(name, name)}":'.encode() if name not in _ASIDE else b"", convert)
            for name, (_, convert) in zip(names, flat, strict=True)
        )
        self.cut = 1 + len(flat)
        self.params = 1 + names.index("params")
        self.barriers = [1 + names.index(name) for name in _BARRIERS]
        self.filter = [1 + names.index(name) for name in FILTER_FIELDS]
        self.pattern = re.compile(
            rb'\(\(action \. "BACKTEST"\)\(request_id \. (' + _STRING + rb")\)"
            rb"\(strategy \. \(" + inner + rb"\)\)" + outer + rb"\)"
        )

    def json(self, groups: tuple[Any, ...]) -> bytes | None:
        if groups[self.params] is None:
            return None  # the flat fields are all there is: which of them count depends on the kind
        parts = [
            head + (text if convert is None else convert(text))
            for (head, convert), text in zip(self.strategy, groups[1 : self.cut], strict=True)
            if text is not None and head
        ]
        sl, tp = (float(groups[place] or 0.0) for place in self.barriers)
        if sl > 0:
            parts.append(f'"sl":"{atr_text(sl)}","tp":"{atr_text(tp)}"'.encode())
        elif tp > 0:
            return None
        enabled, *rule = (groups[place] for place in self.filter)
        if enabled == b"t":
            if None in rule:
                return None
            parts.append(b'"filter":{"timeframe":%b,"period":%b,"logic":%b}' % tuple(rule))
        rest = _joined(self.rest, groups[self.cut :])
        return b'{"action":"BACKTEST","request_id":%b,"strategy":{%b}%b%b}' % (
            groups[0],
            b",".join(parts),
            b"," if rest else b"",
            rest,
        )


@cache
def _request_form() -> _RequestForm:
    return _RequestForm()
