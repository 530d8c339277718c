"""How a process of ours ends when the interpreter must not be taken apart."""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End the process at once, after what was registered for its end has run and its streams are flushed.

    For a worker: freeing numba's and LLVM's memory piece by piece takes half a second on a busy machine, and
    core, which kills after two, would wait for nothing. For a program with daemon threads: one that is inside
    native code while the interpreter is taken apart under it can end the process with SIGSEGV.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads it any more
            continue
    os._exit(code)
