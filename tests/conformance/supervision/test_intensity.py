"""The restart budget: what counts, the edge of the window, giving up, backoff."""

import datetime as dt

import pytest
from freezegun import freeze_time
from toys import PATIENCE, Boom, boom, crash, eventually, leave, settled, states

from supervision import Backoff, Restart, StartFailed, Strategy, supervisor


def test_as_many_crashes_as_the_intensity_are_forgiven_and_one_more_is_not(forest):
    root = forest.boot(forest.toy("a"), forest.toy("b"), intensity=2, period=60.0)
    crash(root, "a")
    assert eventually(lambda: root.names.incarnation("a") == 2)
    crash(root, "b")
    assert eventually(lambda: root.names.incarnation("b") == 2)
    assert root.find("root")["budget"] == {"max": 2, "period_s": 60.0, "used": 2}
    root.handle("a").tell(boom)
    assert root.wait(PATIENCE)
    assert "more than 2 restarts in 60 s" in root.gave_up
    assert root.names.incarnation("b") is None


def test_giving_up_stops_the_others_in_reverse_and_is_reported(forest):
    root = forest.boot(*forest.toys("abc"), intensity=0)
    forest.journal.clear()
    root.handle("b").tell(boom)
    assert root.wait(PATIENCE)
    root.stop(5.0)
    assert forest.journal.all() == [("down", "c"), ("down", "a")]
    assert ("budget_spent", "-") in forest.events.all()
    assert [r.context for r in forest.crashes] == ["child_terminated", "shutdown"]


def test_a_group_restart_counts_once(forest):
    root = forest.boot(*forest.toys("abcd"), strategy=Strategy.ONE_FOR_ALL, intensity=1)
    crash(root, "a")
    assert settled(root, "abcd")
    assert root.find("root")["budget"]["used"] == 1


def test_the_edge_of_the_window_is_inside(forest):
    with freeze_time("2026-01-01 00:00:00") as frozen:
        root = forest.boot(forest.toy("a"), intensity=1, period=10.0)
        crash(root, "a")
        assert eventually(lambda: root.names.incarnation("a") == 2)
        frozen.tick(dt.timedelta(seconds=10))
        root.handle("a").tell(boom)
        assert root.wait(PATIENCE)
        assert root.gave_up


def test_a_crash_just_after_the_window_is_forgiven(forest):
    with freeze_time("2026-01-01 00:00:00") as frozen:
        root = forest.boot(forest.toy("a"), intensity=1, period=10.0)
        crash(root, "a")
        assert eventually(lambda: root.names.incarnation("a") == 2)
        frozen.tick(dt.timedelta(seconds=10.001))
        root.handle("a").tell(boom)
        assert eventually(lambda: root.names.incarnation("a") == 3)
        assert root.find("root")["budget"]["used"] == 1


def test_each_failed_attempt_counts(forest):
    root = forest.boot(forest.toy("a"), intensity=3, period=60.0)
    forest.starts["a"] = [Boom("1"), Boom("2"), None]
    crash(root, "a")
    assert eventually(lambda: root.names.incarnation("a") == 4)
    assert root.find("root")["budget"]["used"] == 3
    assert root.find("a")["restarts"] == 1


def test_one_failed_attempt_too_many_gives_up(forest):
    root = forest.boot(forest.toy("a"), intensity=3, period=60.0)
    forest.starts["a"] = [Boom("1"), Boom("2"), Boom("3"), None]
    root.handle("a").tell(boom)
    assert root.wait(PATIENCE)
    assert forest.starts["a"] == [None]


def test_normal_ends_manual_restarts_and_failed_start_child_do_not_count(forest):
    root = forest.boot(forest.toy("a", restart=Restart.TRANSIENT), forest.toy("b"), intensity=0)
    sup = root.supervisor()
    root.handle("a").tell(leave)
    forest.events.until_has(("child_terminated", "a"))
    sup.restart_child("a")
    sup.terminate_child("b")
    sup.restart_child("b")
    sup.cycle_child("b")
    forest.starts["c"] = [Boom("no")]
    with pytest.raises(StartFailed):
        sup.start_child(forest.toy("c"))
    assert root.find("root")["budget"]["used"] == 0


def test_a_permanent_child_that_ends_normally_again_and_again_spends_the_budget(forest):
    root = forest.boot(forest.toy("a"), intensity=1, period=60.0)
    root.handle("a").tell(leave)
    assert eventually(lambda: root.names.incarnation("a") == 2)
    root.handle("a").tell(leave)
    assert root.wait(PATIENCE)
    assert root.gave_up


def test_the_parent_restarts_a_permanent_supervisor_and_then_gives_up_itself(forest):
    root = forest.boot(supervisor("s", forest.toy("a"), intensity=0), intensity=1, period=60.0)
    crash(root, "a")
    assert eventually(lambda: root.names.incarnation("a") == 2)
    root.handle("a").tell(boom)
    assert root.wait(PATIENCE)
    assert "the last of s" in root.gave_up


def test_backoff_delays_grow_reach_their_ceiling_and_start_afresh_after_a_good_run(forest):
    backoff = Backoff(first=1.0, ceiling=3.0, factor=2.0, jitter=0.0, reset_after=60.0)
    with freeze_time("2026-01-01 00:00:00") as frozen:
        root = forest.boot(forest.toy("a", backoff=backoff), intensity=100, period=1.0)
        delays = []
        for run, good in enumerate([False, False, False, True], 2):
            if good:
                frozen.tick(dt.timedelta(seconds=60))
            start = root.timers.armed()
            crash(root, "a")
            view = eventually(lambda: root.find("a")["state"] == "backoff" and root.find("a"))
            assert root.timers.armed() == start + 1
            now = dt.datetime.now(dt.UTC).timestamp()
            delays.append(round(view["backoff_until"] - now, 6))
            frozen.tick(dt.timedelta(seconds=delays[-1]))
            assert eventually(lambda n=run: root.names.incarnation("a") == n)
        assert delays == [1.0, 2.0, 3.0, 1.0]


def test_a_supervisor_answers_and_stops_while_a_restart_is_delayed(forest):
    backoff = Backoff(first=3600.0, ceiling=3600.0, jitter=0.0)
    root = forest.boot(forest.toy("a", backoff=backoff), forest.toy("b"))
    crash(root, "a")
    assert eventually(lambda: states(root)["a"] == "backoff")
    assert root.supervisor().count_children() == {"specs": 2, "active": 1, "supervisors": 0, "workers": 2}
    assert root.stop(5.0)
    assert forest.journal.all()[-1] == ("down", "b")


def test_a_supervisor_serves_calls_between_attempts_without_backoff(forest):
    root = forest.boot(forest.toy("a"), intensity=1_000_000, period=1.0)
    forest.starts["a"] = [Boom("again")] * 1_000_000
    root.handle("a").tell(boom)
    forest.journal.until(lambda seen: ("failed start", "a") in seen)
    root.supervisor().terminate_child("a")
    tries = len(forest.starts["a"])
    assert root.supervisor().which_children()[0].state == "not_running"
    assert len(forest.starts["a"]) == tries
    assert root.names.incarnation("a") is None
