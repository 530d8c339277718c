"""Starting and stopping: the order of events that OTP's supervisor promises."""

import math
import threading

import pytest
from pykka import ActorDeadError
from toys import Boom, Toy, boom, eventually, settled, states

from supervision import Actor, Child, Ignore, Restart, SpecError, StartFailed, boot, dynamic, supervisor


def test_children_start_left_to_right_and_stop_in_reverse(forest):
    root = forest.boot(*forest.toys("abc"))
    assert forest.journal.all() == [("up", "a"), ("up", "b"), ("up", "c")]
    forest.journal.clear()
    assert root.stop(5.0)
    assert forest.journal.all() == [("down", "c"), ("down", "b"), ("down", "a")]


def test_a_nested_supervisor_is_up_before_the_next_child_starts(forest):
    root = forest.boot(forest.toy("a"), supervisor("s", *forest.toys("bc")), forest.toy("d"))
    root.stop(5.0)
    assert forest.journal.all() == [
        *[("up", id) for id in "abcd"],
        *[("down", id) for id in "dcba"],
    ]


def test_a_child_starts_only_when_the_one_before_is_up(forest):
    seen = []

    class Later(Toy):
        def on_start(self):
            seen.append(self.names.incarnation("a"))

    forest.boot(forest.toy("a"), Child("b", Later, args=(forest.journal,)))
    assert seen == [1]


def test_a_failing_start_at_boot_is_not_retried_and_stops_what_runs(forest):
    forest.starts["c"] = [Boom("no"), None]
    with pytest.raises(StartFailed) as caught:
        forest.boot(*forest.toys("abcd"))
    assert caught.value.id == "c"
    assert isinstance(caught.value.cause, Boom)
    assert isinstance(caught.value.__cause__, Boom)
    assert forest.journal.all() == [
        ("up", "a"),
        ("up", "b"),
        ("failed start", "c"),
        ("down", "b"),
        ("down", "a"),
    ]


def test_a_failing_start_below_nests_its_causes(forest):
    forest.starts["b"] = [Boom("no")]
    with pytest.raises(StartFailed) as caught:
        forest.boot(forest.toy("a"), supervisor("s", forest.toy("b")))
    assert caught.value.id == "s"
    assert caught.value.cause.id == "b"
    assert isinstance(caught.value.cause.cause, Boom)


@pytest.mark.parametrize("where", ["__init__", "recover", "on_start"])
def test_a_start_may_fail_in_each_of_its_steps(forest, where):
    def fail(self, *args, **kwargs):
        raise SystemExit(3)

    broken = type("Broken", (Actor,), {where: fail})
    with pytest.raises(StartFailed) as caught:
        forest.boot(Child("x", broken))
    assert isinstance(caught.value.cause, SystemExit)


def test_recover_runs_before_on_start_in_the_actors_own_thread(forest):
    steps = []

    class Recovering(Actor):
        def recover(self):
            steps.append(("recover", threading.current_thread().name))

        def on_start(self):
            steps.append(("on_start", threading.current_thread().name))

    forest.boot(Child("x", Recovering))
    assert steps == [("recover", "x#1"), ("on_start", "x#1")]


def test_a_start_that_takes_too_long_fails_and_is_abandoned(forest):
    gate = forest.gate()

    class Slow(Actor):
        def on_start(self):
            gate.wait(10.0)

    with pytest.raises(StartFailed) as caught:
        forest.boot(forest.toy("a"), Child("slow", Slow, start_timeout=0.05))
    assert isinstance(caught.value.cause, TimeoutError)
    assert forest.journal.all() == [("up", "a"), ("down", "a")]


def test_a_child_may_decline_and_its_spec_is_kept(forest):
    forest.starts["b"] = [Ignore]
    root = forest.boot(*forest.toys("abc"))
    assert [(i.id, i.state) for i in root.supervisor().which_children()] == [
        ("a", "running"),
        ("b", "not_running"),
        ("c", "running"),
    ]
    assert root.supervisor().restart_child("b").ask("hello") == "hello"


def test_a_temporary_child_that_declines_leaves_no_spec(forest):
    forest.starts["b"] = [Ignore]
    root = forest.boot(forest.toy("a"), forest.toy("b", restart=Restart.TEMPORARY))
    assert [i.id for i in root.supervisor().which_children()] == ["a"]


def test_what_waits_in_the_inbox_is_handled_before_the_stop(forest):
    gate, seen = forest.gate(), []
    root = forest.boot(forest.toy("a"))
    a = root.handle("a")
    a.tell(lambda _: gate.wait(10.0))
    for number in range(100):
        a.tell(lambda _, n=number: seen.append(n))
    stopper = threading.Thread(target=root.stop, args=(5.0,))
    stopper.start()
    eventually(lambda: states(root)["root"] == "stopping")
    gate.set()
    stopper.join(10.0)
    assert seen == list(range(100))
    assert forest.dead.all() == []
    assert forest.journal.all() == [("up", "a"), ("down", "a")]


def test_each_child_has_its_own_time_to_stop(forest):
    gate = forest.gate()
    root = forest.boot(forest.toy("a"), forest.toy("b", shutdown=0.05), forest.toy("c"))
    root.handle("b").tell(lambda _: gate.wait(10.0))
    root.stop(5.0)
    assert forest.journal.all()[3:] == [("down", "c"), ("down", "a")]
    assert [r.context for r in forest.crashes] == ["shutdown_error"]
    assert "not stopped within 0.05 s" in forest.crashes[0].reason
    assert [z["id"] for z in root.zombies()] == ["b"]


def test_kill_abandons_at_once_and_what_waits_is_dead_lettered(forest):
    gate = forest.gate()
    root = forest.boot(forest.toy("a", shutdown="kill"))
    a = root.handle("a")
    started = threading.Event()
    a.tell(lambda _: (started.set(), gate.wait(10.0)))
    assert started.wait(10.0)
    a.tell("waits")
    root.stop(5.0)
    assert [entry for entry in forest.dead.all() if entry[1] == "waits"] == [("a", "waits", "killed")]
    assert forest.journal.all() == [("up", "a")]


def test_an_idle_child_that_is_killed_is_no_zombie(forest):
    root = forest.boot(forest.toy("a", shutdown="kill"))
    root.stop(5.0)
    assert root.zombies() == []


def test_dynamic_children_stop_together_under_one_timer(forest):
    entered = threading.Barrier(3, timeout=10.0)

    class Waits(Toy):
        def on_stop(self):
            entered.wait()  # opens only when all three stop at the same time

    template = Child("w", Waits, args=(forest.journal,), shutdown=10.0)
    root = forest.grow(supervisor("root", dynamic("d", template)))
    for _ in range(3):
        root.supervisor("d").start_child()
    assert root.stop(9.0)
    assert not entered.broken


def test_a_supervisor_waits_without_limit_unless_told(forest):
    spec = supervisor("s", forest.toy("a"))
    assert spec.shutdown == math.inf
    assert spec.start_timeout == math.inf


def test_a_supervisor_past_its_own_limit_takes_its_children_along(forest):
    gate = forest.gate()
    root = forest.boot(supervisor("s", forest.toy("a", shutdown=9.0), forest.toy("b"), shutdown=0.1))
    root.handle("a").tell(lambda _: gate.wait(10.0))
    assert root.stop(5.0)
    assert {z["id"] for z in root.zombies()} <= {"a", "s"}
    assert root.names.bound() == []


def test_stop_interrupts_a_start_that_hangs(forest):
    gate = forest.gate()
    forest.starts["b"] = [None]

    class Slow(Toy):
        def on_start(self):
            if self.incarnation > 1:
                self.journal.add("starting", self.id)
                gate.wait(10.0)

    root = forest.boot(Child("b", Slow, args=(forest.journal,), shutdown=0.05, start_timeout=60.0))
    root.handle("b").tell(boom)
    forest.journal.until_has(("starting", "b"))
    assert root.stop(5.0)


def test_stopping_twice_is_harmless(forest):
    root = forest.boot(*forest.toys("ab"))
    assert root.stop(5.0)
    assert root.stop(5.0)
    assert root.wait(0.0)
    assert not root.handle("a").tell("late")


def test_a_tree_needs_a_supervisor_at_its_top(forest):
    with pytest.raises(SpecError, match="supervisor"):
        boot(forest.toy("a"))


def test_two_trees_in_one_process_do_not_know_each_other(forest):
    first, second = forest.boot(forest.toy("a")), forest.boot(forest.toy("a"))
    first.handle("a").ask(lambda actor: actor.seen.append("first"))
    assert second.handle("a").ask(lambda actor: list(actor.seen)) == []
    first.stop(5.0)
    assert second.handle("a").ask("still here") == "still here"
    with pytest.raises(ActorDeadError):
        first.handle("a").ask("gone")


def test_a_thousand_children_start_and_stop(forest):
    root = forest.grow(supervisor("root", dynamic("d", forest.toy("w"))))
    sup = root.supervisor("d")
    for _ in range(1000):
        sup.start_child()
    assert sup.count_children() == {"specs": 1000, "active": 1000, "supervisors": 0, "workers": 1000}
    assert settled(root, ["w-1", "w-1000"])
    assert root.stop(30.0)
    assert len([e for e in forest.journal.all() if e[0] == "down"]) == 1000


def test_an_inbox_too_deep_to_be_handled_in_time_is_left_for_an_orderly_goodbye(forest):
    root = forest.boot(forest.toy("a", shutdown=0.5))
    a, pause = root.handle("a"), threading.Event()
    for _ in range(300):
        a.tell(lambda _: pause.wait(0.01))
    assert root.stop(5.0)
    assert forest.journal.all() == [("up", "a"), ("down", "a")]
    assert root.zombies() == []
    assert forest.crashes == []
    assert {reason for _, _, reason in forest.dead.all()} == {"stopped"}
    assert 100 < len(forest.dead.all()) < 290


@pytest.mark.parametrize("limit", [0.0, math.inf])
def test_a_shutdown_of_zero_or_without_limit_works(forest, limit):
    root = forest.boot(forest.toy("a", shutdown=limit), forest.toy("b"))
    assert root.stop(5.0)
    assert ("down", "b") in forest.journal.all()
