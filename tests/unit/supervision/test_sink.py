"""The sink: listeners in a thread of their own, counted faults, no loops, a bound; and crash reports."""

import threading

import pytest

from supervision import _sink
from supervision._latch import Latch
from supervision._sink import Sink


@pytest.fixture
def opened():
    sinks = []

    def open(*listeners):
        sinks.append(Sink(*listeners))
        return sinks[-1]

    yield open
    for sink in sinks:
        sink.close()


def test_what_is_put_arrives_in_order_in_another_thread(opened):
    got = []
    sink = opened(lambda *e: got.append((*e, threading.current_thread().name)), None, None)
    sink.event("a", {})
    sink.event("b", {"x": 1})
    assert sink.flush(5.0)
    assert got == [("a", {}, "supervision-sink"), ("b", {"x": 1}, "supervision-sink")]


def test_a_listener_that_raises_is_counted_and_the_next_is_served(opened):
    got = []

    def listener(kind, _data):
        if kind == "bad":
            raise ValueError(kind)
        got.append(kind)

    sink = opened(listener, None, None)
    sink.event("bad", {})
    sink.event("good", {})
    assert sink.flush(5.0)
    assert (got, sink.counters["listener_errors"]) == (["good"], 1)


def test_a_dead_letter_of_a_dead_letter_handler_starts_no_loop(opened):
    got = []

    def listener(name, message, reason):
        got.append(message)
        sink.dead(name, f"{message} again", reason)

    sink = opened(None, listener, None)
    sink.dead("a", "lost", "unknown")
    assert sink.flush(5.0)
    assert (got, sink.counters["dead_letters"]) == (["lost"], 2)


def test_a_listener_that_blocks_costs_memory_up_to_a_bound_only(opened, monkeypatch):
    monkeypatch.setattr(_sink, "LIMIT", 10)
    gate = threading.Event()
    sink = opened(lambda *_: gate.wait(5.0), None, None)
    for _ in range(50):
        sink.event("x", {})
    assert sink.counters["overflow"] >= 38
    gate.set()
    assert sink.flush(5.0)


def test_without_listeners_there_is_no_thread(opened):
    sink = opened(None, None, None)
    sink.event("x", {})
    sink.dead("a", "m", "r")
    assert sink.flush(0.0)
    assert sink.counters["events"] == sink.counters["dead_letters"] == 1


def test_after_close_things_are_only_counted(opened):
    got = []
    sink = opened(lambda *e: got.append(e), None, None)
    sink.event("a", {})
    sink.close()
    sink.event("b", {})
    assert (len(got), sink.counters["events"]) == (1, 2)


def test_a_latch_opens_once_for_all_who_wait():
    latch, passed = Latch(), []
    waiters = [threading.Thread(target=lambda: passed.append(latch.wait(5.0))) for _ in range(4)]
    for waiter in waiters:
        waiter.start()
    assert not latch.wait(0.001)
    latch.set()
    latch.set()
    for waiter in waiters:
        waiter.join(5.0)
    assert passed == [True] * 4
    assert latch.wait(0.0)


def test_what_is_put_quietly_waits_for_a_kick_or_a_flush_and_keeps_its_place(opened):
    got = []
    sink = opened(lambda kind, _data: got.append(kind), None, None)
    sink.event("first", {}, quiet=True)
    assert sink._thread is None  # nobody was woken for it
    sink.event("second", {})
    assert sink.flush(5.0)
    sink.event("third", {}, quiet=True)
    assert sink.flush(5.0)
    sink.event("fourth", {}, quiet=True)
    sink.close()
    assert got == ["first", "second", "third", "fourth"]


def test_what_is_for_after_a_restart_is_done_in_the_listeners_thread(opened):
    got = []
    sink = opened(None, None, None)
    sink.after_restart(lambda: got.append(threading.current_thread().name))
    sink.kick()
    assert sink.flush(5.0)
    assert got == ["supervision-sink"]


def test_a_storm_of_restarts_is_not_slowed_down_by_one_pause_for_each(opened):
    sink, pauses, done = opened(None, None, None), [], []

    class Pause:
        def wait(self, seconds):
            pauses.append(seconds)

        def set(self):
            pass

    sink._pause = Pause()
    for number in range(100):
        sink.after_restart(lambda n=number: done.append(n))
    assert sink.flush(5.0)
    assert done == list(range(100))
    assert 1 <= len(pauses) < 10


def test_what_the_listeners_did_not_hear_of_in_time_is_logged_at_the_end(opened, monkeypatch):
    hold, begun, logged = Latch(), Latch(), []
    monkeypatch.setattr(_sink.log, "warning", lambda text, *values: logged.append(text % values))
    sink = opened(lambda *_event: (begun.set(), hold.wait(5.0)), None, None)
    for _ in range(3):
        sink.event("x", {})
    assert begun.wait(5.0)
    assert not sink.close(0.01)
    assert logged == ["the listeners have not heard of 2 events and messages yet"]
    hold.set()
