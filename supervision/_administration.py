"""A supervisor's administration, in its own thread; supervision/_admin.py is the callers' side."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pykka import ActorDeadError

from supervision._restarts import Restarts
from supervision._row import Info, Row
from supervision.errors import (
    AlreadyPresent,
    AlreadyStarted,
    MaxChildren,
    NotFound,
    Restarting,
    Running,
    SpecError,
    StartFailed,
)
from supervision.names import Handle
from supervision.spec import Child, Restart


class Call(NamedTuple):
    """An administration call; asked, so that it is always answered."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


CALLS = frozenset(
    {
        "start_child",
        "terminate_child",
        "restart_child",
        "delete_child",
        "cycle_child",
        "which_children",
        "count_children",
        "get_spec",
    }
)


class Administration(Restarts):
    """The calls, each with the outcomes that OTP documents."""

    def _call(self, call: Call) -> Any:
        if self._life.stopping:
            raise ActorDeadError(f"{self.id} is stopping")
        assert call.name in CALLS
        method: Callable[..., Any] = getattr(self, call.name)
        return method(*call.args, **call.kwargs)

    def start_child(
        self,
        spec: Child | None = None,
        *,
        id: str | None = None,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Handle | None:
        """Add and start a child; see Supervisor.start_child."""
        generated = False
        if self.nest.template is not None:
            spec, generated = self._after_template(spec, id, args, kwargs)
        if not isinstance(spec, Child):
            raise SpecError(f"supervisor {self.id!r}: start_child needs a Child, not {spec!r}")
        if id is not None and self.nest.template is None:
            raise SpecError(f"supervisor {self.id!r}: id is for dynamic supervisors; the Child has its own")
        present = self.rows.get(spec.id)
        if present is not None:
            if present.life is None and present.pending is None:
                raise AlreadyPresent(spec.id)
            raise AlreadyStarted(spec.id, self.handle(spec.id))
        if spec.significant and self.nest.auto_shutdown.value == "never":
            raise SpecError(f"child {spec.id!r} is significant, but auto_shutdown of {self.id!r} is never")
        self.tree.claim(spec, self.id)
        row = Row(spec, self.tree.record(spec.id))
        row.generated = generated
        self.rows[spec.id] = row
        self.tree.hold([spec])
        try:
            self._start(row)
        except BaseException:
            self._remove(row, "not_started")
            raise
        if row.life is None:
            self._declined(row)
            return None
        return self.handle(spec.id)

    def _after_template(
        self, spec: Child | None, id: str | None, args: Sequence[Any], kwargs: dict[str, Any] | None
    ) -> tuple[Child, bool]:
        template = self.nest.template
        assert template is not None
        if spec is not None:
            raise SpecError(f"dynamic {self.id!r} makes its children after a template: give args and kwargs")
        limit = self.nest.max_children
        if limit is not None and len(self.rows) >= limit:
            raise MaxChildren(f"dynamic {self.id!r} holds max_children={limit} already")
        generated = id is None
        while id is None or (generated and self.tree.owner(id) is not None):
            self._made += 1
            id = f"{template.id}-{self._made}"
        extra = {**template.kwargs, **(kwargs or {})}
        return template.but(id=id, args=(*template.args, *args), kwargs=extra), generated

    def terminate_child(self, id: str) -> None:
        """Stop a child for now; see Supervisor.terminate_child."""
        row = self._row(id)
        row.cancel()
        self.pending = {cause: p for cause, p in self.pending.items() if p.ids}
        if row.life is not None:
            self._stop_row(row)
        row.down("stopped")
        if row.spec.restart is Restart.TEMPORARY or self.nest.template is not None:
            self._remove(row, "terminated")
        else:
            self.tree.release(row.spec, "terminated")

    def restart_child(self, id: str) -> Handle | None:
        """Start a child that does not run; see Supervisor.restart_child."""
        row = self._row(id)
        if row.pending is not None:
            raise Restarting(id)
        if row.life is not None:
            raise Running(id)
        self.tree.hold([row.spec])
        try:
            self._start(row)
        except StartFailed:
            self.tree.release(row.spec, "not_started")
            raise
        if row.life is None:
            self._declined(row)
            return None
        return self.handle(id)

    def cycle_child(self, id: str) -> Handle | None:
        """Stop and start again, by hand; see Supervisor.cycle_child."""
        row = self._row(id)
        row.cancel()
        self.pending = {cause: p for cause, p in self.pending.items() if p.ids}
        if row.life is not None:
            self._stop_row(row)
        row.down("stopped")
        row.attempts = 0
        handle = self.restart_child(id)
        row.record.restarts += 1
        return handle

    def delete_child(self, id: str) -> None:
        """Forget the spec of a child that does not run; see Supervisor.delete_child."""
        row = self._row(id)
        if row.pending is not None:
            raise Restarting(id)
        if row.life is not None:
            raise Running(id)
        self._remove(row, "deleted")

    def which_children(self) -> list[Info]:
        """See Supervisor.which_children."""
        return [row.info(self.handle(row.spec.id)) for row in self.rows.values()]

    def count_children(self) -> dict[str, int]:
        """See Supervisor.count_children."""
        nested = sum(1 for row in self.rows.values() if row.spec.nest is not None)
        return {
            "specs": len(self.rows),
            "active": sum(1 for row in self.rows.values() if row.life is not None),
            "supervisors": nested,
            "workers": len(self.rows) - nested,
        }

    def get_spec(self, id: str) -> Child:
        """See Supervisor.get_spec."""
        return self._row(id).spec

    def _row(self, id: str) -> Row:
        row = self.rows.get(id)
        if row is None:
            near = difflib.get_close_matches(str(id), self.rows, n=1)
            raise NotFound(id, f" under {self.id!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        return row
