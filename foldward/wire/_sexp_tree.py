"""What the nodes of an S-expression say by their form alone: keys, pairs, alists, numbers, literals."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from math import isfinite
from typing import Any

from foldward.wire._limits import LARGEST
from foldward.wire._misfit import Misfit
from foldward.wire._sexp_read import Atom, List, Node, Text

_INTEGER = re.compile(r"[+-]?[0-9]+\.?")
_DECIMAL = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[esfdlESFDL]([+-]?[0-9]+))?")
PLAIN_KEY = re.compile(r"[a-z][a-z0-9_]*")
_SPECIAL = re.compile(r'["\\\n\r]').search
_NAN = re.compile(r"[+-]?nan(\.0)?|#<.*nan.*>|[+-]?1d\+-0", re.IGNORECASE)
_INFINITE = re.compile(
    r"([+-])?(inf(inity)?(\.0)?|1d\+\+0)|#\.sb-ext:(double|single)-float-(positive|negative)-infinity"
    r"|#<.*infinity.*>",
    re.IGNORECASE,
)


@lru_cache(4096)
def _normal(symbol: str) -> str:
    return symbol.rsplit(":", 1)[-1].lower().replace("-", "_")


def key_of(node: Node, path: str) -> str:
    """A key as the schema spells it: `:Start-Time`, `pkg::START_TIME` and `start_time` are one key."""
    if isinstance(node, Text):
        return str(node)
    if isinstance(node, Atom):
        return _normal(node)
    raise Misfit(path, "has a list where a key belongs")


def pair_of(node: Node, path: str) -> tuple[str, Node]:
    """Key and value of one pair; `(k v …)` is `(k . (v …))`."""
    if not isinstance(node, List) or not node.items:
        raise Misfit(path, "is not made of (key . value) pairs")
    key = key_of(node.items[0], path)
    if node.dotted and len(node.items) == 1:
        assert node.tail is not None
        return key, node.tail
    value = List()
    value.items = node.items[1:]
    value.dotted, value.tail = node.dotted, node.tail
    return key, value


def entries(node: List, path: str) -> list[Node]:
    """The elements of a proper list; a list behind the dot goes on where the elements end."""
    items = node.items
    while node.dotted:
        if not isinstance(node.tail, List):
            if isinstance(node.tail, Atom) and node.tail.lower() == "nil":
                return items
            raise Misfit(path, "is not a proper list")
        node = node.tail
        items = items + node.items
    return items


def alist(node: Node, path: str) -> list[tuple[str, Node]]:
    """The pairs of an alist; also of one wrapped in a list, as an optional field writes it."""
    if isinstance(node, Atom) and node.lower() == "nil":
        return []
    if not isinstance(node, List):
        raise Misfit(path, "is not an alist")
    items = entries(node, path)
    if len(items) == 1 and isinstance(items[0], List):
        inner = items[0]
        if not inner.items or isinstance(inner.items[0], List):
            return alist(inner, path)
    return [pair_of(item, path) for item in items]


def read_number(atom: str) -> int | float | None:
    """The number that an atom spells, NaN and infinities included; None when it spells none."""
    if _INTEGER.fullmatch(atom):
        # int() refuses more than 4300 digits; nothing on this wire needs more than twenty.
        return int(atom.rstrip(".")) if len(atom) <= 40 else float(atom)
    match = _DECIMAL.fullmatch(atom)
    if match:
        return float(f"{match[1]}e{match[2]}" if match[2] else match[1])
    if _NAN.fullmatch(atom):
        return math.nan
    if _INFINITE.fullmatch(atom):
        return -math.inf if atom.startswith("-") or "negative" in atom.lower() else math.inf
    return None


def write_number(value: Any) -> str:
    """Text that reads back bit-equal, nil for None; refuses NaN, infinities and integers beyond 64 bits."""
    if type(value) is float:
        if not isfinite(value):
            raise Misfit("", f"is {value}", "wire.not_finite")
        return repr(value)
    if value is None:
        return "nil"
    if isinstance(value, bool) or not isinstance(value, int):
        raise Misfit("", f"is {value!r}, not a number")
    if not -LARGEST <= value <= LARGEST:
        raise Misfit("", "has more than 64 bits")
    return repr(value)


def quote(text: str) -> str:
    """A string literal on one line."""
    if _SPECIAL(text):
        text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{text}"'


@lru_cache(4096)
def write_key(key: str) -> str:
    """A key: bare where the reader gives the same back, else quoted."""
    return key if PLAIN_KEY.fullmatch(key) else quote(key)
