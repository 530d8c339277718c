"""Who holds a child id: ids are unique in one tree, because they are names.

A supervisor that is restarted starts its static children again, also those that were deleted or have ended
for good (as in OTP, whose init/1 gives the whole list anew). So the id of such a child stays reserved for its
supervisor: nobody else may take it in the meantime, or two incarnations would hold one name.
"""

from __future__ import annotations

import threading
from collections.abc import Collection

from supervision.errors import SpecError
from supervision.spec import Child


class Claims:
    """The ids of one tree, each in use under one supervisor or reserved for one."""

    def __init__(self) -> None:
        self._used: dict[str, str] = {}
        self._reserved: dict[str, str] = {}
        self._lock = threading.Lock()

    def take(self, spec: Child, owner: str) -> None:
        """Take the ids of a spec. Raises SpecError when one is in use, or reserved for another supervisor."""
        ids = [child.id for child in spec.walk()]
        with self._lock:
            for id in ids:
                if id in self._used:
                    raise SpecError(f"child id {id!r} is in use under {self._used[id]!r}")
                holder = self._reserved.get(id, owner)
                if holder != owner:
                    raise SpecError(f"child id {id!r} is reserved: a restart of {holder!r} brings it back")
            for id in ids:
                self._reserved.pop(id, None)
                self._used[id] = owner

    def give_back(self, spec: Child, owner: str = "", static: Collection[str] = ()) -> None:
        """Give the ids back; those in `static` stay reserved for `owner`."""
        with self._lock:
            for child in spec.walk():
                self._used.pop(child.id, None)
                self._reserved.pop(child.id, None)
                if child.id in static:
                    self._reserved[child.id] = owner

    def adopt(self, spec: Child, owner: str) -> None:
        """A supervisor that starts holds its static children: taken with the tree, or reserved since."""
        with self._lock:
            self._reserved.pop(spec.id, None)
            self._used[spec.id] = owner

    def owner(self, id: str) -> str | None:
        """The id of the supervisor under which the child is."""
        return self._used.get(id)
