"""Timers on virtual time: due order, intervals, cancelling, actors' own timers."""

import datetime as dt

import pytest
from freezegun import freeze_time
from toys import Toy, eventually

from supervision import Child, Inbox, Timers


@pytest.fixture
def timers():
    timers = Timers()
    yield timers
    timers.close()


def test_messages_come_in_the_order_they_are_due(timers):
    with freeze_time("2026-01-01") as frozen:
        inbox = Inbox()
        timers.after(20, inbox, "second")
        timers.after(10, inbox, "first")
        timers.after(30, inbox, "third")
        frozen.tick(dt.timedelta(seconds=20))
        assert [inbox.get(), inbox.get()] == ["first", "second"]
        assert timers.armed() == 1


def test_a_jump_of_the_clock_fires_without_patching(timers):
    with freeze_time("2026-01-01") as frozen:
        inbox = Inbox()
        timers.after(3600, inbox, "an hour later")
        frozen.tick(dt.timedelta(hours=1))
        assert inbox.get(1.0) == "an hour later"


def test_missed_beats_are_not_made_up_for(timers):
    with freeze_time("2026-01-01") as frozen:
        inbox = Inbox()
        timers.every(10, inbox, "beat")
        frozen.tick(dt.timedelta(seconds=35))
        assert inbox.get() == "beat"
        frozen.tick(dt.timedelta(seconds=9))
        with pytest.raises(TimeoutError):
            inbox.get(0.06)
        frozen.tick(dt.timedelta(seconds=1))
        assert inbox.get() == "beat"


def test_a_cancelled_timer_is_silent(timers):
    with freeze_time("2026-01-01") as frozen:
        inbox = Inbox()
        timers.after(10, inbox, "no").cancel()
        timers.after(10, inbox, "yes")
        frozen.tick(dt.timedelta(seconds=10))
        assert inbox.get() == "yes"
        assert inbox.take() == []


def test_a_receiver_that_raises_does_not_stop_the_others(timers, logged):
    class Angry:
        def tell(self, _message):
            raise ValueError("angry")

    inbox = Inbox()
    timers.after(0, Angry(), "x")
    timers.after(0, inbox, "fine")
    assert inbox.get() == "fine"
    assert "a timer's receiver raised" in logged.getvalue()


def test_after_close_nothing_is_armed_or_fired():
    timers, inbox = Timers(), Inbox()
    timers.after(0.02, inbox, "never")
    timers.close()
    assert timers.after(0, inbox, "never").cancelled
    with pytest.raises(TimeoutError):
        inbox.get(0.05)


def test_an_interval_must_be_positive(timers):
    with pytest.raises(ValueError, match="more than 0"):
        timers.every(0, Inbox(), "x")


def test_many_cancelled_timers_take_no_memory(timers):
    for _ in range(5000):
        timers.after(3600, Inbox(), "x").cancel()
    assert timers.size() < 200


def test_an_actors_timers_end_with_its_incarnation(forest):
    class Ticking(Toy):
        def on_start(self):
            self.every(10.0, ("tick", self.incarnation))

    with freeze_time("2026-01-01") as frozen:
        root = forest.boot(Child("a", Ticking, args=(forest.journal,)))
        root.supervisor().cycle_child("a")
        frozen.tick(dt.timedelta(seconds=10))
        eventually(lambda: root.handle("a").ask(lambda actor: list(actor.seen)) == [("tick", 2)])
        root.flush()
        assert forest.dead.all() == []


def test_a_beat_that_still_waits_is_not_doubled(forest):
    with freeze_time("2026-01-01") as frozen:
        root = forest.boot(forest.toy("a"))
        gate = forest.gate()
        root.handle("a").ask(lambda actor: bool(actor.every(10.0, "tick")))
        root.handle("a").tell(lambda _: gate.wait(10.0))
        eventually(lambda: root.find("a")["current"] == "function")
        for _ in range(3):
            frozen.tick(dt.timedelta(seconds=10))
            eventually(lambda: root.find("a")["mailbox"] == 1)
        gate.set()
        assert root.handle("a").ask(lambda actor: list(actor.seen)) == ["tick"]


def test_cancelling_takes_back_a_message_that_waits_in_the_inbox(forest):
    root = forest.boot(forest.toy("a"))
    gate, timers = forest.gate(), []

    def arm_and_wait(actor):
        timers.append(actor.after(0.0, "no"))
        gate.wait(10.0)

    root.handle("a").tell(arm_and_wait)
    eventually(lambda: timers and root.find("a")["mailbox"] == 1)
    timers[0].cancel()
    gate.set()
    assert root.handle("a").ask(lambda actor: list(actor.seen)) == []


def test_an_earlier_timer_is_not_kept_waiting_by_a_later_one(timers, monkeypatch):
    monkeypatch.setattr("supervision.timers.POLL_S", 30.0)  # as if nothing but being told made it look
    inbox = Inbox()
    timers.after(3600, inbox, "late")
    timers.after(0.01, inbox, "soon")
    assert inbox.get(5.0) == "soon"
