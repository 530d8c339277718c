"""The compiler of kernels belongs to the core that started it."""

import os
import select
import subprocess
import sys

import pytest

from foldward.app.warm import ABANDONED

pytestmark = pytest.mark.slow
# Starts the compiler as core does, waits until it compiles, and dies; the numba cache is an empty folder.
CORE = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "foldward.app.warm", str(os.getpid())])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_who_was_abandoned_compiles_nothing() -> None:
    done = subprocess.run([sys.executable, "-m", "foldward.app.warm", "1"], timeout=30, check=False)
    assert done.returncode == ABANDONED


def test_it_ends_with_the_core_that_started_it(tmp_path: os.PathLike[str]) -> None:
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    core = subprocess.Popen([sys.executable, "-c", CORE], env=env, stdout=subprocess.PIPE)
    assert core.stdout is not None
    pid = int(core.stdout.readline())
    handle = os.pidfd_open(pid)
    core.kill()
    core.wait()
    core.stdout.close()
    ended, _, _ = select.select([handle], [], [], 10.0)
    os.close(handle)
    assert ended, "the compiler outlived its core"
