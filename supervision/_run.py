"""run(): a tree as the main thing of a process, with signals and exit codes.

Exit codes: 0 drained · 1 the root gave up · 2 boot failed or bad spec · 3 drained with zombies or past the
deadline · a second signal leaves at once with 128 + its number.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from supervision._fields import count, number
from supervision._signals import Signals
from supervision._sink import OnCrash, OnDead, OnEvent
from supervision._tree import MAX_ZOMBIES, Tree
from supervision.errors import SpecError, StartFailed
from supervision.inspect import Server, Verb
from supervision.root import Root, checked
from supervision.spec import Child

DRAINED, GAVE_UP, BOOT_FAILED, NOT_CLEAN = 0, 1, 2, 3

log = logging.getLogger("supervision")


def run(
    tree: Child,
    *,
    deadline: float = 3.5,
    on_event: OnEvent | None = None,
    on_dead: OnDead | None = None,
    on_crash: OnCrash | None = None,
    on_ready: Callable[[Root], Any] | None = None,
    on_stopping: Callable[[Root], Any] | None = None,
    socket_path: str | os.PathLike[str] | None = None,
    verbs: Mapping[str, Verb] | None = None,
    max_zombies: int = MAX_ZOMBIES,
) -> int:
    """Start the tree, serve until a signal or its own end, stop it within `deadline` seconds; the exit code.

    on_ready(root) is called once everything is up, on_stopping(root) when the stop begins; an exception of
    on_ready stops the tree and is exit code 2. `socket_path`: where inspection answers (see
    supervision.inspect), also while the tree stops; `verbs` are added to it; a path where nothing can listen
    is exit code 2, as a limit that cannot be is. In the main thread SIGTERM and SIGINT are taken over and
    given back; elsewhere only root.stop() or the tree itself ends it.
    """
    try:
        checked(tree)
        number("run: deadline", deadline, low=0.0, finite=False)
        count("run: max_zombies", max_zombies)
    except SpecError as error:
        log.error("%s", error)
        return BOOT_FAILED
    root = Root(tree, Tree(on_event, on_dead, on_crash, max_zombies))
    server: Server | None = None
    with Signals() as signals:
        signals.on_first = root.ask_to_stop
        if socket_path is not None:
            server = Server(root, Path(socket_path), verbs=verbs or {})
            try:
                server.start()
            except (OSError, ValueError) as error:
                log.error("inspection cannot answer on %s: %s", socket_path, error)
                root.stop(deadline)
                return BOOT_FAILED
        try:
            root.start()
            signals.on_first = None
            root.on_end_request = lambda: signals.inbox.put(None)
            if on_ready is not None:
                on_ready(root)
        except StartFailed as error:
            if server is not None:
                server.close()
            if signals.first is not None:
                return DRAINED  # told to stop before it was up
            log.error("%s", error)
            return BOOT_FAILED
        except Exception:  # on_ready is the caller's code and may not leave a tree
            log.exception("the tree could not be made ready")
            root.stop(deadline)
            if server is not None:
                server.close()
            return BOOT_FAILED
        root.on_end(lambda: signals.inbox.put(None))
        signals.wait()
        if on_stopping is not None and root.alive:
            try:
                on_stopping(root)
            except Exception:  # the stop goes on whatever its listener does
                log.exception("on_stopping raised")
        in_time = root.stop(deadline)
        zombies = root.zombies()
        if server is not None:
            server.close()
    if root.gave_up:
        return GAVE_UP
    return DRAINED if in_time and not zombies else NOT_CLEAN
