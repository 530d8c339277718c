"""What the actors really emit fits the table of events, key for key."""

from __future__ import annotations

from pathlib import Path

from foldward.contracts.events import faults
from foldward.contracts.messages import DropDead, ReplayDead, Submit
from foldward.testing.actor_world import ActorWorld

HEARD = {
    "oos.requested",
    "oos.deferred",
    "oos.retry",
    "oos.result",
    "oos.duplicate",
    "oos.nondeterministic",
    "oos.throttled",
    "oos.mirror_rejected",
    "data.refused",
    "dead_letter.held",
    "dead_letter.replayed",
    "dead_letter.dropped",
}


def test_a_day_of_trouble_emits_only_documented_events_with_all_their_keys(tmp_path: Path) -> None:
    with ActorWorld(tmp_path) as world:
        world.add("a", "b", "c")
        world.candles.codes["BAD"] = "data.geometry"
        world.add("bad", symbol="BAD")
        world.submit("a")  # nobody can take it: deferred
        world.pass_time(5)
        world.link.connect("w1", capacity=100)
        world.run()
        world.pass_time(2)
        (_, first) = world.sent()[0]
        raw = world.answer(first)
        world.receive(raw)  # the same again
        world.answer(first, sharpe=0.9, result_digest="sha256:" + "cd" * 32)  # and another one
        world.tell("oos_queue", Submit(names=("a",), seed=3, origin="rank"))  # throttled
        world.submit("bad")
        (item,) = world.submit("b")
        world.pass_time(2)
        world.answer(item.request_id or "", error="it broke", code="engine.failed")  # retry
        world.submit("c", kind="backtest")
        world.pass_time(2)
        for _, request_id in world.sent():
            if world.status(request_id) == "sent":
                world.answer(request_id, sharpe=0.5)
        world.submit("c")
        world.pass_time(2)
        for _, request_id in world.sent():
            if world.status(request_id) == "sent":
                world.answer(request_id, sharpe=0.5)  # equal to the in-sample one: a mirror
        world.receive(b"(junk")
        world.receive(b"more junk")
        world.pass_time(2)
        held = world.reader.dead_letters(state="held")
        world.tell("dead_letter", ReplayDead(ids=(held[0].id,)))
        world.tell("dead_letter", DropDead(ids=(held[-1].id,)))
        world.pass_time(5)
        emitted = world.events()
        assert {f"{emit.event_type}: {fault}" for emit in emitted for fault in faults(emit)} == set()
        assert set() == HEARD - {emit.event_type for emit in emitted}
