"""The home: one core at a time, and a socket path that always fits."""

import fcntl
import os
import tempfile
import threading
from pathlib import Path

import pytest

from foldward.contracts.errors import ConfigError, SupervisionError
from foldward.settings import Home


def test_a_second_core_is_told_who_holds_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foldward.settings._home.LOCK_PAUSE_S", 0.0005)  # nobody lets go while it tries
    home = Home(tmp_path / "h").make()
    lock = home.lock()
    with pytest.raises(SupervisionError) as caught:
        home.lock()
    assert caught.value.code == "supervision.core_running"
    assert caught.value.exit_code == 2
    assert f"pid {os.getpid()}" in caught.value.message
    lock.release()
    home.lock().release()


def test_the_holder_is_described_only_while_it_lives(tmp_path: Path) -> None:
    home = Home(tmp_path).make()
    assert home.holder() is None
    lock = home.lock()
    lock.describe(pid=7, run_id="r")
    assert home.holder() == {"pid": 7, "run_id": "r"}
    lock.release()
    assert home.holder() is None


def test_a_long_home_gets_a_short_private_socket_path(tmp_path: Path) -> None:
    deep = Home(tmp_path / ("d" * 120)).make()
    path = deep.socket("inspect")
    assert len(os.fsencode(path)) <= 100
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path == deep.socket("inspect")
    path.parent.rmdir()


def test_a_short_home_keeps_its_socket_in_the_run_directory() -> None:
    with tempfile.TemporaryDirectory(prefix="fw") as short:
        home = Home(Path(short)).make()
        assert home.socket("inspect") == Path(short) / "run" / "inspect.sock"
        assert home.run_dir.stat().st_mode & 0o777 == 0o700


def test_somebody_who_only_looks_keeps_no_core_from_starting(tmp_path: Path) -> None:
    home = Home(tmp_path).make()
    home.lock_file.touch()
    with home.lock_file.open() as looker:
        fcntl.flock(looker, fcntl.LOCK_SH)
        gone = threading.Timer(0.03, fcntl.flock, (looker, fcntl.LOCK_UN))
        gone.start()
        home.lock().release()
        gone.join()


@pytest.mark.parametrize(("inside", "why"), [("", "File exists"), ("deeper", "Not a directory")])
def test_a_home_that_cannot_be_made_is_a_fault_of_the_configuration(
    tmp_path: Path, inside: str, why: str
) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / inside
    with pytest.raises(ConfigError) as caught:
        Home(place).make()
    assert (caught.value.code, caught.value.exit_code) == ("config.invalid", 2)
    assert caught.value.message == f"the home {place} cannot be made: {why}: {place}"
    assert caught.value.hint == "name a folder that you may write to: --home DIR"
