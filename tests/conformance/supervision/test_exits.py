"""Ends of children and what follows: the table of exits, the three strategies, group restarts."""

import sys

import pytest
from toys import Boom, Toy, boom, crash, eventually, leave, leave_shutdown, settled

from supervision import AutoShutdown, Backoff, Child, Ignore, Restart, Strategy, dynamic, supervisor

ENDS = {
    "normal": leave,
    "shutdown": leave_shutdown,
    "shutdown with a term": lambda actor: actor.leave("shutdown: done for today"),
    "pykka's stop": lambda actor: actor.stop(),
    "crash": boom,
    "SystemExit": lambda _: sys.exit(1),
    "KeyboardInterrupt": lambda _: (_ for _ in ()).throw(KeyboardInterrupt()),
    "left with a reason": lambda actor: actor.leave("lost its database"),
}
NORMAL = {"normal", "shutdown", "shutdown with a term", "pykka's stop"}


@pytest.mark.parametrize("end", ENDS)
def test_a_permanent_child_is_restarted_whatever_its_end(forest, end):
    root = forest.boot(forest.toy("a"))
    root.handle("a").tell(ENDS[end])
    assert eventually(lambda: root.names.incarnation("a") == 2)
    assert root.handle("a").ask("hello") == "hello"


@pytest.mark.parametrize("end", ENDS)
def test_a_transient_child_is_restarted_only_after_an_abnormal_end(forest, end):
    root = forest.boot(forest.toy("a", restart=Restart.TRANSIENT))
    root.handle("a").tell(ENDS[end])
    forest.events.until_has(("child_terminated", "a"))
    if end in NORMAL:
        [info] = root.supervisor().which_children()
        assert (info.state, root.supervisor().get_spec("a").id) == ("not_running", "a")
    else:
        assert eventually(lambda: root.names.incarnation("a") == 2)


@pytest.mark.parametrize("end", ENDS)
def test_a_temporary_child_is_never_restarted_and_loses_its_spec(forest, end):
    root = forest.boot(forest.toy("a", restart=Restart.TEMPORARY), forest.toy("b"))
    root.handle("a").tell(ENDS[end])
    forest.events.until_has(("child_terminated", "a"))
    assert [i.id for i in root.supervisor().which_children()] == ["b"]
    assert root.counters()["restarts"] == 0


def test_one_actors_system_exit_leaves_the_others_alone(forest):
    root = forest.boot(*forest.toys("ab"))
    root.handle("b").ask(lambda actor: actor.seen.append(1))
    root.handle("a").tell(lambda _: sys.exit(1))
    assert eventually(lambda: root.names.incarnation("a") == 2)
    assert root.names.incarnation("b") == 1
    assert root.handle("b").ask(lambda actor: actor.seen) == [1]


def test_an_exception_under_an_ask_goes_to_the_asker_and_the_actor_lives_on(forest):
    root = forest.boot(forest.toy("a"))
    with pytest.raises(Boom):
        root.handle("a").ask(boom)
    assert root.handle("a").ask("hello") == "hello"
    assert root.names.incarnation("a") == 1


def test_one_for_one_restarts_only_the_one(forest):
    root = forest.boot(*forest.toys("abc"))
    forest.journal.clear()
    crash(root, "b")
    forest.journal.wait(1)
    root.supervisor().which_children()
    assert forest.journal.all() == [("up", "b")]


def test_one_for_all_stops_the_others_in_reverse_and_starts_all(forest):
    root = forest.boot(*forest.toys("abc"), strategy=Strategy.ONE_FOR_ALL)
    forest.journal.clear()
    crash(root, "b")
    assert forest.journal.wait(*range(5)) == [
        ("down", "c"),
        ("down", "a"),
        ("up", "a"),
        ("up", "b"),
        ("up", "c"),
    ]


def test_rest_for_one_restarts_the_one_and_those_after_it(forest):
    root = forest.boot(*forest.toys("abcd"), strategy=Strategy.REST_FOR_ONE)
    forest.journal.clear()
    crash(root, "b")
    assert forest.journal.wait(*range(5)) == [
        ("down", "d"),
        ("down", "c"),
        ("up", "b"),
        ("up", "c"),
        ("up", "d"),
    ]
    root.supervisor().which_children()
    assert root.names.incarnation("a") == 1


@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_normal_end_that_is_not_restarted_triggers_no_strategy(forest, strategy):
    root = forest.boot(
        forest.toy("a"), forest.toy("b", restart=Restart.TRANSIENT), forest.toy("c"), strategy=strategy
    )
    root.handle("b").tell(leave)
    forest.events.until_has(("child_terminated", "b"))
    root.supervisor().which_children()
    assert forest.journal.all() == [*[("up", i) for i in "abc"], ("down", "b")]
    assert root.find("root")["budget"]["used"] == 0


def test_a_group_restart_starts_also_who_was_not_running_and_drops_temporaries(forest):
    forest.starts["declined"] = [Ignore]
    root = forest.boot(
        forest.toy("finished", restart=Restart.TRANSIENT),
        forest.toy("terminated"),
        forest.toy("declined"),
        forest.toy("temporary", restart=Restart.TEMPORARY),
        forest.toy("crashing"),
        strategy=Strategy.ONE_FOR_ALL,
    )
    root.handle("finished").tell(leave)
    forest.events.until_has(("child_terminated", "finished"))
    root.supervisor().terminate_child("terminated")
    forest.journal.clear()
    crash(root, "crashing")
    assert forest.journal.wait(*range(5)) == [
        ("down", "temporary"),
        ("up", "finished"),
        ("up", "terminated"),
        ("up", "declined"),
        ("up", "crashing"),
    ]
    assert "temporary" not in [i.id for i in root.supervisor().which_children()]


def test_a_member_that_fails_in_a_one_for_all_restart_brings_all_down_again(forest):
    root = forest.boot(*forest.toys("abc"), strategy=Strategy.ONE_FOR_ALL, intensity=5)
    forest.starts["b"] = [Boom("not yet"), None]
    forest.journal.clear()
    crash(root, "c")
    assert forest.journal.wait(*range(8)) == [
        ("down", "b"),
        ("down", "a"),
        ("up", "a"),
        ("failed start", "b"),
        ("down", "a"),
        ("up", "a"),
        ("up", "b"),
        ("up", "c"),
    ]
    assert root.find("root")["budget"]["used"] == 2


def test_a_member_that_fails_in_a_rest_for_one_restart_retries_only_the_tail(forest):
    root = forest.boot(*forest.toys("abcd"), strategy=Strategy.REST_FOR_ONE, intensity=5)
    forest.starts["c"] = [Boom("not yet"), None]
    forest.journal.clear()
    crash(root, "b")
    assert forest.journal.wait(*range(6)) == [
        ("down", "d"),
        ("down", "c"),
        ("up", "b"),
        ("failed start", "c"),
        ("up", "c"),
        ("up", "d"),
    ]
    assert root.names.incarnation("b") == 2


def test_a_crash_in_front_takes_over_a_tail_that_is_still_waiting(forest):
    root = forest.boot(
        forest.toy("a"),
        forest.toy("b"),
        forest.toy("c", backoff=Backoff(first=60.0, jitter=0.0)),
        strategy=Strategy.REST_FOR_ONE,
        intensity=5,
    )
    crash(root, "c")
    assert eventually(lambda: root.find("c")["state"] == "backoff")
    forest.journal.clear()
    crash(root, "a")
    assert forest.journal.wait(*range(4)) == [("down", "b"), ("up", "a"), ("up", "b"), ("up", "c")]


def test_a_nested_supervisor_is_restarted_with_all_its_children(forest):
    root = forest.boot(
        supervisor("s", *forest.toys("ab"), intensity=0), forest.toy("c"), intensity=1, period=60.0
    )
    forest.journal.clear()
    crash(root, "a")
    assert forest.journal.wait(*range(3)) == [("down", "b"), ("up", "a"), ("up", "b")]
    assert settled(root, ["root", "s", "a", "b", "c"])
    assert root.names.incarnation("s") == 2
    assert root.names.incarnation("c") == 1


def test_a_transient_supervisor_that_gives_up_is_not_restarted(forest):
    root = forest.boot(supervisor("s", forest.toy("a"), intensity=0, restart=Restart.TRANSIENT))
    crash(root, "a")
    forest.events.until_has(("shutdown", "-"))
    [info] = eventually(lambda: [i for i in root.supervisor().which_children() if i.state == "not_running"])
    assert info.id == "s"
    assert root.alive


def test_what_a_dynamic_supervisor_held_is_lost_when_it_is_restarted(forest):
    root = forest.grow(supervisor("root", dynamic("d", forest.toy("w"), intensity=0)))
    for _ in range(3):
        root.supervisor("d").start_child()
    root.handle("w-2").tell(boom)
    assert eventually(lambda: root.names.incarnation("d") == 2)
    assert root.supervisor("d").which_children() == []
    assert root.supervisor("d").start_child().ask("hello") == "hello"


def test_a_dynamic_child_is_restarted_and_one_that_ends_for_good_leaves_no_spec(forest):
    root = forest.grow(supervisor("root", dynamic("d", forest.toy("w", restart=Restart.TRANSIENT))))
    sup = root.supervisor("d")
    first, second = sup.start_child(), sup.start_child(id="named")
    first.tell(boom)
    assert eventually(lambda: root.names.incarnation("w-1") == 2)
    second.tell(leave)
    assert eventually(lambda: [i.id for i in sup.which_children()] == ["w-1"])


@pytest.mark.parametrize(
    ("auto", "ends", "alive"),
    [
        (AutoShutdown.ANY_SIGNIFICANT, ["plain"], True),
        (AutoShutdown.ANY_SIGNIFICANT, ["one"], False),
        (AutoShutdown.ALL_SIGNIFICANT, ["one"], True),
        (AutoShutdown.ALL_SIGNIFICANT, ["one", "two"], False),
    ],
)
def test_auto_shutdown_follows_the_significant_children(forest, auto, ends, alive):
    root = forest.boot(
        forest.toy("plain", restart=Restart.TRANSIENT),
        forest.toy("one", restart=Restart.TRANSIENT, significant=True),
        forest.toy("two", restart=Restart.TEMPORARY, significant=True),
        auto_shutdown=auto,
    )
    for id in ends:
        root.handle(id).tell(leave)
        forest.events.until_has(("child_terminated", id))
    if alive:
        root.supervisor().which_children()
        assert root.alive
    else:
        assert root.wait(10.0)
        assert root.gave_up is None


def test_a_crash_that_is_restarted_and_a_termination_are_no_auto_shutdown(forest):
    root = forest.boot(
        forest.toy("one", restart=Restart.TRANSIENT, significant=True),
        forest.toy("two", restart=Restart.TRANSIENT, significant=True),
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    crash(root, "one")
    assert eventually(lambda: root.names.incarnation("one") == 2)
    root.supervisor().terminate_child("two")
    assert root.supervisor().count_children()["active"] == 1


def test_a_crash_in_on_stop_is_reported_but_does_not_stop_the_stop(forest):
    class Rude(Toy):
        def on_stop(self):
            raise Boom("in on_stop")

    root = forest.boot(forest.toy("a"), Child("b", Rude, args=(forest.journal,)))
    assert root.stop(5.0)
    assert forest.journal.all() == [("up", "a"), ("up", "b"), ("down", "a")]
    assert [(r.context, r.reason) for r in forest.crashes] == [
        ("shutdown_error", "on_stop: Boom: in on_stop")
    ]


def test_incarnations_only_grow_also_when_the_supervisor_restarts(forest):
    root = forest.boot(supervisor("s", forest.toy("a"), intensity=0), intensity=5)
    seen = [root.names.incarnation("a")]
    for _ in range(3):
        crash(root, "a")
        eventually(lambda: (root.names.incarnation("a") or 0) > seen[-1])
        seen.append(root.names.incarnation("a"))
    assert seen == [1, 2, 3, 4]
