"""Child specs: frozen data, checked when built, nested to any depth.

The fields and their defaults are OTP's (https://www.erlang.org/doc/apps/stdlib/supervisor.html#type-child_spec)
with what threads need besides: a start timeout, a hang limit, a backoff and what becomes of the inbox.
"""

from __future__ import annotations

import math
import os
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from supervision._fields import (
    DROP,
    FIELDS,
    KEEP,
    AutoShutdown,
    Backoff,
    InboxPolicy,
    Restart,
    Shutdown,
    Strategy,
    count,
    no_unknown,
    number,
    one_of,
)
from supervision.errors import SpecError

__all__ = [
    "DROP",
    "KEEP",
    "AutoShutdown",
    "Backoff",
    "Child",
    "Command",
    "InboxPolicy",
    "Nest",
    "Restart",
    "Shutdown",
    "Strategy",
    "dynamic",
    "process",
    "supervisor",
    "unique_ids",
]


@dataclass(frozen=True, slots=True)
class Nest:
    """What makes a child a supervisor."""

    children: tuple[Child, ...]
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 1
    period: float = 5.0
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    template: Child | None = None  # set: a dynamic supervisor, children are made after it
    max_children: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """What makes a child an OS process.

    stdin, stdout: "null" | "inherit". stderr: "tee" (copied to ours, its tail kept for the crash report) |
    "tail" (only kept) | "inherit" | "null". `env` is laid over the environment of this process.
    on_exit(id, pid, code) is called from the process's own watcher thread as soon as it has ended.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    stdin: str = "null"
    stdout: str = "inherit"
    stderr: str = "tee"
    on_exit: Callable[[str, int, int], Any] | None = None


@dataclass(frozen=True, init=False)
class Child:
    """One child of a supervisor.

    start: an Actor class, or a callable that returns an Actor; called with args and kwargs in the new
        incarnation's own thread, within start_timeout.
    restart: PERMANENT (always), TRANSIENT (after abnormal ends), TEMPORARY (never).
    shutdown: seconds to drain the inbox and leave; "kill": abandoned at once; math.inf: no limit.
    significant: counts for the supervisor's auto_shutdown; only for transient and temporary children.
    start_timeout: seconds for `__init__`, `recover` and `on_start` together.
    hang_after: seconds on one message after which the incarnation is abandoned; None: never.
    backoff: delay of restart attempts; None: at once, as in OTP.
    inbox: DROP or KEEP, see InboxPolicy.
    Raises SpecError for an unknown field or a value that cannot be.
    """

    id: str
    start: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    restart: Restart = Restart.PERMANENT
    shutdown: Shutdown = 5.0
    significant: bool = False
    start_timeout: float = 10.0
    hang_after: float | None = None
    backoff: Backoff | None = None
    inbox: InboxPolicy = DROP
    nest: Nest | None = None
    command: Command | None = None

    def __init__(
        self,
        id: str,
        start: Callable[..., Any],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        restart: Restart = Restart.PERMANENT,
        shutdown: Shutdown = 5.0,
        significant: bool = False,
        start_timeout: float = 10.0,
        hang_after: float | None = None,
        backoff: Backoff | None = None,
        inbox: InboxPolicy = DROP,
        nest: Nest | None = None,
        command: Command | None = None,
        **unknown: Any,
    ) -> None:
        no_unknown(f"child {id!r}", unknown)
        if not isinstance(kwargs, Mapping | None):
            raise SpecError(f"child {id!r}: kwargs must be a mapping, not {kwargs!r}")
        if isinstance(args, str | bytes) or not isinstance(args, Iterable):
            raise SpecError(f"child {id!r}: args must be a sequence, not {args!r}")
        values: dict[str, Any] = {
            "id": id,
            "start": start,
            "args": tuple(args),
            "kwargs": types.MappingProxyType(dict(kwargs or {})),
            "restart": restart,
            "shutdown": shutdown,
            "significant": significant,
            "start_timeout": start_timeout,
            "hang_after": hang_after,
            "backoff": backoff,
            "inbox": inbox,
            "nest": nest,
            "command": command,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        _check(self)

    @property
    def kind(self) -> str:
        """supervisor | process | worker, as inspection names it."""
        if self.nest is not None:
            return "supervisor"
        return "worker" if self.command is None else "process"

    def but(self, **changes: Any) -> Child:
        """A copy with some fields changed, checked again."""
        values = {name: getattr(self, name) for name in Child.__dataclass_fields__}
        return Child(**{**values, **changes})

    def walk(self) -> Iterator[Child]:
        """This spec and every static spec below it, in start order."""
        yield self
        if self.nest is not None:
            for child in self.nest.children:
                yield from child.walk()


def supervisor(
    id: str,
    *children: Child,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: int = 1,
    period: float = 5.0,
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    **child_fields: Any,
) -> Child:
    """A supervisor as a child: `intensity` restarts in `period` seconds are forgiven, one more is not.

    Its own shutdown and start_timeout are infinite unless given: each of its children has its limits.
    Raises SpecError.
    """
    where = f"supervisor {id!r}"
    for child in children:
        if not isinstance(child, Child):
            raise SpecError(f"{where}: {child!r} is not a Child")
        _significant_allowed(where, child, auto_shutdown)
    one_of(where, "strategy", strategy, Strategy)
    one_of(where, "auto_shutdown", auto_shutdown, AutoShutdown)
    _budget(where, intensity, period)
    spec = _nested(
        id,
        Nest(tuple(children), strategy, intensity, float(period), auto_shutdown),
        child_fields,
    )
    unique_ids(spec)
    return spec


def dynamic(
    id: str,
    template: Child,
    max_children: int | None = None,
    *,
    intensity: int = 1,
    period: float = 5.0,
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    **child_fields: Any,
) -> Child:
    """A supervisor of many alike children, none at first: one_for_one, stopped all at once.

    `start_child(args=…, kwargs=…)` lays its arguments over the template's; ids are `template.id-1`, -2, …
    unless given. What ends for good leaves no spec behind. Raises SpecError.
    """
    where = f"dynamic {id!r}"
    if not isinstance(template, Child):
        raise SpecError(f"{where}: the template must be a Child, not {template!r}")
    if template.nest is not None:
        raise SpecError(f"{where}: the template cannot be a supervisor")
    if max_children is not None:
        count(f"{where}: max_children", max_children)
    one_of(where, "auto_shutdown", auto_shutdown, AutoShutdown)
    _significant_allowed(where, template, auto_shutdown)
    _budget(where, intensity, period)
    nest = Nest((), Strategy.ONE_FOR_ONE, intensity, float(period), auto_shutdown, template, max_children)
    return _nested(id, nest, child_fields)


def process(
    id: str,
    argv: Sequence[str | os.PathLike[str]],
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    *,
    stdin: str = "null",
    stdout: str = "inherit",
    stderr: str = "tee",
    on_exit: Callable[[str, int, int], Any] | None = None,
    **child_fields: Any,
) -> Child:
    """An OS process as a child; see Command for the streams. Raises SpecError.

    Exit code 0 is a normal end, anything else (also a signal) a crash. `shutdown`: SIGTERM, then SIGKILL to
    its process group after that many seconds ("kill": SIGKILL at once). It dies with this process, however
    that ends: parent-death signal, and the read end of a pipe whose number is in SUPERVISION_PARENT_FD.
    """
    where = f"process {id!r}"
    if isinstance(argv, str | bytes) or not argv:
        raise SpecError(f"{where}: argv must be a non-empty list of words, not {argv!r}")
    words = tuple(os.fspath(word) for word in argv)
    if not all(isinstance(word, str) for word in words):
        raise SpecError(f"{where}: argv must be text, not {argv!r}")
    if any("\0" in word for word in words):
        raise SpecError(f"{where}: argv contains a NUL character")
    for name, value, allowed in (
        ("stdin", stdin, ("null", "inherit")),
        ("stdout", stdout, ("null", "inherit")),
        ("stderr", stderr, ("tee", "tail", "inherit", "null")),
    ):
        if value not in allowed:
            raise SpecError(f"{where}: {name} must be one of {', '.join(allowed)}, not {value!r}")
    if on_exit is not None and not callable(on_exit):
        raise SpecError(f"{where}: on_exit must be callable, not {on_exit!r}")
    if child_fields.get("hang_after") is not None:
        raise SpecError(f"{where}: hang_after is for actors; a process is watched by who talks to it")
    no_unknown(where, {k: v for k, v in child_fields.items() if k not in FIELDS})
    from supervision._process import ProcessChild  # the spec names its carrier, the carrier reads the spec

    command = Command(
        words,
        None if env is None else types.MappingProxyType(dict(env)),
        None if cwd is None else os.fspath(cwd),
        stdin,
        stdout,
        stderr,
        on_exit,
    )
    return Child(id, ProcessChild, command=command, **child_fields)


def unique_ids(spec: Child) -> None:
    """Raise SpecError when an id occurs twice in the tree."""
    seen: set[str] = set()
    for child in spec.walk():
        if child.id in seen:
            raise SpecError(f"child id {child.id!r} occurs twice in the tree of {spec.id!r}")
        seen.add(child.id)


def _nested(id: str, nest: Nest, fields: Mapping[str, Any]) -> Child:
    from supervision._supervisor import SupervisorActor  # the same knot as in process()

    no_unknown(f"supervisor {id!r}", {k: v for k, v in fields.items() if k not in FIELDS})
    if fields.get("hang_after") is not None:
        raise SpecError(f"supervisor {id!r}: hang_after is for actors; a supervisor waits for its children")
    given = {"shutdown": math.inf, "start_timeout": math.inf, **fields}
    return Child(id, SupervisorActor, nest=nest, **given)


def _check(child: Child) -> None:
    where = f"child {child.id!r}"
    if not isinstance(child.id, str) or not child.id or any(c in child.id for c in "/\0\n"):
        raise SpecError(f"{where}: an id is a non-empty word without '/' or line ends")
    if not callable(child.start):
        raise SpecError(f"{where}: start must be an Actor class or a callable, not {child.start!r}")
    one_of(where, "restart", child.restart, Restart)
    one_of(where, "inbox", child.inbox, InboxPolicy)
    if child.shutdown != "kill":
        number(f"{where}: shutdown", child.shutdown, low=0.0, finite=False, also='"kill"')
    number(f"{where}: start_timeout", child.start_timeout, low=0.0, finite=False)
    if child.hang_after is not None:
        number(f"{where}: hang_after", child.hang_after, low=0.0, strict=True, also="None")
    if child.backoff is not None and not isinstance(child.backoff, Backoff):
        raise SpecError(f"{where}: backoff must be a Backoff, not {child.backoff!r}")
    if not isinstance(child.significant, bool):
        raise SpecError(f"{where}: significant must be True or False, not {child.significant!r}")
    if child.significant and child.restart is Restart.PERMANENT:
        raise SpecError(f"{where}: a permanent child cannot be significant (it never ends by itself)")


def _significant_allowed(where: str, child: Child, auto_shutdown: AutoShutdown) -> None:
    if child.significant and auto_shutdown is AutoShutdown.NEVER:
        raise SpecError(f"{where}: child {child.id!r} is significant, but auto_shutdown is never")


def _budget(where: str, intensity: object, period: object) -> None:
    count(f"{where}: intensity", intensity)
    number(f"{where}: period", period, low=0.0, strict=True)
