"""Random nested trees under every fault and every call at once: no message is lost, nobody waits in vain.

Each number that is told must be handled or dead-lettered, whatever dies in between. By hand for longer:
FOLDWARD_STRESS_S=60 pytest tests/integration/supervision/test_random_trees.py
"""

import collections
import itertools
import os
import random
import threading
import time

import pykka
import pytest
from toys import left_over

from supervision import (
    DROP,
    KEEP,
    Actor,
    Backoff,
    Child,
    Ignore,
    Restart,
    SpecError,
    Strategy,
    SupervisorError,
    boot,
    dynamic,
    supervisor,
)

clock = (time.monotonic,)
nap = (time.sleep,)
SECONDS = float(os.environ.get("FOLDWARD_STRESS_S", "1.0"))
CALL_S = 20.0  # no call of the administration may take this long
FAULTS = ("boom", "exit", "interrupt", "leave", "bad", "nap", "stop")


class Fragile(Actor):
    """Notes the numbers it handles; does the fault it is told; starts again only mostly."""

    def __init__(self, handled, failing):
        super().__init__()
        self.handled = handled
        self.failing = failing

    def on_start(self):
        drawn = random.random() / self.failing if self.incarnation > 1 and self.failing else 9.0
        if drawn < 1.0:
            raise ValueError("no")
        if drawn < 1.2:
            raise Ignore
        if drawn < 1.5:
            nap[0](0.05)
        elif drawn < 1.8:
            self.leave("while starting")

    def on_receive(self, message):
        if isinstance(message, tuple):
            self.handled.append(message)
        elif message == "boom":
            raise ValueError(message)
        elif message == "exit":
            raise SystemExit(1)
        elif message == "interrupt":
            raise KeyboardInterrupt
        elif message in ("leave", "bad"):
            self.leave("normal" if message == "leave" else message)
        elif message == "nap":
            nap[0](0.12)
        elif message == "stop":
            self.stop()
        return message


class InBatches(Fragile):
    def drain(self, batch):
        for message in sorted(batch, key=lambda m: m == "leave"):  # after leaving a batch is done with
            self.on_receive(message)


class Bounded(Fragile):
    inbox_limit = 5
    inbox_full = "block"
    inbox_patience = 0.02


class Garden:
    """Draws a tree and remembers the ids in it."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.handled = []
        self.workers = []
        self.supervisors = []
        self._numbers = itertools.count()

    def worker(self, id):
        draw = self.rng.choice
        return Child(
            id,
            draw([Fragile, InBatches, Bounded]),
            args=(self.handled, draw([0.0, 0.1, 0.3])),
            inbox=draw([KEEP, DROP]),
            restart=draw([Restart.PERMANENT, Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY]),
            hang_after=draw([None, None, 0.05]),
            backoff=draw([None, Backoff(first=0.003, ceiling=0.02)]),
            shutdown=draw([0.2, "kill", 0.0]),
            start_timeout=draw([10.0, 0.03]),
        )

    def tree(self, id="root", depth=0):
        children = []
        for _ in range(self.rng.randint(1, 4)):
            number, drawn = next(self._numbers), self.rng.random()
            if depth < 3 and drawn < 0.4:
                children.append(self.tree(f"s{number}", depth + 1))
            elif depth and drawn < 0.5:
                template = Child(f"t{number}", Fragile, args=(self.handled, 0.05), shutdown=0.2)
                children.append(dynamic(f"d{number}", template, intensity=300, period=1.0))
                self.supervisors.append(f"d{number}")
            else:
                children.append(self.worker(f"w{number}"))
                self.workers.append(f"w{number}")
        self.supervisors.append(id)
        budget = {"intensity": self.rng.choice([3, 400]), "period": 1.0} if depth else {"intensity": 10**6}
        return supervisor(id, *children, strategy=self.rng.choice(list(Strategy)), **budget)


class Disturber:
    """One thread's hand in it: `told` are the numbers it sent, `unexpected` what nobody documented."""

    def __init__(self, root, garden, who):
        self.root, self.garden, self.who = root, garden, who
        self.rng, self.numbers = random.Random(who), itertools.count()
        self.told, self.unexpected = [], []

    def until(self, end):
        actions = {
            self.tell: 30,
            self.harm: 6,
            self.ask: 10,
            self.administer: 9,
            self.start: 7,
            self.cycle_supervisor: 1,
            self.look: 5,
        }
        while clock[0]() < end:
            [act] = self.rng.choices(list(actions), list(actions.values()))
            began = clock[0]()
            try:
                act(self.rng.choice(self.garden.workers or ["root"]))
            except (SupervisorError, SpecError, pykka.ActorDeadError, ValueError, SystemExit):
                pass  # what the calls and the faults are documented to raise
            except pykka.Timeout:
                if clock[0]() - began > CALL_S / 2:
                    self.unexpected.append(f"{act} was not answered")
            except BaseException as error:
                self.unexpected.append(repr(error))

    def tell(self, worker):
        self.told.append((self.who, next(self.numbers)))
        self.root.handle(worker).tell(self.told[-1])

    def harm(self, worker):
        self.root.handle(worker).tell(self.rng.choice(FAULTS))

    def ask(self, worker):
        question = self.rng.choice(["x", "x", "x", "x", *FAULTS])
        self.root.handle(worker).ask(question, timeout=0.1, retry=self.rng.random() < 0.5)

    def administer(self, worker):
        call = self.rng.choice(["cycle", "terminate", "terminate", "restart", "restart", "restart", "delete"])
        getattr(self.root.supervisor_of(worker), f"{call}_child")(worker, timeout=CALL_S)

    def start(self, worker):
        above = self.root.supervisor(self.rng.choice(self.garden.supervisors))
        spec = [] if self.rng.random() < 0.6 else [self.garden.worker(worker)]
        above.start_child(*spec, timeout=CALL_S)

    def cycle_supervisor(self, _worker):
        above = self.rng.choice(self.garden.supervisors)
        self.root.supervisor_of(above).cycle_child(above, timeout=CALL_S)

    def look(self, _worker):
        above = self.root.supervisor(self.rng.choice(self.garden.supervisors))
        self.root.snapshot(), self.root.stacks(), self.root.crashes(), self.root.zombies()
        above.count_children(timeout=CALL_S)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 5, 63])
def test_in_a_random_tree_every_message_is_handled_or_dead_lettered(seed):
    garden, dead = Garden(seed), []
    others = set(threading.enumerate())
    root = boot(
        garden.tree(),
        on_dead=lambda _name, message, _why: dead.append(message),
        on_crash=lambda report: report.as_dict(),
        max_zombies=1000,
    )
    end = clock[0]() + SECONDS
    disturbers = [Disturber(root, garden, who) for who in range(5)]
    threads = [threading.Thread(target=disturber.until, args=(end,)) for disturber in disturbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 2 * CALL_S)
    assert not any(thread.is_alive() for thread in threads)
    assert [odd for disturber in disturbers for odd in disturber.unexpected] == []
    root.flush(10.0)
    assert root.stop(15.0)
    nap[0](0.3)  # zombies of this test's own naps end
    seen = collections.Counter(garden.handled) + collections.Counter(m for m in dead if isinstance(m, tuple))
    assert [number for disturber in disturbers for number in disturber.told if not seen[number]] == []
    assert root.names.bound() == []
    assert left_over(others) == []
