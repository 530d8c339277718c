"""Hung actors: abandoned, fenced, replaced, listed; too many and the root gives up."""

import threading
import time

import pytest
from pykka import ActorDeadError
from toys import PATIENCE, Toy, boom, eventually, settled

from supervision import KEEP, Child, supervisor

busy_sleep = (time.sleep,)


def hang(gate):
    def message(actor):
        actor.journal.add("hanging", actor.id, actor.incarnation)
        gate.wait(10.0)
        actor.journal.add("woke up", actor.id)

    return message


def test_a_hung_actor_is_replaced_and_its_message_counts_as_poison(forest):
    gate = forest.gate()
    root = forest.boot(forest.toy("a", hang_after=0.05))
    message = hang(gate)
    root.handle("a").tell(message)
    root.handle("a").tell("waits")
    assert eventually(lambda: root.names.incarnation("a") == 2)
    assert root.handle("a").ask("hello") == "hello"
    root.flush()
    assert forest.dead.all() == [("a", message, "poison"), ("a", "waits", "hung")]
    assert ("child_hung", "a") in forest.events.all()
    assert root.find("root")["budget"]["used"] == 1
    assert root.find("a")["last_exit"]["kind"] == "hung"


def test_the_crash_report_of_a_hung_actor_shows_where_it_hangs(forest):
    gate = forest.gate()
    root = forest.boot(forest.toy("a", hang_after=0.05))
    root.handle("a").tell(hang(gate))
    assert eventually(lambda: root.names.incarnation("a") == 2)
    [report] = root.crashes("a")
    assert "gate.wait(10.0)" in report.stack
    assert (report.ending, report.code, report.message_type) == ("hung", "supervision.hung", "function")


def test_a_hung_actor_is_listed_as_a_zombie_until_its_thread_ends(forest):
    gate = forest.gate()
    root = forest.boot(forest.toy("a", hang_after=0.05))
    root.handle("a").tell(hang(gate))
    assert eventually(lambda: root.names.incarnation("a") == 2)
    assert [(z["id"], z["incarnation"]) for z in root.zombies()] == [("a", 1)]
    assert "a#1" in root.stacks()
    gate.set()
    assert eventually(lambda: root.zombies() == [])


def test_an_abandoned_incarnation_does_no_more_than_return_to_python(forest):
    gate = forest.gate()
    root = forest.boot(forest.toy("a", hang_after=0.05))
    root.handle("a").tell(hang(gate))
    assert eventually(lambda: root.names.incarnation("a") == 2)
    gate.set()
    eventually(lambda: root.zombies() == [])
    assert ("woke up", "a") not in forest.journal.all()
    assert root.names.incarnation("a") == 2
    assert root.handle("a").ask("hello") == "hello"


def test_an_asker_of_a_hung_actor_is_told_at_once(forest):
    gate = forest.gate()
    root = forest.boot(forest.toy("a", hang_after=0.05, inbox=KEEP))
    with pytest.raises(ActorDeadError):
        root.handle("a").ask(hang(gate), timeout=10.0)


def test_fence_is_called_from_outside_before_the_replacement_starts(forest):
    steps = []

    class Holds(Toy):
        def on_start(self):
            steps.append(("start", self.incarnation))

        def fence(self):
            steps.append(("fence", self.incarnation, threading.current_thread().name))

    gate = forest.gate()
    root = forest.boot(Child("a", Holds, args=(forest.journal,), hang_after=0.05))
    root.handle("a").tell(hang(gate))
    assert eventually(lambda: root.names.incarnation("a") == 2)
    assert steps == [("start", 1), ("fence", 1, "a#1-fence"), ("start", 2)]


def test_a_fence_that_hangs_or_raises_delays_the_replacement_by_a_second_at_most(forest):
    gate = forest.gate()

    class Holds(Toy):
        def fence(self):
            gate.wait(10.0)

    class Raises(Toy):
        def fence(self):
            raise SystemExit("no")

    root = forest.boot(
        Child("a", Holds, args=(forest.journal,), hang_after=0.05),
        Child("b", Raises, args=(forest.journal,), hang_after=0.05),
        intensity=5,
    )
    root.handle("a").tell(hang(gate))
    root.handle("b").tell(hang(gate))
    assert eventually(lambda: root.names.incarnation("a") == 2 and root.names.incarnation("b") == 2)


def test_an_actor_that_is_busy_with_many_short_messages_is_not_hung(forest):
    root = forest.boot(forest.toy("a", hang_after=0.1))
    for _ in range(60):
        root.handle("a").tell(lambda _: busy_sleep[0](0.005))
    assert root.handle("a").ask("hello") == "hello"
    assert root.names.incarnation("a") == 1


def test_an_idle_actor_is_not_hung(forest):
    root = forest.boot(forest.toy("a", hang_after=0.02), forest.toy("b", hang_after=0.05))
    gate = forest.gate()
    root.handle("b").tell(hang(gate))
    assert eventually(lambda: root.names.incarnation("b") == 2)
    assert root.names.incarnation("a") == 1


def test_a_hung_keeping_actor_hands_over_what_waits(forest):
    gate, hung = forest.gate(), []

    def hang_once(_actor):
        if not hung:
            hung.append(1)
            gate.wait(10.0)

    root = forest.boot(forest.toy("a", hang_after=0.05, inbox=KEEP))
    root.handle("a").tell(hang_once)
    root.handle("a").tell("waits")
    assert eventually(lambda: root.names.incarnation("a") == 2)
    assert root.handle("a").ask(lambda actor: actor.seen) == ["waits"]


def test_more_than_three_zombies_and_the_root_gives_up(forest):
    gate = forest.gate()
    root = forest.boot(forest.toy("a", hang_after=0.02), forest.toy("b"), intensity=100, period=1.0)
    for number in range(1, 5):
        eventually(lambda n=number: root.names.incarnation("a") == n)
        root.handle("a").tell(hang(gate))
    assert root.wait(PATIENCE)
    assert root.gave_up == "4 zombies"
    assert forest.journal.all()[-1] in [("down", "a"), ("down", "b")]
    assert ("down", "b") in forest.journal.all()


def test_a_hang_below_does_not_keep_the_rest_of_the_tree_from_working(forest):
    gate = forest.gate()
    root = forest.boot(
        supervisor("s", forest.toy("a", hang_after=0.05)), supervisor("t", forest.toy("b")), intensity=5
    )
    root.handle("a").tell(hang(gate))
    root.handle("b").tell(boom)
    assert settled(root, ["s", "a", "t", "b"])
    assert eventually(lambda: (root.names.incarnation("a"), root.names.incarnation("b")) == (2, 2))


def test_a_late_unbind_of_an_old_incarnation_does_not_take_the_name(forest):
    root = forest.boot(forest.toy("a"))
    root.supervisor().cycle_child("a")
    assert not root.names.unbind("a", 1)
    assert root.handle("a").ask("hello") == "hello"


def test_the_snapshot_shows_what_hangs_on_what(forest):
    gate = forest.gate()
    root = forest.boot(forest.toy("a", hang_after=60.0))
    root.handle("a").tell(hang(gate))
    eventually(lambda: root.find("a")["busy_s"] > 0.02)
    view = root.find("a")
    assert (view["state"], view["current"]) == ("running", "function")
