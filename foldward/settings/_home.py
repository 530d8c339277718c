"""The home: one data directory, and where everything in it lies."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from foldward.contracts.errors import ConfigError, SupervisionError

LOCK_TRIES, LOCK_PAUSE_S = 20, 0.01
SOCKET_LIMIT = 100  # a Unix socket's path holds 108 bytes; some libraries take a few for themselves

_NO_PLACE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT}


@dataclass(frozen=True)
class Home:
    """Paths of one data directory. Nothing is created until `make()`."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "foldward.db"

    @property
    def run_dir(self) -> Path:
        return self.root / "run"

    @property
    def lock_file(self) -> Path:
        return self.run_dir / "core.lock"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def telemetry(self) -> Path:
        return self.root / "telemetry.jsonl"

    def socket(self, name: str) -> Path:
        """`run/NAME.sock`, or a short path of this user when that would be too long for a Unix socket."""
        path = (self.run_dir / f"{name}.sock").absolute()
        if len(os.fsencode(path)) <= SOCKET_LIMIT:
            return path
        stat = self.root.stat()
        short = Path(f"/tmp/foldward-{os.getuid()}-{stat.st_dev:x}-{stat.st_ino:x}")
        short.mkdir(mode=0o700, exist_ok=True)
        owner = short.stat()
        if owner.st_uid != os.getuid() or owner.st_mode & 0o077:
            raise SupervisionError(
                "supervision.start_failed",
                f"{short} is not a private directory of this user",
                hint="remove it, or choose a shorter --home",
            )
        return short / f"{name}.sock"

    def make(self) -> Home:
        """Create the directories; the run directory is private to this user.

        Raises ConfigError `config.invalid` where this user may not write or a file is in the way.
        """
        try:
            for path in (self.root, self.cache, self.logs, self.reports):
                path.mkdir(parents=True, exist_ok=True)
            self.run_dir.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            if error.errno not in _NO_PLACE:
                raise
            raise ConfigError(
                "config.invalid",
                f"the home {self.root} cannot be made: {error.strerror}: {error.filename}",
                hint="name a folder that you may write to: --home DIR",
            ) from error
        return self

    def lock(self) -> CoreLock:
        """Become the one core of this home. Raises supervision.core_running with who holds it."""
        return CoreLock(self)

    def holder(self) -> dict[str, Any] | None:
        """What the running core wrote about itself, or None when no core holds the lock."""
        try:
            with self.lock_file.open("r") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    return _described(handle)
                fcntl.flock(handle, fcntl.LOCK_UN)
        except OSError:
            return None
        return None


class CoreLock:
    """flock on `run/core.lock`, held as long as the process lives: the kernel frees it even after kill -9."""

    def __init__(self, home: Home) -> None:
        self._path = home.lock_file
        self._file: IO[str] = open(self._path, "a+")  # noqa: SIM115 - held until release()
        if not self._taken():
            held = _described(self._file)
            self._file.close()
            who = f"pid {held['pid']}" if held and "pid" in held else "another process"
            raise SupervisionError(
                "supervision.core_running", f"{who} is the core of {home.root}", holder=held
            )
        self.describe(pid=os.getpid())

    def _taken(self) -> bool:
        """Try for a moment: whoever asks `holder()` has the lock shared for as long as it looks."""
        pause = threading.Event()
        for _ in range(LOCK_TRIES):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pause.wait(LOCK_PAUSE_S)
            else:
                return True
        return False

    def describe(self, **facts: Any) -> None:
        """Write who holds the lock (pid, run_id, sockets …), for `holder()` and for people."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(facts) + "\n")
        self._file.flush()

    def release(self) -> None:
        """Give the lock back."""
        self._file.close()


def _described(handle: IO[str]) -> dict[str, Any]:
    handle.seek(0)
    try:
        plain = json.loads(handle.read() or "{}")
    except ValueError:
        return {}
    return plain if isinstance(plain, dict) else {}
