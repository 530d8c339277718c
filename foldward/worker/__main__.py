"""`python -m foldward.worker`: see `--help`."""

from __future__ import annotations

import atexit
import os
import sys

from foldward.worker.main import main


def _leave(code: int) -> None:
    """End the process without taking the interpreter apart.

    Everything is answered, closed and flushed by now. Freeing numba's and LLVM's memory piece by piece takes
    half a second on a busy machine, and core, which kills after two, would wait for nothing.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads it any more
            continue
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
