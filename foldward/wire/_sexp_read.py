"""Reading S-expressions: bytes → nodes, with no idea of what they mean (the schema knows, see `_shape`).

    message := alist ; alist := "(" pair* ")" ; pair := "(" key "." value ")" | "(" key value* ")"

A node is Text (a quoted string), Atom (everything else that is not a list) or List. `(k v …)` is the same
as `(k . (v …))`, so a List carries an optional tail: what stood behind its dot.
"""

from __future__ import annotations

import itertools
import re
from typing import NoReturn

from foldward.contracts.errors import WireError

# Every character but white space belongs to a token; a lone quote or a semicolon is one that fits nowhere.
# A whole (key . scalar) is one token too: most of a message is made of them.
_TOKEN = re.compile(
    r'\(\s*(?!\.\s)([^\s()";]+)\s+\.\s+(?:("(?:[^"\\]++|\\.)*+")|(?!\.[\s)])([^\s()";]+))\s*\)'
    r'|([()]|"(?:[^"\\]++|\\.)*+"|#<[^>]*+>|[^\s()";]+|[";])',
    re.DOTALL,
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
    """The one list that the message is. Raises WireError `wire.not_utf8` and `wire.unparseable` with the
    byte position."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError("wire.not_utf8", raw, error.start, f"not UTF-8: {error.reason}") from None
    stack: list[List] = []
    top: List | None = None
    root: List | None = None
    number = -1
    node: Node
    for number, (key, string, atom, token) in enumerate(_TOKEN.findall(text)):
        if key:
            node = List()
            node.items = [Atom(key)]
            node.dotted = True
            node.tail = Atom(atom) if atom else _text(string)
            if top is not None and not top.dotted:
                top.items.append(node)
                continue
            if top is None:
                if root is not None:
                    _fail(raw, text, number, "something follows the message")
                root = node
                continue
            first = ""
        else:
            first = token[0]
        if first == ")":
            if top is None:
                _fail(raw, text, number, "')' without '('")
            if top.dotted and top.tail is None:
                _fail(raw, text, number, "nothing behind the dot")
            if stack:
                top = stack.pop()
            else:
                root, top = top, None
            continue
        if first == "(":
            node = List()
            if top is None:
                if root is not None:
                    _fail(raw, text, number, "something follows the message")
                top = node
                continue
        elif top is None:
            why = "something follows the message" if root is not None else "a message starts with '('"
            _fail(raw, text, number, why)
        elif not first:
            pass
        elif first == '"':
            if len(token) == 1:
                _fail(raw, text, number, "the string does not end")
            node = _text(token)
        elif token == ".":
            if top.dotted or not top.items:
                _fail(raw, text, number, "a dot stands between one key and one value")
            top.dotted = True
            continue
        elif token == ";":
            _fail(raw, text, number, "unexpected ';'")
        else:
            node = Atom(token)
        if not top.dotted:
            top.items.append(node)
        elif top.tail is None:
            top.tail = node
        else:
            _fail(raw, text, number, "more than one value behind the dot")
        if first == "(":
            stack.append(top)
            top = node  # type: ignore[assignment]
    if root is None or top is not None:
        _fail(raw, text, number + 1, f"{len(stack) + 1} '(' without ')'" if top is not None else "empty")
    return root


def _text(literal: str) -> Text:
    body = literal[1:-1]
    return Text(_ESCAPE.sub(_unescape, body) if "\\" in body else body)


def _unescape(match: re.Match[str]) -> str:
    return _UNESCAPED.get(match[1], match[1])


def _fail(raw: bytes, text: str, number: int, why: str) -> NoReturn:
    """Raise for token `number`; its place is found only now, so that good messages do not pay for it."""
    found = next(itertools.islice(_TOKEN.finditer(text), number, None), None)
    start = len(text) if found is None else found.start()
    place = len(text[:start].encode())
    raise WireError("wire.unparseable", raw, place, f"S-expression, byte {place}: {why}")
