"""`python -m foldward.app.warm PID`: compile the kernels into the cache, and end when process PID has ended.

A core that is killed while this runs leaves it behind; without the watch, ten quick restarts on a machine
whose cache is cold are ten compilers side by side, each of which takes the processor from all others.
"""

from __future__ import annotations

import os
import sys
import threading

from foldward.worker._limits import Parent

LOOK_S = 0.25
ABANDONED = 3  # exit code: whoever wanted the kernels is gone


def main(pid: int) -> int:
    """Compile; 0, or ABANDONED."""
    parent = Parent(pid)
    if parent.gone():
        return ABANDONED
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()
    from foldward.backtest import warm_up

    warm_up()
    return 0


def _watch(parent: Parent) -> None:
    pause = threading.Event()
    while not pause.wait(LOOK_S):
        if parent.gone():
            os._exit(ABANDONED)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
