"""The pure parts of the links: frames, names, addresses, the door keeper's answers."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import zmq

from foldward.contracts.errors import WireError
from foldward.settings import LinkTable
from foldward.wire.links import NativeLink, PushPullLink, _frames, make_link, native_endpoint
from foldward.wire.links._endpoints import needs_curve, secure
from foldward.wire.links._sockets import DoorKeeper


def test_a_worker_describes_itself_and_is_understood():
    ready = _frames.Ready(id="worker-1", capacity=4, pid=7, version="1")
    assert _frames.unpack_ready(_frames.pack_ready(ready)) == ready


@pytest.mark.parametrize(
    "frames", [[b"READY"], [b"READY", b"{"], [b"READY", b'{"id":1}'], [b"READY", b'{"id":"a","capacity":0}']]
)
def test_a_description_that_makes_no_sense_is_none(frames):
    assert _frames.unpack_ready(frames) is None


def test_many_requests_travel_in_one_message():
    items = [("r-1", b"one"), ("r-2", b"two")]
    assert _frames.pack_work(items) == [b"WORK", b"r-1", b"one", b"r-2", b"two"]
    assert _frames.unpack_work(_frames.pack_work(items)) == items
    assert _frames.unpack_work([b"WORK", b"r-1", b"one", b"odd"]) == [("r-1", b"one"), ("", b"odd")]


@pytest.mark.parametrize(
    ("routing_id", "name"),
    [
        (b"worker-1", "worker-1"),
        (b"\x00\x6b\x8b\x45\x67", "peer-006b8b4567"),
        (b"\xff", "peer-ff"),
        (b"a\nb", "peer-610a62"),
    ],
)
def test_a_routing_id_becomes_a_printable_name(routing_id, name):
    assert _frames.peer_name(routing_id) == name


def test_the_native_address_lies_in_the_run_directory(tmp_path, monkeypatch):
    run = Path("/srv/fold/run")
    assert native_endpoint(LinkTable(), run) == "ipc:///srv/fold/run/link.sock"
    assert native_endpoint(LinkTable(native_endpoint="tcp://127.0.0.1:9"), run) == "tcp://127.0.0.1:9"


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    long = tmp_path / ("x" * 100)
    endpoint = native_endpoint(LinkTable(), long)
    folder = Path(endpoint.removeprefix("ipc://")).parent
    assert folder.parent == tmp_path
    assert folder.name.startswith(f"foldward-{os.getuid()}-")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert native_endpoint(LinkTable(), long) == endpoint
    folder.chmod(0o755)
    with pytest.raises(WireError, match="not a private folder"):
        native_endpoint(LinkTable(), long)


@pytest.mark.parametrize(
    ("endpoint", "needed"),
    [
        ("ipc:///tmp/x", False),
        ("tcp://127.0.0.1:5580", False),
        ("tcp://localhost:5580", False),
        ("tcp://[::1]:5580", False),
        ("tcp://0.0.0.0:5580", True),
        ("tcp://*:5580", True),
        ("tcp://10.0.0.1:5580", True),
        ("tcp://127.8.9.1:5580", False),
        ("tcp://127.evil.example:5580", True),
        ("tcp://localhost.example:5580", True),
        ("tcp://[::1%lo]:5580", False),
        ("tcp://[::]:5580", True),
        ("tcp://[fe80::1%eth0]:5580", True),
        ("tcp://eth0:5580", True),
        ("tcp://127.0.0.1:0;10.0.0.1:5580", True),
        ("tcp://10.0.0.2:0;127.0.0.1:5580", False),
        ("tcp://127.0.0.1", False),
        ("tcp://10.0.0.1", True),
        ("tcp://[::1]:*", False),
    ],
)
def test_only_tcp_beyond_loopback_needs_curve(endpoint, needed):
    assert needs_curve(endpoint) is needed


def test_keys_that_are_none_are_named():
    with zmq.Context() as context, context.socket(zmq.DEALER) as sock:
        with pytest.raises(WireError) as caught:
            secure(sock, LinkTable(curve_secret_key="short"), "tcp://10.0.0.1:1", server=False)
        assert caught.value.code == "wire.curve_required"


def test_the_door_keeper_lets_in_the_keys_it_knows():
    known, _ = zmq.curve_keypair()
    other, _ = zmq.curve_keypair()
    from zmq.utils import z85

    def ask(keeper: DoorKeeper, mechanism: bytes, *credentials: bytes) -> bytes:
        return keeper._decide([b"1.0", b"7", b"foldward", b"addr", b"id", mechanism, *credentials])[2]

    with zmq.Context() as context:
        keeper = DoorKeeper(context, (known.decode(),))
        assert ask(keeper, b"CURVE", z85.decode(known)) == b"200"
        assert ask(keeper, b"CURVE", z85.decode(other)) == b"400"
        assert ask(keeper, b"PLAIN", b"user", b"secret") == b"400"
        keeper.socket.close()
    with zmq.Context() as context:
        keeper = DoorKeeper(context, ())
        assert ask(keeper, b"CURVE", z85.decode(other)) == b"200"
        keeper.socket.close()


def test_the_settings_choose_the_link(tmp_path):
    native = make_link(LinkTable(), tmp_path, lambda message: None)
    peers = make_link(LinkTable(mode="pushpull"), tmp_path, lambda message: None)
    assert (type(native), type(peers)) == (NativeLink, PushPullLink)
    native.close()
    peers.close()
