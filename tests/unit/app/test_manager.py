"""What systemd hears."""

import socket

import pytest

from foldward.app.manager import tell_manager


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_hears_it_on_its_socket(tmp_path, monkeypatch, abstract):
    name = f"@foldward-test-{tmp_path.name}" if abstract else str(tmp_path / "notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert tell_manager("READY=1\nSTATUS=up")
        assert manager.recv(1000) == b"READY=1\nSTATUS=up"


@pytest.mark.parametrize("address", [None, "", "/nonexistent/notify", "vsock:2:1"])
def test_without_a_manager_nothing_happens(monkeypatch, address):
    if address is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not tell_manager("READY=1")
