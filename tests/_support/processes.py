"""Real processes: a home of its own, the command line as a person types it, and core as a service."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foldward.console import Client
from foldward.contracts.errors import FoldwardError
from foldward.data import bundled_dir

COMMAND = [sys.executable, "-m", "foldward.cli"]
SMALL = """
[[strategy]]
name = "sma-AAPL"
kind = "sma"
symbol = "AAPL"
timeframe = "D1"
units = 150
sl = "3%"
direction = "long"
grid = { sma_short = [5, 10, 20], sma_long = [50, 100] }

[[strategy]]
name = "rsi-SP500"
kind = "rsi"
symbol = "SP500"
timeframe = "D1"
units = 5
grid = { period = [7, 14], low = [25, 30] }
"""


def until(holds: Callable[[], Any], seconds: float = 30.0, what: str = "the condition") -> Any:
    """Wait on a condition by the real clock; the value it gave."""
    limit = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < limit:
        value = holds()
        if value:
            return value
        pause.wait(0.02)
    raise AssertionError(f"{what} did not come within {seconds} s")


class Shell:
    """The command line in one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {**os.environ, "FOLDWARD_HOME": str(home), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
        self.processes: list[subprocess.Popen[bytes]] = []

    def run(self, *line: str, timeout: float = 120.0, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *line],
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def json(self, *line: str, exit_code: int = 0, timeout: float = 120.0) -> Any:
        done = self.run(*line, "--json", timeout=timeout)
        assert done.returncode == exit_code, (
            f"{line}: exit {done.returncode}\n{done.stderr}\n{done.stdout[:2000]}"
        )
        return json.loads(done.stdout)

    def start(self, *line: str, **env: str) -> subprocess.Popen[bytes]:
        log = (self.home.parent / f"process-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [*COMMAND, *line], env={**self.env, **env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        log.close()
        self.processes.append(process)
        return process

    def core(self, *options: str) -> subprocess.Popen[bytes]:
        """A core that answers, with its workers connected."""
        process = self.start("core", *options)
        until(lambda: self.ready(process), 60, "core")
        return process

    def ready(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, f"core ended with {process.returncode}: {self.log()}"
        try:
            workers = Client(self.home).status()["workers"]  # a command line of its own takes half a second
        except FoldwardError:
            return False
        return bool(workers) and all(worker["state"] == "running" for worker in workers)

    def log(self) -> str:
        return "\n".join(
            file.read_text(errors="replace")[-3000:]
            for file in sorted(self.home.parent.glob("process-*.log"))
        )

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(5)


@contextmanager
def small_core(workers: int) -> Iterator[Shell]:
    """A core with ten strategies on the bundled prices, in a home of its own."""
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        shell = Shell(Path(folder) / "home")
        file = Path(folder) / "small.toml"
        file.write_text(SMALL)
        try:
            shell.json("strategies", "import", str(file))
            shell.core("--data", str(bundled_dir()), "--workers", str(workers))
            yield shell
        finally:
            shell.close()
