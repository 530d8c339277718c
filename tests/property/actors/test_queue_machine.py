"""Whatever peers, processes and clocks do: no request is lost, none is applied twice, no byte is lost."""

import random
from pathlib import Path

import pytest

from foldward.contracts.events import EVENTS
from foldward.contracts.jobs import Backtest, Result
from foldward.settings import BreakerTable, QueueTable, Settings
from foldward.testing.actor_world import ActorWorld, answer_to
from foldward.wire import dumps, loads

pytestmark = pytest.mark.slow
SETTINGS = Settings(
    queue=QueueTable(attempt_s=20.0, attempt_min_s=20.0, buffer=15, startup_batch=4, max_inflight=12),
    breaker=BreakerTable(recovery_s=5.0),
)


class Chaos:
    """A world, its random peers, and what was seen."""

    def __init__(self, world: ActorWorld, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.peers: dict[str, object] = {}
        self.asked: set[str] = set()
        self.handled = 0
        self.garbage: list[bytes] = []
        self.late: list[tuple[str, bytes]] = []

    def step(self) -> None:
        act = self.rng.choices(
            (
                self.submit,
                self.join,
                self.leave,
                self.work,
                self.wait,
                self.restart,
                self.jump,
                self.deliver_late,
            ),
            (4, 3, 1, 12, 6, 0.4, 0.3, 2),
        )[0]
        act()

    def submit(self) -> None:
        names = self.rng.sample([f"s{n}" for n in range(30)], self.rng.randint(1, 6))
        kind = self.rng.choice(("oos", "backtest"))
        seed = self.rng.randint(0, 3)
        for item in self.world.submit(*names, kind=kind, seed=seed, now=True):
            assert item.status in ("queued", "pending", "cached")
            if item.status == "queued":
                assert item.request_id is not None
                self.asked.add(item.request_id)

    def join(self) -> None:
        name = f"w{self.rng.randint(0, 3)}"
        self.peers[name] = self.world.link.connect(name, capacity=self.rng.randint(1, 4))
        self.world.run()

    def leave(self) -> None:
        if self.peers:
            name = self.rng.choice(sorted(self.peers))
            self.peers.pop(name).leave(self.rng.choice(("disconnected", "bye", "silent")))  # type: ignore[attr-defined]
            self.world.run()

    def work(self) -> None:
        """The peers do something with the next thing that they were sent."""
        sent = self.world.link.sent[self.handled :]
        for peer, _request_id, data in sent[: self.rng.randint(1, 5)]:
            self.handled += 1
            self.treat(peer, data)

    def treat(self, peer: str, data: bytes) -> None:
        job = loads(data)
        assert isinstance(job, Backtest)
        sharpe = 0.61 if job.phase == "oos" else 0.83
        right = dumps(answer_to(job, self.world.candles, sharpe=sharpe))
        dice = self.rng.random()
        if dice < 0.06:
            return  # swallowed
        if dice < 0.10:
            self.late.append((peer, right))
        elif dice < 0.15:
            garbage = right[: self.rng.randint(0, len(right) - 1)] + bytes([self.rng.randint(0, 255)])
            self.garbage.append(garbage)
            self.world.receive(garbage, peer=peer)
        elif dice < 0.20:
            self.world.receive(right, peer=peer)
            self.world.receive(right, peer=peer)
        elif dice < 0.24:
            self.world.receive(
                dumps(Result(request_id=job.request_id, error="boom", code="engine.failed")), peer=peer
            )
        elif dice < 0.27:
            self.world.receive(dumps(answer_to(job, self.world.candles, strategy_name="somebody")), peer=peer)
        else:
            self.world.receive(right, peer=peer)

    def deliver_late(self) -> None:
        if self.late:
            peer, raw = self.late.pop(self.rng.randrange(len(self.late)))
            self.world.receive(raw, peer=peer)

    def wait(self) -> None:
        self.world.pass_time(self.rng.choice((0.1, 0.3, 1.0, 7.0, 30.0)))

    def restart(self) -> None:
        if self.rng.random() < 0.5:
            self.world.kill()
        else:
            self.world.stop()
        self.world.start()
        self.peers.clear()
        self.handled = 0

    def jump(self) -> None:
        self.world.clock.jump(self.rng.choice((3600, -3600, 30 * 86_400, -30 * 86_400)))

    def heal(self) -> None:
        """Good peers from now: everything that is open finishes."""
        self.restart()
        self.world.link.connect("good", capacity=12)
        for _ in range(4000):
            for _peer, request_id, data in self.world.link.sent[self.handled :]:
                self.handled += 1
                job = loads(data)
                assert isinstance(job, Backtest)
                assert job.request_id == request_id
                sharpe = 0.61 if job.phase == "oos" else 0.83
                self.world.receive(dumps(answer_to(job, self.world.candles, sharpe=sharpe)), peer="good")
            counts = self.world.reader.queue_counts()
            if not counts["open"]:
                return
            waiting = self.world.reader.next_due_us()
            ahead = 0.0 if waiting is None else (waiting - self.world.clock.utc_us) / 1e6
            if ahead > 400:  # the wall clock was set back: set it right, as an operator would
                self.world.clock.jump(ahead)
            self.world.pass_time(1.0)
        raise AssertionError(f"still open: {counts}")


@pytest.mark.parametrize("seed", range(12))
def test_every_request_ends_once_and_every_odd_byte_is_kept(tmp_path: Path, seed: int) -> None:
    with ActorWorld(tmp_path, SETTINGS, seed) as world:
        world.add(*(f"s{n}" for n in range(30)))
        chaos = Chaos(world, random.Random(seed))
        for _ in range(250):
            chaos.step()
        chaos.heal()
        world.pass_time(60)
        ends = {request_id: world.status(request_id) for request_id in chaos.asked}
        assert set(ends.values()) <= {"success", "error"}, ends
        given_up = {
            letter.request_id
            for letter in world.reader.dead_letters(limit=None)
            if letter.direction == "request" and letter.state == "held"
        }
        assert {request_id for request_id, end in ends.items() if end == "error"} <= given_up
        counters = world.reader.counters()
        assert counters["success"] == sum(end == "success" for end in ends.values())
        kept = {
            world.reader.dead_letter(letter.id).payload  # type: ignore[union-attr]
            for letter in world.reader.dead_letters(limit=None)
        }
        assert {raw for raw in chaos.garbage if _unreadable(raw)} <= kept
        assert counters.get("nondeterministic", 0) == 0
        for event in world.events():
            assert set(event.data) == set(EVENTS[event.event_type].keys), event.event_type


def _unreadable(raw: bytes) -> bool:
    from foldward.contracts.errors import WireError

    try:
        loads(raw)
    except WireError:
        return True
    return False
