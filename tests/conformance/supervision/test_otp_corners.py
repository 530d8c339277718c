"""Corners of OTP's supervisor documentation that are easy to forget."""

import pytest
from toys import Toy, boom, crash, eventually, leave, settled

from supervision import (
    AutoShutdown,
    Backoff,
    Child,
    NotFound,
    Restart,
    Running,
    Strategy,
    dynamic,
    supervisor,
)

SLOW = Backoff(first=30.0, jitter=0.0)


def ended(forest, id):
    """Wait until the supervisor has noted an end of that child."""
    forest.events.until_has(("child_terminated", id))


def test_an_intensity_of_zero_forgives_no_crash_but_any_call_by_hand(forest):
    root = forest.boot(*forest.toys("ab"), intensity=0)
    sup = root.supervisor()
    sup.cycle_child("a")
    sup.terminate_child("a")
    sup.restart_child("a")
    assert root.alive
    root.handle("a").tell(boom)
    assert root.wait(5.0)
    assert "more than 0 restarts" in root.gave_up


def test_restart_child_refuses_a_running_temporary_and_knows_no_ended_one(forest):
    root = forest.boot(forest.toy("t", restart=Restart.TEMPORARY))
    sup = root.supervisor()
    with pytest.raises(Running):
        sup.restart_child("t")
    root.handle("t").tell(boom)
    ended(forest, "t")
    for call in (sup.restart_child, sup.delete_child, sup.terminate_child, sup.get_spec):
        with pytest.raises(NotFound):
            call("t")


def test_a_child_between_two_lives_is_a_spec_but_not_active(forest):
    root = forest.boot(forest.toy("a", backoff=SLOW), forest.toy("b"))
    crash(root, "a")
    counts = root.supervisor().count_children()
    assert counts == {"specs": 2, "active": 1, "supervisors": 0, "workers": 2}
    assert [(i.id, i.state, i.ref is None) for i in root.supervisor().which_children()] == [
        ("a", "restarting", True),
        ("b", "running", False),
    ]


def test_an_automatic_shutdown_stops_the_others_in_reverse_and_the_parent_judges_by_its_own_table(forest):
    def below(restart):
        return supervisor(
            "s",
            *forest.toys("ab"),
            forest.toy("sig", restart=Restart.TRANSIENT, significant=True),
            forest.toy("c"),
            auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
            restart=restart,
        )

    for restart, back in ((Restart.PERMANENT, True), (Restart.TRANSIENT, False), (Restart.TEMPORARY, False)):
        forest.journal.clear()
        root = forest.boot(below(restart), forest.toy("z"), intensity=5)
        root.handle("sig").tell(leave)
        downs = ["sig", "c", "b", "a"]
        forest.journal.until(lambda seen, n=downs: [id for what, id in seen if what == "down"][:4] == n)
        if back:
            assert eventually(lambda r=root: r.names.incarnation("s") == 2)
            assert settled(root, ["a", "b", "sig", "c"])
        else:
            assert eventually(lambda r=root: r.supervisor().count_children()["active"] == 1)
            kept = [info.id for info in root.supervisor().which_children()]
            assert kept == (["s", "z"] if restart is Restart.TRANSIENT else ["z"])
        root.stop(5.0)


def test_a_significant_child_that_waits_for_its_restart_counts_as_active(forest):
    root = forest.boot(
        forest.toy("a", restart=Restart.TRANSIENT, significant=True, backoff=SLOW),
        forest.toy("b", restart=Restart.TRANSIENT, significant=True),
        auto_shutdown=AutoShutdown.ALL_SIGNIFICANT,
    )
    crash(root, "a")
    root.handle("b").tell(leave)
    ended(forest, "b")
    assert root.supervisor().count_children()["active"] == 0
    assert root.alive
    root.supervisor().terminate_child("a")  # by hand: no automatic shutdown either
    assert root.supervisor().count_children()["specs"] == 2
    assert root.alive


@pytest.mark.parametrize("end", [leave, boom])
def test_a_significant_temporary_shuts_down_by_any_end_of_its_own(forest, end):
    root = forest.boot(
        forest.toy("t", restart=Restart.TEMPORARY, significant=True),
        forest.toy("a"),
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    root.handle("t").tell(end)
    assert root.wait(5.0)
    assert root.gave_up is None
    assert ("down", "a") in forest.journal.all()


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_a_significant_temporary_that_goes_with_its_group_is_no_automatic_shutdown(forest, strategy):
    root = forest.boot(
        forest.toy("a"),
        forest.toy("t", restart=Restart.TEMPORARY, significant=True),
        strategy=strategy,
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    root.handle("a").tell(boom)
    assert root.handle("a").ask("x", retry=True) == "x"
    assert [info.id for info in root.supervisor().which_children()] == ["a"]
    assert root.alive


def test_a_dynamic_supervisor_behind_the_crash_comes_back_empty(forest):
    root = forest.boot(
        forest.toy("front"),
        dynamic("d", Child("w", Toy, args=(forest.journal,)), intensity=5),
        strategy=Strategy.REST_FOR_ONE,
    )
    ids = [root.supervisor("d").start_child().name for _ in range(3)]
    assert ids == ["w-1", "w-2", "w-3"]
    root.handle("front").tell(boom)
    assert eventually(lambda: root.names.incarnation("d") == 2)
    assert root.supervisor("d").which_children() == []
    assert [root.names.lookup(id) for id in ids] == [None, None, None]
    assert root.supervisor("d").start_child().ask("x") == "x"


def test_an_ended_transient_stays_a_spec_and_joins_the_next_restart_of_its_group(forest):
    root = forest.boot(
        forest.toy("a"), forest.toy("t", restart=Restart.TRANSIENT), strategy=Strategy.ONE_FOR_ALL
    )
    root.handle("t").tell(leave)
    ended(forest, "t")
    assert root.supervisor().count_children() == {"specs": 2, "active": 1, "supervisors": 0, "workers": 2}
    root.handle("a").tell(boom)
    assert root.handle("t").ask(lambda actor: actor.incarnation, retry=True) == 2
