"""The dispatcher's breaker, second by second: opening, one probe, another minute, closing; and a restart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from foldward.settings import BreakerTable, Settings
from foldward.testing.actor_world import ActorWorld

pytestmark = pytest.mark.slow
NAMES = [f"s{n}" for n in range(12)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ActorWorld]:
    """One link that holds three requests; three failures open its breaker for 60 s, two probes close it."""
    settings = Settings(breaker=BreakerTable(threshold=3, recovery_s=60, success_threshold=2))
    with ActorWorld(tmp_path, settings) as made:
        made.add(*NAMES)
        made.link.connect("w1", capacity=3)
        yield made


def moves(world: ActorWorld) -> list[str]:
    return [event.event_type for event in world.events() if event.event_type.startswith("breaker.")]


def failures(world: ActorWorld, ids: list[str]) -> int:
    rows = [world.reader.request(request_id) for request_id in ids]
    return sum(row.failures for row in rows if row is not None)


def submit(world: ActorWorld) -> list[str]:
    return [str(item.request_id) for item in world.submit(*NAMES, now=True)]


def test_the_breaker_opens_probes_and_closes_at_its_times(world: ActorWorld) -> None:
    world.link.refuse = "full"
    ids = submit(world)
    world.pass_time(5)
    assert moves(world) == ["breaker.opened"]
    assert failures(world, ids) == 3
    world.pass_time(50)  # 55 s: nothing is tried, nothing is counted
    assert failures(world, ids) == 3

    world.pass_time(10)  # past 60 s: one probe, which fails, and another minute
    assert moves(world) == ["breaker.opened", "breaker.half_open", "breaker.opened"]
    assert failures(world, ids) == 4

    world.link.refuse = None
    world.pass_time(50)
    assert world.sent() == []
    world.pass_time(15)  # past the second minute: exactly one is out, although there is room for three
    assert len(world.sent()) == 1
    world.answer(world.sent()[0][1])
    world.pass_time(1.1)
    assert len(world.sent()) == 2  # the second probe, alone again
    assert moves(world)[-1] == "breaker.half_open"
    world.answer(world.sent()[1][1])
    world.pass_time(1.1)
    assert moves(world)[-1] == "breaker.closed"
    assert len(world.sent()) == 5  # all three places are used again
    assert failures(world, ids) == 4


def test_a_restart_while_the_breaker_is_open_keeps_every_due_time(world: ActorWorld) -> None:
    world.link.refuse = "full"
    ids = submit(world)
    world.pass_time(5)
    rows = {row.request_id: row for row in (world.reader.request(one) for one in ids) if row is not None}
    waiting = {one: row.next_attempt_at for one, row in rows.items() if row.status == "retry"}
    assert failures(world, ids) == 3  # what else waits was leased in the same moment and given back
    world.kill()
    world.pass_time(1)
    world.start()
    after = {row.request_id: row for row in (world.reader.request(one) for one in ids) if row is not None}
    assert {one: after[one].next_attempt_at for one in waiting} == waiting
    assert [row.failures for row in after.values()] == [row.failures for row in rows.values()]
    assert {row.status for row in after.values()} == {"pending", "retry"}
    world.link.connect("w1", capacity=3)  # a new core knows no failures of the link, and asks it at once
    world.pass_time(1.1)
    assert len(world.sent()) == 3
