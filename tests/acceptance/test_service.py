"""Core under a service manager: it says when it is up and when it stops, and leaves with 0."""

import signal
import socket
from pathlib import Path

import pytest
from processes import Shell

pytestmark = pytest.mark.slow


def test_the_manager_hears_ready_and_stopping(shell: Shell, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(90)
        core = shell.start("core", "--workers", "0", NOTIFY_SOCKET=str(tmp_path / "notify"))
        ready = manager.recv(4096).decode()
        assert ready.startswith("READY=1\nSTATUS=run ")
        assert str(shell.home) in ready
        assert shell.json("status")["core"]["running"] is True  # what READY promises
        core.send_signal(signal.SIGTERM)
        assert manager.recv(4096) == b"STOPPING=1"
        assert core.wait(10) == 0
