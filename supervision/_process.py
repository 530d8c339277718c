"""An OS process as a child: one thread that starts it, watches its pidfd and its stderr, and reports its end.

Nothing here runs Python code between fork and exec; what must happen there happens in _launcher.py after the
exec (a preexec function in a threaded program can deadlock, says the subprocess documentation).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from supervision._clock import utc_us
from supervision._exit import Exit, describe
from supervision._life import Life
from supervision.plan import Ending

TAIL = 8192  # bytes of stderr kept for the crash report
PARENT_FD = "SUPERVISION_PARENT_FD"
EXITED = "supervision.process_exited"  # by itself, with a code other than 0
KILLED = "supervision.process_killed"  # by a signal that was not ours
LAUNCHER = str(Path(__file__).with_name("_launcher.py"))


def ProcessChild(*_args: Any, **_kwargs: Any) -> None:
    """What a process spec has for `start`; ProcessLife reads spec.command instead of calling this."""
    raise TypeError("an OS process is started by its supervisor")


class ProcessLife(Life):
    """An incarnation of a process(…) child."""

    kind = "process"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._process: subprocess.Popen[bytes] | None = None
        self._parent_pipe: int | None = None
        self._reaped = False

    def request_stop(self) -> None:
        self.stopping = True
        self._signal(signal.SIGTERM)

    def abandon(self, ending: Ending, reason: str) -> bool:
        """SIGKILL to its process group. Unlike a thread a process can be killed, so nothing stays behind."""
        self.stopping = True
        with self.lock:
            if self.finished or self.abandoned:
                return False
            self.abandoned = True
            self.exit = Exit(ending, reason, stack="", uptime_s=self.uptime(), at_us=utc_us())
        self._signal(signal.SIGKILL, group=True)
        self.tree.names.unbind(self.id, self.incarnation)
        self.done.wait(2.0)  # the kernel takes it; only a process in an uninterruptible call takes longer
        self.ready.set()
        self.done.set()
        return True

    def _signal(self, number: int, *, group: bool = False) -> None:
        """Send while the pid is surely ours: not reaped yet (Popen's own kill would reap, in this thread)."""
        with self.lock:
            process = self._process
            if process is None or self._reaped:
                return
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if group:
                    os.killpg(process.pid, number)
                else:
                    os.kill(process.pid, number)

    def _main(self) -> None:
        try:
            process, stderr = self._spawn()
        except Exception as error:  # any reason not to start is the supervisor's to judge
            self._ended(
                Exit(
                    Ending.CRASH,
                    describe(error),
                    error,
                    uptime_s=self.uptime(),
                    at_us=utc_us(),
                    code="supervision.start_failed",
                )
            )
            return
        self.pid = process.pid
        self.tree.processes.add(self)
        self.come_up()
        if self.stopping:  # told while it was being started
            self._signal(signal.SIGKILL if self.abandoned else signal.SIGTERM, group=self.abandoned)
        tail = bytearray()
        try:
            self._watch(process.pid, stderr, tail)
        except OSError as error:
            self.tree.note(f"{self.id!r} cannot be watched, only waited for: {error!r}")
        code = self._reap(process)
        self.tree.processes.discard(self)
        self._close_pipes(stderr)
        self._tell(process.pid, code)
        self._ended(self._exit_of(code, tail))

    def _reap(self, process: subprocess.Popen[bytes]) -> int:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # wait without giving the pid back yet
        with self.lock:
            self._reaped = True
            return process.wait()

    def _spawn(self) -> tuple[subprocess.Popen[bytes], int | None]:
        command = self.child.command
        assert command is not None
        parent_read, self._parent_pipe = os.pipe()
        status_read, status_write = os.pipe()
        stderr_read: int | None = None
        stderr_write: int | None = None
        try:
            if command.stderr in ("tee", "tail"):
                stderr_read, stderr_write = os.pipe()
            streams = {"null": subprocess.DEVNULL, "inherit": None}
            self._process = process = subprocess.Popen(
                [sys.executable, "-I", "-S", LAUNCHER, str(os.getpid()), str(status_write), *command.argv],
                env={**os.environ, **(command.env or {}), PARENT_FD: str(parent_read)},
                cwd=command.cwd,
                stdin=streams[command.stdin],
                stdout=streams[command.stdout],
                stderr=stderr_write if stderr_write is not None else streams[command.stderr],
                pass_fds=(parent_read, status_write),
                start_new_session=True,  # a Ctrl-C in the terminal is for us; we stop our children in order
            )
        except BaseException:
            self._close_pipes(stderr_read, status_read)
            raise
        finally:
            for fd in (parent_read, status_write, stderr_write):
                if fd is not None:
                    os.close(fd)
        try:
            failure = self._exec_status(status_read)
        finally:
            os.close(status_read)
        if failure is not None:
            process.wait()
            self._close_pipes(stderr_read)
            raise failure
        return process, stderr_read

    def _exec_status(self, status: int) -> OSError | None:
        data = b""
        while chunk := os.read(status, 512):
            data += chunk
        if not data:
            return None
        number, _, text = data.decode("utf-8", "replace").partition(" ")
        assert self.child.command is not None
        return OSError(int(number), text, self.child.command.argv[0])

    def _watch(self, pid: int, stderr: int | None, tail: bytearray) -> None:
        """Copy stderr until the process has ended."""
        pidfd = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if stderr is not None:
            os.set_blocking(stderr, False)
            poll.register(stderr, select.POLLIN | select.POLLHUP)
        try:
            while True:
                for fd, _ in poll.poll():
                    if fd == pidfd:
                        while stderr is not None and self._copy(stderr, tail):
                            pass
                        return
                    if not self._copy(fd, tail):
                        poll.unregister(fd)  # its end; the descriptor itself is closed with the others
        finally:
            os.close(pidfd)

    def _copy(self, fd: int, tail: bytearray) -> bool:
        """Take what stderr has; False at its end (or when nothing waits)."""
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return False
        if not data:
            return False
        tail += data
        del tail[:-TAIL]
        assert self.child.command is not None
        if self.child.command.stderr == "tee":
            with contextlib.suppress(OSError, ValueError):  # our own stderr may be gone
                os.write(2, data)
        return True

    def _tell(self, pid: int, code: int) -> None:
        assert self.child.command is not None
        listener = self.child.command.on_exit
        if listener is None:
            return
        try:
            listener(self.id, pid, code)
        except Exception as error:  # a listener's fault must not hurt the tree
            self.tree.note(f"on_exit of {self.id!r} raised {error!r}")

    def _exit_of(self, code: int, tail: bytearray) -> Exit:
        stack = tail.decode("utf-8", "replace")
        if self.stopping and code in (0, -signal.SIGTERM):
            ending, reason, name = Ending.SHUTDOWN, "shutdown", None
        elif code == 0:
            ending, reason, name = Ending.NORMAL, "exit code 0", None
        elif code > 0:
            ending, reason, name = Ending.CRASH, f"exit code {code}", EXITED
        else:
            ending, reason, name = Ending.CRASH, f"killed by {_signal_name(-code)}", KILLED
        return Exit(ending, reason, stack=stack, uptime_s=self.uptime(), at_us=utc_us(), code=name)

    def _ended(self, exit: Exit) -> None:
        with self.lock:
            self.finished = True
            if not self.abandoned:
                self.exit = exit
        self._announce()

    def _close_pipes(self, *fds: int | None) -> None:
        for fd in (*fds, self._parent_pipe):
            if fd is not None:
                os.close(fd)
        self._parent_pipe = None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
