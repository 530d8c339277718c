"""The link to existing peers, and the worker as one: junk, forged handshakes, taken ports, golden numbers."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import zmq

from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Heartbeat
from foldward.contracts.messages import FrameReceived, PeerJoined, PeerLeft, PeerResized
from foldward.settings import LinkTable
from foldward.wire import dumps, loads
from foldward.wire.links import NativeLink, PushPullLink, ServiceHeart, ServicePort

pytestmark = pytest.mark.slow
GOLDEN = Path(__file__).parents[2] / "data" / "peer_golden.jsonl"


class Told:
    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.changed = threading.Condition()

    def __call__(self, message: Any) -> None:
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def wait(self, kind: type, count: int = 1, timeout: float = 20.0) -> list[Any]:
        def found() -> list[Any]:
            return [message for message in self.messages if type(message) is kind]

        with self.changed:
            assert self.changed.wait_for(lambda: len(found()) >= count, timeout), self.messages[-5:]
            return found()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def open_link(told):
    links: list[Any] = []

    def make(*, beat_s: float = 10.0, **settings: Any) -> PushPullLink:
        wanted = {
            "mode": "pushpull",
            "request_endpoint": "tcp://127.0.0.1:*",
            "result_endpoint": "tcp://127.0.0.1:*",
            "bind_requests": True,
            **settings,
        }
        link = PushPullLink(told, LinkTable(**wanted), beat_s=beat_s, version="1.2.3")
        link.start()
        links.append(link)
        return link

    yield make
    for link in links:
        link.close()


def connect(endpoint: str) -> socket.socket:
    host, port = endpoint.removeprefix("tcp://").split(":")
    return socket.create_connection((host, int(port)), timeout=5.0)


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\x00\x06\x00hello",  # ZMTP/1.0: an empty identity, then a frame
        b"\xff" * 64,
        b"\x00" * 64,
    ],
)
def test_junk_on_the_port_is_no_message_and_harms_nobody(open_link, told, junk):
    link = open_link()
    with connect(link.result_endpoint) as stranger:
        stranger.sendall(junk)
        service = ServicePort(link.request_endpoint, link.result_endpoint, bind_requests=False)
        try:
            service.results([b"honest"])
            (frame,) = told.wait(FrameReceived)
        finally:
            service.close(0)
    assert frame.frames == (b"honest",)


def test_a_frame_beyond_the_limit_ends_its_connection_and_not_the_link(open_link, told):
    link = open_link(max_frame=2000)
    context = zmq.Context()
    try:
        pushes = [context.socket(zmq.PUSH) for _ in range(2)]
        for push, size in zip(pushes, (4001, 2000), strict=True):
            push.connect(link.result_endpoint)
            push.send(b"x" * size)
        assert told.wait(FrameReceived)[0].frames == (b"x" * 2000,)
    finally:
        context.destroy(linger=0)


def test_a_frame_somewhat_beyond_the_limit_is_told_so_that_its_bytes_can_be_kept(open_link, told):
    link = open_link(max_frame=2000)
    context = zmq.Context()
    try:
        push = context.socket(zmq.PUSH)
        push.connect(link.result_endpoint)
        push.send(b"x" * 4000)
        assert told.wait(FrameReceived)[0].frames == (b"x" * 4000,)
    finally:
        context.destroy(linger=0)


def test_a_port_that_is_taken_is_named(open_link, told):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        for side in ("request_endpoint", "result_endpoint"):
            with pytest.raises(WireError) as caught:
                open_link(**{side: taken})
            assert caught.value.code == "wire.endpoint_taken"
            assert caught.value.exit_code == 2
            assert taken in caught.value.message


def test_a_second_core_does_not_take_the_ipc_address_of_the_first(told, tmp_path):
    path = tmp_path / "link.sock"
    second = NativeLink(told, LinkTable(), tmp_path)
    with socket.socket(socket.AF_UNIX) as first:
        first.bind(str(path))
        first.listen()
        with pytest.raises(WireError) as caught:
            second.start()
        assert caught.value.code == "wire.endpoint_taken"
        assert str(path) in caught.value.message
    second.close()
    assert path.exists()
    third = NativeLink(told, LinkTable(), tmp_path)  # the stale socket file of a dead core is no obstacle
    third.start()
    third.close()


def test_a_plain_link_beyond_this_machine_is_refused_unless_allowed(told, open_link):
    for settings in (
        {"request_endpoint": "tcp://0.0.0.0:*"},
        {"result_endpoint": "tcp://*:*"},
        {"request_endpoint": "tcp://10.0.0.1:5580", "bind_requests": False},
    ):
        with pytest.raises(WireError) as caught:
            open_link(**settings)
        assert caught.value.code == "wire.curve_required"
    open_link(request_endpoint="tcp://0.0.0.0:*", allow_plain=True)


def test_only_known_keys_get_in_when_curve_is_on(told, tmp_path):
    server_public, server_secret = (key.decode() for key in zmq.curve_keypair())
    known_public, known_secret = (key.decode() for key in zmq.curve_keypair())
    other_public, other_secret = (key.decode() for key in zmq.curve_keypair())
    link = NativeLink(
        told,
        LinkTable(
            native_endpoint="tcp://127.0.0.1:*",
            curve_secret_key=server_secret,
            curve_clients=(known_public,),
        ),
        tmp_path,
    )
    link.start()
    workers = []
    try:
        for name, public, secret in (
            ("stranger", other_public, other_secret),
            ("known", known_public, known_secret),
        ):
            workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "foldward.testing.peer", "--connect", link.endpoint, "--id", name],
                    env={
                        "PATH": "/usr/bin:/bin",
                        "FOLDWARD_LINK__CURVE_PUBLIC_KEY": public,
                        "FOLDWARD_LINK__CURVE_SECRET_KEY": secret,
                        "FOLDWARD_LINK__CURVE_SERVER_KEY": server_public,
                    },
                )
            )
        assert [joined.peer for joined in told.wait(PeerJoined)] == ["known"]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(10)
        link.close()


def test_a_scripted_peer_answers_on_pushpull_in_both_encodings(told, open_link, tmp_path):
    from foldward.contracts.jobs import Backtest, Strategy
    from foldward.wire import dumps

    link = open_link()
    argv = [sys.executable, "-m", "foldward.testing.peer", "--connect-requests"]
    peer = subprocess.Popen(
        [*argv, "--requests", link.request_endpoint, "--results", link.result_endpoint, "--double", "1"]
    )
    try:
        told.wait(PeerJoined)
        job = Backtest(request_id="r-1", strategy=Strategy(name="a-OOS", kind="sma"))
        for number, form in enumerate(("json", "sexp"), start=1):
            link.send(link.peer, "r-1", dumps(job, form, peer=True))
            answers = [loads(frame.frames[0]) for frame in told.wait(FrameReceived, 2 * number)]
            assert {answer.request_id for answer in answers} == {"r-1"}
            assert {answer.strategy_name for answer in answers} == {"a-OOS"}
    finally:
        peer.kill()
        peer.wait(10)
    assert told.wait(PeerLeft)[0].peer == link.peer


def series() -> list[dict[str, float]]:
    closes = [
        150 + 3 * math.sin(i / 37) + 1.5 * math.sin(i / 11) + 0.8 * math.cos(i / 5) for i in range(3000)
    ]
    rows = []
    for i, close in enumerate(closes):
        opened = closes[max(0, i - 1)]
        rows.append(
            {
                "timestamp": 1_700_006_400 + 3600 * i,
                "open": opened,
                "high": max(opened, close) + 0.15,
                "low": min(opened, close) - 0.15,
                "close": close,
                "volume": 100 + 60 * math.sin(i / 9) ** 2 + 8 * ((7919 * i) % 13),
            }
        )
    return rows


def test_a_worker_stands_in_for_an_existing_peer_and_gives_its_numbers(told, open_link, tmp_path):
    link = open_link()
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "foldward.worker", "--serve", "--profile", "peer"),
            *("--connect-requests", "--requests", link.request_endpoint, "--results", link.result_endpoint),
            *("--cache", str(tmp_path / "cache"), "--log", str(tmp_path / "log")),
        ],
        stderr=subprocess.DEVNULL,
    )
    cases = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    cases = [case for case in cases if case["strategy"]["indicator_type"] in ("sma", "rsi", "vwap")][:3]
    try:
        told.wait(PeerJoined)
        for number, case in enumerate(cases, start=1):
            body = {
                "action": "BACKTEST",
                "request_id": f"golden-{number}",
                "strategy": {"name": case["case"], **case["strategy"]},
                "candles": series(),
                "timeframe": 60,
            }
            link.send(link.peer, f"golden-{number}", json.dumps(body).encode())
            answer = loads(told.wait(FrameReceived, number)[number - 1].frames[0])
            assert answer.error is None, (answer.code, answer.error)
            for name in ("trades", "wins", "losses", "pnl", "sharpe", "max_drawdown", "win_rate"):
                assert getattr(answer, name) == pytest.approx(case["expected"][name], abs=1e-8), name
        link.send(link.peer, "-", b'{"action":"BACKTEST"}')
        missing = loads(told.wait(FrameReceived, len(cases) + 1)[-1].frames[0])
        assert (missing.request_id, missing.error) == ("MISSING", "missing request_id")
        link.send(link.peer, "-", b'((action . "BACKTEST")(request_id . "r-9")(strategy')
        assert loads(told.wait(FrameReceived, len(cases) + 2)[-1].frames[0]).request_id == "r-9"
    finally:
        worker.terminate()
        assert worker.wait(15) == 0


def test_our_own_heartbeat_goes_out_every_interval_whatever_is_sent(open_link, told):
    link = open_link(beat_s=0.3, format="sexp")
    context = zmq.Context()
    try:
        pull = context.socket(zmq.PULL)
        pull.connect(link.request_endpoint)
        told.wait(PeerJoined)
        link.send(link.peer, "r-1", b"work")
        beats = []
        while len(beats) < 2:
            assert pull.poll(10_000), "no heartbeat came"
            raw = pull.recv()
            if raw != b"work":
                beats.append(loads(raw))
    finally:
        context.destroy(linger=0)
    assert {(beat.source, beat.status, beat.version) for beat in beats} == {("BRAIN", "ok", "1.2.3")}
    assert beats[0].id != beats[1].id
    assert beats[1].timestamp - beats[0].timestamp >= 0.3
    assert beats[1].data == {"sent": 1.0}


def test_the_stand_in_beats_beside_its_answers_and_answers_no_heartbeat(open_link, told):
    link = open_link(beat_s=0.25)
    service = ServicePort(link.request_endpoint, link.result_endpoint, bind_requests=False)
    beat = Heartbeat(id="stand-in", timestamp=1.0, data={"capacity": 3.0})
    heart = ServiceHeart(service, lambda: beat, interval_s=0.01)
    heart.start()
    try:
        told.wait(PeerJoined)
        link.send(link.peer, "r-1", b"work")
        taken = []
        while not taken:  # heartbeats of ours come as well, and are no work
            taken += service.poll(1000)
        service.results([b"answer"])
        before = len(told.wait(FrameReceived))
        frames = {frame.frames[0] for frame in told.wait(FrameReceived, before + 2)}
    finally:
        heart.stop()
        service.close(0)
    assert taken == [("", b"work")]
    assert frames == {b"answer", dumps(beat)}


def test_each_service_behind_the_link_counts_with_its_capacity(open_link, told):
    link = open_link(capacity=3)
    first = ServicePort(link.request_endpoint, link.result_endpoint, bind_requests=False)
    assert told.wait(PeerJoined)[0].capacity == 3
    second = ServicePort(link.request_endpoint, link.result_endpoint, bind_requests=False)
    try:
        assert told.wait(PeerResized)[-1].capacity == 6
        second.close(0)
        assert told.wait(PeerResized, 2)[-1].capacity == 3
    finally:
        first.close(0)
    told.wait(PeerLeft)


def test_the_stand_in_process_tells_what_it_does_every_interval(told, open_link, tmp_path):
    link = open_link()
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "foldward.worker", "--serve", "--id", "stand-in", "--capacity", "3"),
            *("--connect-requests", "--requests", link.request_endpoint, "--results", link.result_endpoint),
            *("--cache", str(tmp_path / "cache"), "--heartbeat-s", "0.5"),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        link_frames = told.wait(FrameReceived, 2, timeout=60.0)
    finally:
        worker.terminate()
        assert worker.wait(20) == 0
    first, second = (loads(frame.frames[0]) for frame in link_frames[:2])
    assert (first.id, first.source, first.status) == ("stand-in", "WORKER", "idle")
    assert second.timestamp - first.timestamp > 0.4
    counts = {name: first.data[name] for name in ("capacity", "in_flight", "received", "done", "sent")}
    assert counts == {"capacity": 3.0, "in_flight": 0.0, "received": 0.0, "done": 0.0, "sent": 0.0}
    assert {"rss_bytes", "address_space_bytes", "uptime_s", "job_age_s"} < set(first.data)
