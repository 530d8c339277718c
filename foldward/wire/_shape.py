"""The schema as S-expressions see it: for every field how it is read and how it is written.

Made once from the structs of `foldward.contracts.jobs`; a value never decides its own spelling. Reading gives
the same plain data that JSON gives, writing takes plain data. Free-form values (plan, blocks, detail) have no
schema and travel as JSON in a string. Faults are raised as `Misfit` with the path of the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec
from msgspec import inspect

from foldward.wire._finite import require_sound, sound
from foldward.wire._misfit import Misfit
from foldward.wire._scalars import Boolean, Loose, Number, Shape, String, Symbol
from foldward.wire._sexp_read import Atom, List, Node, Text
from foldward.wire._sexp_tree import alist, entries, quote, write_key


class FreeForm(Shape):
    """Data without a schema: JSON in a string."""

    def read(self, node: Node, path: str) -> Any:
        if isinstance(node, List):
            items = entries(node, path)
            if not items:
                return None
            if len(items) == 1:
                return self.read(items[0], path)
        if isinstance(node, Atom) and node.lower() == "nil":
            return None
        if not isinstance(node, Text):
            raise Misfit(path, "is not JSON in a string")
        try:
            return msgspec.json.decode(node.encode())
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Misfit(path, f"is not JSON in a string ({error})") from None

    def write(self, value: Any) -> str:
        if value is None:
            return "nil"
        if not sound(value):
            require_sound(value, "")
        return quote(msgspec.json.encode(value).decode())


class Sequence(Shape):
    """A list of one shape. A one-element list stays a list."""

    def __init__(self, item: Shape) -> None:
        self.item = item

    def read(self, node: Node, path: str) -> Any:
        if isinstance(node, Atom) and node.lower() == "nil":
            return []
        if not isinstance(node, List):
            raise Misfit(path, "is not a list")
        return [self.item.read(item, f"{path}[{i}]") for i, item in enumerate(entries(node, path))]

    def write(self, value: Any) -> str:
        write = self.item.write
        parts: list[str] = []
        try:
            parts.extend(map(write, value))
        except Misfit as fault:
            raise fault.inside(f"[{len(parts)}]") from None
        return "(" + " ".join(parts) + ")"


class Row(Shape):
    """A list of fixed length with a shape for each place, such as (time equity)."""

    def __init__(self, places: tuple[Shape, ...]) -> None:
        self.places = places

    def read(self, node: Node, path: str) -> Any:
        if not isinstance(node, List):
            raise Misfit(path, "is not a list")
        if node.dotted and len(node.items) == 1 and len(self.places) == 2 and not isinstance(node.tail, List):
            items = [node.items[0], node.tail]
        else:
            items = list(entries(node, path))
        if len(items) != len(self.places):
            raise Misfit(path, f"has {len(items)} elements, not {len(self.places)}")
        return [shape.read(item, path) for shape, item in zip(self.places, items, strict=True)]  # type: ignore[arg-type]

    def write(self, value: Any) -> str:
        parts: list[str] = []
        try:
            for shape, item in zip(self.places, value, strict=True):
                parts.append(shape.write(item))
        except Misfit as fault:
            raise fault.inside(f"[{len(parts)}]") from None
        return "(" + " ".join(parts) + ")"


class Table(Shape):
    """An alist whose keys are data (parameters, metrics)."""

    def __init__(self, value: Shape) -> None:
        self.value = value

    def read(self, node: Node, path: str) -> Any:
        out: dict[str, Any] = {}
        for key, item in alist(node, path):
            if key not in out:
                out[key] = self.value.read(item, f"{path}.{key}")
        return out

    def write(self, value: Any) -> str:
        write = self.value.write
        parts = ["("]
        key = ""
        try:
            for key, item in value.items():
                parts.append(f"({write_key(key)} . {write(item)})")
        except Misfit as fault:
            raise fault.inside(key) from None
        return "".join(parts) + ")"


class Record(Shape):
    """An alist with known keys. Of two pairs with one key the first counts, as with `assoc`.

    optional: fields written `(key)` or `(key value)`. always: written even when None. A field that the schema
    does not know is kept as a loose scalar where it is one, so that the message check can name it.
    """

    loose: ClassVar[Loose] = Loose()

    def __init__(
        self,
        fields: Mapping[str, Shape],
        *,
        optional: tuple[str, ...] = (),
        always: tuple[str, ...] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.fields = dict(fields)
        self.optional = frozenset(optional)
        self.always = frozenset(always)
        self._writing = tuple(self._plan(name, shape) for name, shape in self.fields.items())
        self.reading = {**self.fields, **{k: self.fields[v] for k, v in (aliases or {}).items()}}

    def read(self, node: Node, path: str) -> Any:
        pairs = alist(node, path)
        if not pairs and path:
            return None  # nil: no record at all
        out: dict[str, Any] = {}
        for key, item in pairs:
            if key in out:
                continue
            shape = self.reading.get(key)
            where = f"{path}.{key}" if path else key
            if key in self.optional and isinstance(item, List) and not item.items:
                out[key] = None
            elif shape is not None:
                out[key] = shape.read(item, where)
            elif not isinstance(item, List):
                out[key] = self.loose.read(item, where)
            else:
                out[key] = []
        return out

    def write(self, value: Any) -> str:
        get = value.get
        parts = ["("]
        name = ""
        try:
            for name, write, head, tail, absent in self._writing:
                item = get(name)
                if item is not None:
                    parts.append(head + write(item) + tail)
                elif absent and (name in value or name in self.optional):
                    parts.append(absent)
        except Misfit as fault:
            raise fault.inside(name) from None
        return "".join(parts) + ")"

    def _plan(self, name: str, shape: Shape) -> tuple[str, Callable[[Any], str], str, str, str]:
        """How a field is written: name, writer, what stands before and behind, and the absent field."""
        if name in self.optional:
            return name, shape.write, f"({name} ", ")", f"({name})"
        return name, shape.write, f"({name} . ", ")", f"({name} . nil)" if name in self.always else ""


def shape_of(kind: inspect.Type, special: Mapping[str, Shape], name: str = "") -> Shape:
    """The shape of a msgspec type; `special` gives the shapes that the type alone does not tell."""
    if name in special:
        return special[name]
    if isinstance(kind, inspect.UnionType):
        rest = [item for item in kind.types if not isinstance(item, inspect.NoneType)]
        return shape_of(rest[0], special, name) if len(rest) == 1 else Loose()
    if isinstance(kind, inspect.StructType):
        return Record({f.name: shape_of(f.type, special, f.name) for f in kind.fields})
    if isinstance(kind, inspect.DictType):
        return Table(shape_of(kind.value_type, special))
    if isinstance(kind, inspect.VarTupleType):
        return Sequence(shape_of(kind.item_type, special))
    if isinstance(kind, inspect.TupleType):
        return Row(tuple(shape_of(item, special) for item in kind.item_types))
    if isinstance(kind, inspect.BoolType):
        return Boolean()
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return Number()
    if isinstance(kind, inspect.LiteralType):
        return Symbol()
    if isinstance(kind, inspect.StrType):
        return String()
    if isinstance(kind, inspect.AnyType):
        return Loose()
    raise TypeError(f"no shape for {kind!r}")
