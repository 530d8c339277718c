"""The Console actor: keeps the inspection socket open while core lives.

The socket is served by a thread of its own that reads plain attributes, so the tree stays visible while every
actor hangs, this one included.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors._base import ProductActor
from foldward.console.plans import Refuses
from foldward.console.verbs import Verbs
from foldward.contracts.masking import mask
from foldward.contracts.messages import Tick
from supervision import Root, inspect

WAIT_FOR_ROOT_S = 0.02


class Console(ProductActor):
    """Child `console`. `root` gives the tree's root once it is up (a child cannot know it before).

    refuses: which strategies cannot carry a split plan (PlanDoor.refusals).
    """

    service = "console"

    def __init__(
        self,
        socket: Path,
        root: Callable[[], Root | None],
        core: dict[str, Any],
        reload: Callable[[], dict[str, Any]] | None = None,
        refuses: Refuses | None = None,
    ) -> None:
        super().__init__()
        self._socket = socket
        self._root = root
        self._core = core
        self._reload = reload
        self._refuses = refuses
        self._server: inspect.Server | None = None

    def recover(self) -> None:
        """Open the socket, or look again in a moment while the tree is still starting."""
        self._open()

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Tick) and self._server is None:
            self._open()
        return None

    def _open(self) -> None:
        root = self._root()
        if root is None:
            self.after(WAIT_FOR_ROOT_S, Tick())
            return
        verbs = Verbs(root, self._core, self._reload, self._refuses)
        self._server = inspect.Server(root, self._socket, verbs=verbs.table(), outgoing=mask)
        self._server.start()

    def on_stop(self) -> None:
        self._shut()

    def on_failure(self, *_why: Any) -> None:
        """A crash: the server runs in threads of its own and would answer on, so no successor could start."""
        self._shut()

    def fence(self) -> None:
        """Give the socket's path free for the next incarnation."""
        self._shut()

    def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
