"""Workers that connect over TCP with CURVE keys, as from another machine: real processes, real handshakes."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from processes import Shell, until

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Far:
    """A worker process outside core's tree, with a cache and a log of its own."""

    def __init__(self, folder: Path, endpoint: str, name: str, *options: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.log = self.folder / "worker.log"
        env = {key: value for key, value in os.environ.items() if not key.startswith("FOLDWARD_")}
        line = [sys.executable, "-m", "foldward.cli", "worker", "--connect", endpoint, "--id", name, *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*line, "--cache", str(self.folder / "cache")],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> int | None:
        """Its exit code; None when it did not end by itself."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
                return None
        return self.process.returncode


@pytest.fixture
def far_home(shell: Shell, tmp_path: Path):
    """A home whose core listens on TCP, and a way to start workers for it that are ended afterwards."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    shell.env["FOLDWARD_LINK__NATIVE_ENDPOINT"] = endpoint
    started: list[Far] = []

    def start(name: str, *options: str) -> Far:
        worker = Far(tmp_path, endpoint, name, *options)
        started.append(worker)
        return worker

    yield endpoint, start
    for worker in started:
        worker.stop()


def core_log(shell: Shell) -> str:
    return (shell.home / "logs" / "core.log").read_text(errors="replace")


def known(shell: Shell) -> dict[str, str]:
    return {worker["id"]: worker["state"] for worker in shell.json("status")["workers"]}


def test_a_worker_with_an_allowed_key_computes_and_others_stay_outside(
    shell: Shell, far_home, prices: Path, tmp_path: Path
) -> None:
    endpoint, start = far_home
    keys = tmp_path / "far.keys"
    made = shell.json("keys", "worker", "far", "--out", str(keys))
    assert shell.json("keys", "list")["allowed"] == {"far": made["public_key"]}
    set_file = tmp_path / "one.toml"
    set_file.write_text(
        '[[strategy]]\nname = "s"\nkind = "sma"\nsymbol = "AAPL"\ntimeframe = "D1"\nunits = 150\n'
    )
    shell.run("strategies", "import", str(set_file))
    core = shell.start("core", "--workers", "0", "--data", str(prices))
    until(lambda: shell.json("status")["core"]["running"], 60, "core")
    until(lambda: "is up" in core_log(shell), 60, "the tree")

    # Someone without keys, someone with keys of another core, someone with a key that is not allowed.
    other = Shell(tmp_path / "other")
    other_keys, stranger_keys = tmp_path / "other.keys", tmp_path / "stranger.keys"
    other.json("keys", "worker", "lost", "--out", str(other_keys))
    server = shell.json("keys", "list")["core"]
    other.json("keys", "worker", "stranger", "--server-key", server, "--out", str(stranger_keys))
    start("keyless")
    start("lost", "--keys", str(other_keys))
    stranger = start("stranger", "--keys", str(stranger_keys))
    stranger_key = other_public(stranger_keys)
    until(lambda: "refused key: 127.0.0.1 came with the public key " + stranger_key in core_log(shell), 30)
    until(lambda: "refused handshake at " + endpoint in core_log(shell), 30)
    until(lambda: "does not know this worker's public key" in stranger.said(), 30)
    assert known(shell) == {}
    assert stranger.stop() == 0, "a worker that is not let in still ends when it is told to"

    # What core's gate has read lies in its cache; another machine gets a copy of it.
    submitted = shell.json("oos", "submit", "s", "--now")
    request_id = submitted[0]["request_id"]
    until(lambda: any((shell.home / "cache").iterdir()), 20, "the candles")
    far_cache = tmp_path / "far" / "cache"
    far_cache.parent.mkdir(exist_ok=True)
    shutil.copytree(shell.home / "cache", tmp_path / "copied")
    worker = start("near-far", "--keys", str(keys))
    shutil.copytree(tmp_path / "copied", worker.folder / "cache", dirs_exist_ok=True)
    until(lambda: known(shell) == {"near-far": "running"}, 60, "the worker")
    row = until(lambda: answered(shell, request_id), 60, "the result")
    assert row["worker"] == "near-far"
    assert core.poll() is None
    secret = keys.read_text().split("SECRET_KEY='")[1].split("'")[0]
    assert secret not in core_log(shell) + worker.said() + shell.log()


def answered(shell: Shell, request_id: str):
    rows = [row for row in shell.json("oos", "list") if row["request_id"] == request_id]
    return next((row for row in rows if row["status"] == "success"), None)


def other_public(file: Path) -> str:
    return file.read_text().split("PUBLIC_KEY='")[1].split("'")[0]


def test_cores_own_workers_come_in_over_tcp_with_keys_of_their_own(
    shell: Shell, far_home, prices: Path
) -> None:
    shell.json("keys", "core")
    core = shell.core("--workers", "1", "--data", str(prices))
    assert known(shell) == {"worker-1": "running"}
    mode = (shell.home / "run" / "local.keys").stat().st_mode & 0o777
    assert mode == 0o600
    assert core.poll() is None


def test_beyond_this_machine_core_refuses_to_start_without_keys(shell: Shell) -> None:
    done = shell.run("core", FOLDWARD_LINK__NATIVE_ENDPOINT=f"tcp://0.0.0.0:{free_port()}")
    assert done.returncode == 2
    assert done.stderr.startswith("error wire.curve_required: link.native_endpoint tcp://0.0.0.0:")
    assert "foldward keys core" in done.stderr
    assert not (shell.home / "foldward.db").exists()


def test_a_worker_whose_key_file_is_open_to_others_does_not_start(
    shell: Shell, far_home, tmp_path: Path
) -> None:
    _, start = far_home
    keys = tmp_path / "far.keys"
    shell.json("keys", "worker", "far", "--out", str(keys))
    keys.chmod(0o644)
    worker = start("far", "--keys", str(keys))
    assert worker.process.wait(30) == 2
    assert "can be read by others" in worker.said()
