"""Reading S-expressions: bytes → nodes, with no idea of what they mean (the schema knows, see `_shape`).

    message := alist ; alist := "(" pair* ")" ; pair := "(" key "." value ")" | "(" key value* ")"

A node is Text (a quoted string), Atom (everything else that is not a list) or List. `(k v …)` is the same
as `(k . (v …))`, so a List carries an optional tail: what stood behind its dot.
"""

from __future__ import annotations

import re
from typing import NoReturn

from foldward.contracts.errors import WireError

_TOKEN = re.compile(
    r'[ \t\r\n\f\v]*(?:(\()|(\))|"((?:[^"\\]++|\\.)*+)(")?|(#<[^>]*+>|[^\s()";]+)|(.))', re.DOTALL
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
# Lisp printers escape only the quote and the backslash; n and r are ours, because a message is one line.
_UNESCAPED = {"n": "\n", "r": "\r"}


class Text(str):
    """A quoted string."""

    __slots__ = ()


class Atom(str):
    """A symbol, keyword or number, as written."""

    __slots__ = ()


class List:
    """A parenthesised list. `tail` is the node behind a dot, or None."""

    __slots__ = ("dotted", "items", "tail")

    def __init__(self) -> None:
        self.items: list[Node] = []
        self.tail: Node | None = None
        self.dotted = False


Node = Text | Atom | List


def parse(raw: bytes) -> List:
    """The one list that the message is. Raises WireError `wire.unparseable` with the byte position."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError("wire.not_utf8", raw, error.start, f"not UTF-8: {error.reason}") from None
    root: List | None = None
    stack: list[List] = []
    end = len(text.rstrip())
    position = 0
    match = _TOKEN.match
    while position < end:
        token = match(text, position)
        if token is None:  # pragma: no cover - the last alternative matches any character
            _fail(raw, text, position, "unexpected input")
        kind = token.lastindex
        start, position = position, token.end()
        if root is not None and not stack:
            _fail(raw, text, start, "something follows the message")
        if kind == 1:
            node = List()
            if stack:
                _append(raw, text, start, stack[-1], node)
            stack.append(node)
        elif kind == 2:
            if not stack:
                _fail(raw, text, start, "')' without '('")
            closed = stack.pop()
            if closed.dotted and closed.tail is None:
                _fail(raw, text, start, "nothing behind the dot")
            if not stack:
                root = closed
        elif not stack:
            _fail(raw, text, start, "a message starts with '('")
        elif kind == 5:
            atom = token[5]
            if atom == ".":
                top = stack[-1]
                if top.dotted or not top.items:
                    _fail(raw, text, start, "a dot stands between one key and one value")
                top.dotted = True
            else:
                _append(raw, text, start, stack[-1], Atom(atom))
        elif kind == 4:
            body = token[3]
            if "\\" in body:
                body = _ESCAPE.sub(lambda m: _UNESCAPED.get(m[1], m[1]), body)
            _append(raw, text, start, stack[-1], Text(body))
        elif kind == 3:
            _fail(raw, text, start, "the string does not end")
        else:
            _fail(raw, text, start, f"unexpected {token[6]!r}")
    if stack or root is None:
        _fail(raw, text, end, f"{len(stack)} '(' without ')'" if stack else "empty")
    return root


def _append(raw: bytes, text: str, position: int, target: List, node: Node) -> None:
    if not target.dotted:
        target.items.append(node)
    elif target.tail is None:
        target.tail = node
    else:
        _fail(raw, text, position, "more than one value behind the dot")


def _fail(raw: bytes, text: str, position: int, why: str) -> NoReturn:
    place = len(text[:position].encode())
    raise WireError("wire.unparseable", raw, place, f"S-expression, byte {place}: {why}")
