"""How single values are read from an S-expression and written to one."""

# ruff: noqa: ARG002 - all shapes share one signature

from __future__ import annotations

from functools import lru_cache
from typing import Any

from foldward.wire._misfit import Misfit
from foldward.wire._sexp_read import Atom, List, Node, Text
from foldward.wire._sexp_tree import PLAIN_KEY, entries, quote, read_number, write_number

_TRUE = frozenset({"t", "true", "#t"})
_FALSE = frozenset({"nil", "false", "#f"})
_BARE = _TRUE | _FALSE | {"inf", "infinity", "nan"}


@lru_cache(4096)
def is_bare(name: str) -> bool:
    """Whether a symbol written without quotes reads back as the same name."""
    return PLAIN_KEY.fullmatch(name) is not None and name not in _BARE


class Shape:
    """How one field is read from a node and written as text."""

    def read(self, node: Node, path: str) -> Any:
        raise Misfit(path, "has no shape")  # pragma: no cover - every shape overrides it

    def write(self, value: Any) -> str:
        raise Misfit("", "has no shape")  # pragma: no cover - every shape overrides it


class _Scalar(Shape):
    """One atom or string; `(k v)` for a scalar is an optional field's way to write it."""

    def read(self, node: Node, path: str) -> Any:
        if isinstance(node, List):
            items = entries(node, path)
            if not items:
                return self.atom(Atom("nil"), path)
            if len(items) > 1 or isinstance(items[0], List):
                raise Misfit(path, "is a list where one value belongs")
            return self.read(items[0], path)
        if isinstance(node, Text):
            return self.text(str(node), path)
        return self.atom(node, path)

    def text(self, text: str, path: str) -> Any:
        raise Misfit(path, f"is the string {text[:40]!r} where a number or symbol belongs")

    def atom(self, atom: str, path: str) -> Any:
        raise Misfit(path, "has no shape")  # pragma: no cover - every scalar overrides it


class Number(_Scalar):
    """int or float; nil is no number (None)."""

    def atom(self, atom: str, path: str) -> Any:
        if atom.lower() == "nil":
            return None
        number = read_number(atom)
        if number is None:
            raise Misfit(path, f"is {atom[:40]!r}, not a number")
        return number

    write = staticmethod(write_number)


class Boolean(_Scalar):
    """t or nil; also true, false, #t, #f."""

    def atom(self, atom: str, path: str) -> Any:
        lowered = atom.lower().lstrip(":")
        if lowered in _TRUE:
            return True
        if lowered in _FALSE:
            return False
        raise Misfit(path, f"is {atom[:40]!r}, not a boolean")

    def write(self, value: Any) -> str:
        if not isinstance(value, bool):
            raise Misfit("", f"is {value!r}, not a boolean")
        return "t" if value else "nil"


class String(_Scalar):
    """A quoted string; a bare symbol is taken as written, nil is none."""

    def text(self, text: str, path: str) -> Any:
        return text

    def atom(self, atom: str, path: str) -> Any:
        return None if atom.lower() == "nil" else str(atom)

    def write(self, value: Any) -> str:
        if value is None:
            return "nil"
        if not isinstance(value, str):
            raise Misfit("", f"is {value!r}, not a string")
        return quote(value)


class Symbol(String):
    """A name: written bare where it can be, read without regard to case or keyword colon."""

    def __init__(self, upper: bool = False) -> None:
        self.upper = upper

    def atom(self, atom: str, path: str) -> Any:
        if atom.lower() == "nil":
            return None
        name = atom.rsplit(":", 1)[-1]
        return name.upper().replace("-", "_") if self.upper else name.lower()

    def write(self, value: Any) -> str:
        if isinstance(value, str) and not self.upper and is_bare(value):
            return value
        return super().write(value)


class Loose(_Scalar):
    """A scalar whose type the schema leaves open (a level such as 1.5 or "3%", a field of a trade)."""

    def text(self, text: str, path: str) -> Any:
        return text

    def atom(self, atom: str, path: str) -> Any:
        lowered = atom.lower()
        if lowered == "nil":
            return None
        number = read_number(atom)
        if number is not None:
            return number
        if lowered in _TRUE or lowered in _FALSE:
            return lowered in _TRUE
        return str(atom)

    def write(self, value: Any) -> str:
        if value is None:
            return "nil"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return quote(value)
        return write_number(value)
