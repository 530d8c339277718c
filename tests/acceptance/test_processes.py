"""The Procfile under honcho, and two commands of a newcomer."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from processes import Shell, until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_honcho_runs_the_procfile_and_stops_it_cleanly(shell: Shell, tmp_path: Path) -> None:
    port = free_port()
    bin_folder = str(Path(sys.executable).parent)
    env = {
        **shell.env,
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "FOLDWARD_WEB__PORT": str(port),
        "FOLDWARD_CORE__WORKERS": "1",
    }
    log = (tmp_path / "honcho.log").open("w+")
    honcho = subprocess.Popen(
        [sys.executable, "-m", "honcho", "-f", str(ROOT / "Procfile"), "-d", str(tmp_path), "start"],
        env=env,
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
    )
    try:

        def tree() -> dict[str, object] | None:
            assert honcho.poll() is None, Path(log.name).read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/tree", timeout=2) as answer:
                    return dict(json.load(answer))
            except OSError:
                return None

        assert until(tree, 60, "the dashboard's tree")["id"] == "root"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
            assert "Core runs: pid" in page.read().decode()
            assert page.headers["content-security-policy"].startswith("default-src 'self'")
        honcho.send_signal(signal.SIGTERM)
        started = time.monotonic()
        code = honcho.wait(15)
    finally:
        if honcho.poll() is None:
            honcho.kill()
        log.seek(0)
        said = log.read()
        log.close()
    # honcho ends with 128 + SIGTERM by its own convention; what counts is that it had to kill nobody.
    assert code in (0, 143), said
    assert time.monotonic() - started < 5
    assert "SIGKILL" not in said
    assert "Traceback" not in said
    assert shell.json("status")["core"]["running"] is False
    assert shell.json("db", "fsck")["ok"] is True


def test_the_inspection_scripts_are_small_users_of_the_client(shell: Shell, prices: Path) -> None:
    script = [sys.executable, str(ROOT / "scripts/inspect_tree.py"), "--home", str(shell.home)]
    down = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (down.returncode, down.stdout) == (3, "")
    assert down.stderr.startswith("error supervision.core_down: ")
    shell.core("--workers", "1", "--data", str(prices))
    up = subprocess.run([*script, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(up.stdout)["id"] == "root"
    replay = [
        sys.executable,
        str(ROOT / "scripts/replay_dead_letters.py"),
        "--home",
        str(shell.home),
        "--all",
    ]
    none = subprocess.run(replay, capture_output=True, text=True, check=True)
    assert json.loads(none.stdout) == {"replayed": 0, "failed": 0, "skipped": 0, "items": []}
