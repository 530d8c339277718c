"""Crashes, hangs, stops and administration at once: nothing deadlocks, nothing is left."""

import os
import random
import threading
import time

import pytest
from pykka import ActorDeadError, Timeout
from toys import Toy, boom, left_over

from supervision import (
    DROP,
    KEEP,
    Backoff,
    Child,
    Restart,
    StartFailed,
    Strategy,
    SupervisorError,
    process,
    supervisor,
)

clock = (time.monotonic,)
nap = (time.sleep,)
NAMES = [f"c{n}" for n in range(12)]
# Ten minutes by hand: FOLDWARD_STRESS_S=600 pytest tests/integration/supervision/test_stress.py
SECONDS = float(os.environ.get("FOLDWARD_STRESS_S", "0.8"))


class Busy(Toy):
    def on_start(self):
        self.every(0.01, "tick")
        if random.random() < 0.03 and self.incarnation > 1:
            raise ValueError("no")


def grow(forest, rng):
    def child(number):
        return Child(
            NAMES[number],
            Busy,
            args=(forest.journal,),
            inbox=rng.choice([KEEP, DROP]),
            restart=rng.choice(list(Restart)),
            hang_after=0.1 if number % 3 == 0 else None,
            backoff=Backoff(first=0.005) if number % 4 == 0 else None,
            shutdown=0.2,
        )

    limits = {"intensity": 500, "period": 1.0}
    return supervisor(
        "root",
        supervisor("all", *map(child, range(4)), strategy=Strategy.ONE_FOR_ALL, **limits),
        supervisor("rest", *map(child, range(4, 8)), strategy=Strategy.REST_FOR_ONE, **limits),
        supervisor("one", *map(child, range(8, 12)), **limits),
        process("p", ["sleep", "60"]),
        strategy=Strategy.REST_FOR_ONE,
        **limits,
    )


def disturb(root, rng, end, unexpected):
    actions = {
        "crash": lambda name: root.handle(name).tell(boom),
        "hang": lambda name: root.handle(name).tell(lambda _: nap[0](0.25)),
        "leave": lambda name: root.handle(name).tell(lambda actor: actor.leave()),
        "ask": lambda name: root.handle(name).ask("x", timeout=2.0),
        "cycle": lambda name: root.supervisor_of(name).cycle_child(name, timeout=5.0),
        "terminate": lambda name: root.supervisor_of(name).terminate_child(name, timeout=5.0),
        "restart": lambda name: root.supervisor_of(name).restart_child(name, timeout=5.0),
        "look": lambda _: (root.snapshot(), root.stacks()),
    }
    weights = [10, 1, 3, 20, 4, 2, 4, 40]
    while clock[0]() < end:
        [action] = rng.choices(list(actions), weights)
        try:
            actions[action](rng.choice(NAMES))
        except (SupervisorError, StartFailed, ActorDeadError, Timeout):
            pass
        except Exception as error:
            unexpected.append(error)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_mixture_of_faults_and_calls_ends_in_a_clean_stop(forest, seed):
    rng = random.Random(seed)
    files = set(os.listdir("/proc/self/fd"))
    root = forest.grow(grow(forest, rng), max_zombies=100)
    unexpected, end = [], clock[0]() + SECONDS
    disturbers = [
        threading.Thread(target=disturb, args=(root, random.Random(seed * 10 + n), end, unexpected))
        for n in range(4)
    ]
    for disturber in disturbers:
        disturber.start()
    for disturber in disturbers:
        disturber.join(SECONDS + 20.0)
    assert unexpected == []
    assert root.gave_up is None
    assert root.stop(10.0)
    assert root.names.bound() == []
    assert set(left_over()) <= {f"{z['id']}#{z['incarnation']}" for z in root.zombies()}
    forest.journal.clear()
    assert len(set(os.listdir("/proc/self/fd"))) <= len(files) + 1, "files or sockets are left"
