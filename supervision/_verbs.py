"""The verbs that every root answers. They look at plain attributes and ask nobody (`restart` and `stop` do
something, and wait for it)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from supervision._clock import utcnow
from supervision._lines import InspectError
from supervision.root import Root

Verb = Callable[[dict[str, Any]], Any]


def built_in(root: Root) -> dict[str, Verb]:
    """name → function of the args to something that JSON can hold."""

    def crashes(args: dict[str, Any]) -> list[dict[str, Any]]:
        return [entry.as_dict() for entry in root.crashes(None if args.get("id") is None else _id(args))]

    def restart(args: dict[str, Any]) -> dict[str, Any]:
        id = _id(args)
        handle = root.supervisor_of(id).cycle_child(id, timeout=_number(args, "within_s", 30.0, 3600.0))
        return {"id": id, "incarnation": None if handle is None else handle.incarnation}

    def stop(_args: dict[str, Any]) -> dict[str, Any]:
        root.request_end()
        return {"stopping": True}

    return {
        "ping": lambda _args: {"pid": os.getpid(), "root": root.id, "alive": root.alive},
        "tree": lambda _args: {"version": 1, "at": utcnow().isoformat(), **root.snapshot()},
        "child": lambda args: root.find(_id(args)),
        "crashes": crashes,
        "stacks": lambda _args: root.stacks(),
        "zombies": lambda _args: root.zombies(),
        "counters": lambda _args: root.counters(),
        "restart": restart,
        "stop": stop,
    }


def _id(args: Mapping[str, Any]) -> str:
    id = args.get("id")
    if not isinstance(id, str):
        raise InspectError("inspect.request", "this verb needs an id")
    return id


def _number(args: Mapping[str, Any], key: str, default: float, most: float) -> float:
    value = args.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise InspectError("inspect.request", f"{key} is a number above 0, at most {most:g}")
    return float(value)
