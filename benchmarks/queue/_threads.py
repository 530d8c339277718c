"""CPU time and profiles of each thread of this process, by name."""

from __future__ import annotations

import cProfile
import os
import pstats
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
_profiles: dict[str, cProfile.Profile] = {}


def cpu_us() -> dict[str, float]:
    """Microseconds of CPU that each thread has used; from nanoseconds of schedstat where there is one."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    used: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        name = names.get(int(task.name), "native threads")
        try:
            nanoseconds = int((task / "schedstat").read_text().split()[0])
            us = nanoseconds / 1e3
        except (OSError, ValueError, IndexError):
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            us = (int(fields[11]) + int(fields[12])) * _TICK_US
        used[name] = used.get(name, 0.0) + us
    return used


def process_us(pid: int) -> float:
    """Microseconds of CPU that another process has used, all its threads together."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e3


class Watch:
    """CPU time from here on."""

    def __init__(self) -> None:
        self._before = cpu_us()

    def shares(self, jobs: int) -> dict[str, float]:
        """Microseconds per job of each thread that used any, most first."""
        now = cpu_us()
        spent = {name: (us - self._before.get(name, 0.0)) / jobs for name, us in now.items()}
        return {
            name: round(us, 1) for name, us in sorted(spent.items(), key=lambda item: -item[1]) if us >= 0.5
        }


def profile(folder: Path) -> None:
    """Profile every thread that starts from now on."""
    folder.mkdir(parents=True, exist_ok=True)
    run = threading.Thread.run

    def profiled(self: threading.Thread) -> None:
        made = _profiles[self.name] = cProfile.Profile()
        made.runcall(run, self)

    patched: Any = profiled
    threading.Thread.run = patched


def write(folder: Path) -> None:
    """The profiles, as files for pstats and as text."""
    for name, made in _profiles.items():
        made.create_stats()
        safe = name.replace("/", "_")
        made.dump_stats(folder / f"{safe}.prof")
        with open(folder / f"{safe}.txt", "w") as text:
            pstats.Stats(made, stream=text).sort_stats("tottime").print_stats(45)


Run = Callable[[], None]
