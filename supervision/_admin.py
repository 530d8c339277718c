"""The administration of a supervisor, from any thread: every call is a message to it, always answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pykka import ActorDeadError

from supervision._administration import Call
from supervision._mailbox import Ask, Reply
from supervision._row import Info
from supervision.names import Handle
from supervision.spec import Child


class Supervisor(Handle):
    """A supervisor by name; a Handle that administers.

    Every call raises pykka.ActorDeadError when the supervisor is not there or is stopping, pykka.Timeout
    after `timeout` seconds (it may be waiting for a slow start or stop). Called by one of its own children
    during that child's start it can only time out: the supervisor is waiting for that child, as in OTP.
    """

    __slots__ = ()

    def start_child(
        self,
        spec: Child | None = None,
        *,
        id: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        timeout: float | None = 60.0,
    ) -> Handle | None:
        """Add a child and start it; its Handle, or None when it declined.

        A dynamic supervisor takes args and kwargs (and an id) instead of a spec. Raises AlreadyStarted,
        AlreadyPresent, SpecError (MaxChildren), StartFailed (the spec is not kept).
        """
        wishes = {"id": id, "args": tuple(args), "kwargs": dict(kwargs) if kwargs else None}
        return self._admin("start_child", timeout, spec, **wishes)  # type: ignore[no-any-return]

    def terminate_child(self, id: str, *, timeout: float | None = 60.0) -> None:
        """Stop it and keep its spec (a temporary or dynamic child's spec goes). Again: nothing happens.

        Cancels a restart under way; triggers neither strategy nor budget nor auto-shutdown. Raises NotFound.
        """
        self._admin("terminate_child", timeout, id)

    def restart_child(self, id: str, *, timeout: float | None = 60.0) -> Handle | None:
        """Start a child that does not run. Raises NotFound, Running, Restarting, StartFailed (spec kept)."""
        return self._admin("restart_child", timeout, id)  # type: ignore[no-any-return]

    def cycle_child(self, id: str, *, timeout: float | None = 60.0) -> Handle | None:
        """terminate_child and restart_child in one, for an operator; counts in no budget."""
        return self._admin("cycle_child", timeout, id)  # type: ignore[no-any-return]

    def delete_child(self, id: str, *, timeout: float | None = 60.0) -> None:
        """Forget the spec of a child that does not run. Raises NotFound, Running, Restarting."""
        self._admin("delete_child", timeout, id)

    def which_children(self, *, timeout: float | None = 60.0) -> list[Info]:
        """Info(id, ref, state, kind, restart) of each child, in start order."""
        return self._admin("which_children", timeout)  # type: ignore[no-any-return]

    def count_children(self, *, timeout: float | None = 60.0) -> dict[str, int]:
        """{"specs", "active", "supervisors", "workers"}; processes count as workers."""
        return self._admin("count_children", timeout)  # type: ignore[no-any-return]

    def get_spec(self, id: str, *, timeout: float | None = 60.0) -> Child:
        """The child's spec. Raises NotFound."""
        return self._admin("get_spec", timeout, id)  # type: ignore[no-any-return]

    def _admin(self, name: str, timeout: float | None, *args: Any, **kwargs: Any) -> Any:
        box = self._slot.box
        if box is not None:
            reply = Reply()
            if box.offer(Ask(Call(name, args, kwargs), reply)):
                return reply.get(timeout=timeout)
        raise ActorDeadError(f"{self.name} is not running")
