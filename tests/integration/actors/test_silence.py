"""A peer that sends HEARTBEATs, falls silent and comes back: queue, dispatcher, heartbeat, by the second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.heartbeat import Heartbeat as Watcher
from foldward.contracts.jobs import Heartbeat
from foldward.settings import Settings
from foldward.testing.actor_world import ActorWorld
from foldward.testing.fake_link import FakePeer
from foldward.wire import dumps

pytestmark = pytest.mark.slow
NAMES = ("s-1", "s-2", "s-3")


class World(ActorWorld):
    """With a Heartbeat, and one legacy peer that takes two requests."""

    def start(self) -> None:
        super().start()
        watcher: Any = Watcher(settings=self.settings.heartbeat)
        self.actors["heartbeat"] = watcher
        watcher.recover = lambda: None
        watcher.drain = lambda batch: [watcher.on_receive(message) for message in batch]
        self._adopt("heartbeat", watcher)
        self.peer: FakePeer = self.link.connect("w1", capacity=2, legacy=True)
        self.run()

    def beat(self, **data: float) -> None:
        """As it comes on pushpull: a frame like any other."""
        beat = Heartbeat(id="peer-1", timestamp=1.0, source="WORKER", data=data)
        self.receive(dumps(beat))

    def told(self) -> list[str]:
        wanted = ("heartbeat.lost", "breaker.")
        return [event.event_type for event in self.events() if event.event_type.startswith(wanted)]

    def failures(self, ids: list[str]) -> list[int]:
        rows = [self.reader.request(one) for one in ids]
        return [row.failures for row in rows if row is not None]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, Settings()) as made:
        made.add(*NAMES)
        yield made


def submit(world: World) -> list[str]:
    return [str(item.request_id) for item in world.submit(*NAMES, now=True)]


def test_a_silent_peer_is_lost_after_thirty_seconds_and_its_work_waits_unharmed(world: World) -> None:
    world.beat()
    ids = submit(world)
    assert [world.status(one) for one in ids] == ["sent", "sent", "pending"]
    world.pass_time(29)
    assert world.told() == []
    world.pass_time(2)
    assert world.told() == ["heartbeat.lost", "breaker.opened"]
    (lost,) = world.events("heartbeat.lost")
    assert lost.data == {"heartbeat_id": "peer-1", "source": "WORKER", "status": "lost"}
    assert {world.status(one) for one in ids} <= {"pending", "retry"}
    world.pass_time(58)
    assert len(world.sent()) == 2
    assert world.failures(ids) == [0, 0, 0]


def test_a_beat_after_a_silence_brings_the_peer_back_through_one_probe(world: World) -> None:
    world.beat()
    ids = submit(world)
    world.pass_time(31)
    assert world.told() == ["heartbeat.lost", "breaker.opened"]
    world.pass_time(5)
    world.beat()
    world.pass_time(1)
    assert world.told()[-1] == "breaker.half_open"
    assert len(world.sent()) == 3
    world.answer(world.sent()[2][1])
    world.pass_time(1)
    assert world.told()[2:] == ["breaker.half_open", "breaker.closed"]
    assert len(world.sent()) == 5
    for _, request_id in world.sent()[3:]:
        world.answer(request_id)
    assert [world.status(one) for one in ids] == ["success"] * 3
    assert world.failures(ids) == []


def test_an_answer_that_comes_during_the_silence_is_welcome(world: World) -> None:
    world.beat()
    first, *_ = submit(world)
    world.pass_time(35)
    world.answer(first)
    assert world.status(first) == "success"


def test_a_peer_that_never_beat_is_watched_by_deadlines_alone(world: World) -> None:
    ids = submit(world)
    world.pass_time(119)
    assert world.told() == []
    assert world.failures(ids) == [0, 0, 0]
    world.pass_time(2)
    assert sum(world.failures(ids)) == 2


def test_a_peer_that_left_is_not_lost(world: World) -> None:
    world.beat()
    world.peer.leave()
    world.run()
    world.pass_time(60)
    assert world.events("heartbeat.lost") == []


def test_a_peer_declares_in_a_beat_how_much_it_takes(world: World) -> None:
    world.beat(capacity=3.0)
    submit(world)
    assert len(world.sent()) == 3
