"""The shipped doubles: what they promise to whoever tests with them."""

from __future__ import annotations

import pytest

from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Backtest, Heartbeat, Strategy
from foldward.contracts.messages import (
    FrameReceived,
    FrameRefused,
    PeerBeat,
    PeerJoined,
    PeerLeft,
    PeerStarted,
)
from foldward.testing import FakeLink, Script, ScriptedPeer, attach, garbled, invented
from foldward.wire import dumps, loads


def job(number: int = 1) -> Backtest:
    return Backtest(request_id=f"r-{number}", strategy=Strategy(name="s", kind="sma"), phase="oos")


def fates(peer: ScriptedPeer, count: int = 1000) -> list[str]:
    raw = dumps(job())
    return [peer.react(raw).fate for _ in range(count)]


def test_a_script_with_one_seed_always_plays_the_same():
    script = Script(seed=7, swallow=0.02, garble=0.02, double=0.025, fail=0.015, mislabel=0.01)
    assert fates(ScriptedPeer(script), 200) == fates(ScriptedPeer(script), 200)
    assert fates(ScriptedPeer(script), 200) != fates(ScriptedPeer(Script(seed=8, swallow=0.5)), 200)


def test_the_shares_of_a_script_are_met():
    peer = ScriptedPeer(Script(seed=1, swallow=0.2, double=0.1))
    fates(peer)
    assert 150 < peer.counts["swallow"] < 250
    assert 60 < peer.counts["double"] < 140
    assert sum(peer.counts.values()) == 1000


def test_shares_beyond_one_are_refused():
    with pytest.raises(ValueError, match="sum to at most 1"):
        Script(swallow=0.6, double=0.6)
    with pytest.raises(ValueError, match="between 0 and 1"):
        Script(swallow=-0.1)


@pytest.mark.parametrize("form", ["json", "sexp"])
def test_garbled_bytes_are_never_a_message(form):
    for noise in range(10):
        with pytest.raises(WireError):
            loads(garbled(dumps(invented(job()), form), noise))


def test_every_fate_does_what_it_says():
    raw = dumps(job(), "sexp")

    def react(**shares: float):
        return ScriptedPeer(Script(**shares)).react(raw)

    assert loads(react().messages[0]).request_id == "r-1"
    assert react(swallow=1).messages == react(freeze=1).messages == react(die=1).messages == ()
    assert len(set(react(double=1).messages)) == 1
    assert len(react(double=1).messages) == 2
    assert loads(react(fail=1).messages[0]).code == "engine.failed"
    assert loads(react(mislabel=1).messages[0]).request_id != "r-1"
    assert react(delay=1, delay_s=2.5).delay_s == 2.5
    assert loads(ScriptedPeer().react(b"{").messages[0]).request_id == "MISSING"


def test_a_frozen_peer_never_answers_again():
    peer = ScriptedPeer(Script(seed=1, freeze=0.01))
    drawn = fates(peer)
    assert set(drawn[drawn.index("freeze") :]) == {"freeze"}


def test_invented_numbers_depend_on_the_work_and_on_nothing_else():
    one, other = invented(job(1)), invented(job(2))
    assert (one.sharpe, one.result_digest) == (other.sharpe, other.result_digest)
    longer = Backtest(request_id="r", strategy=Strategy(name="s", kind="sma"), phase="oos", start_time=5)
    assert invented(longer).result_digest != one.result_digest
    assert dumps(one)


def test_a_scripted_peer_on_a_fake_link_answers_at_once():
    told = []
    link = FakeLink(told.append)
    link.start()
    attach(link, ScriptedPeer(Script(double=1.0)), "worker-1", capacity=3)
    link.send("worker-1", "r-1", dumps(job()))
    assert [type(message) for message in told[:1]] == [PeerJoined]
    assert [message.request_id for message in told if type(message) is PeerStarted] == ["r-1"]
    assert len([message for message in told if type(message) is FrameReceived]) == 2
    delayed = ScriptedPeer(Script(delay=1.0))
    attach(link, delayed, "worker-2")
    link.send("worker-2", "r-2", dumps(job(2)))
    assert [loads(message).request_id for message in delayed.held] == ["r-2"]
    attach(link, ScriptedPeer(Script(die=1.0)), "worker-3")
    link.send("worker-3", "r-3", dumps(job(3)))
    assert type(told[-1]) is PeerLeft


def test_a_fake_link_can_refuse_and_can_be_taken():
    told = []
    link = FakeLink(told.append)
    link.taken = True
    with pytest.raises(WireError) as caught:
        link.start()
    assert caught.value.code == "wire.endpoint_taken"
    link.taken = False
    link.start()
    peer = link.connect("worker-1")
    link.refuse = "no"
    link.send("worker-1", "r-1", b"{}")
    assert told[-1] == FrameRefused(peer="worker-1", request_id="r-1", error="no")
    link.refuse = None
    link.send("worker-1", "r-1", b"{}")
    assert peer.take() == ("r-1", b"{}")
    with pytest.raises(TimeoutError):
        peer.take(0.001)
    peer.beat(Heartbeat(id="worker-1", timestamp=1.0))
    assert type(told[-1]) is PeerBeat
    link.connect("worker-1")
    assert [type(message) for message in told[-2:]] == [PeerLeft, PeerJoined]
    assert peer.connected is False
