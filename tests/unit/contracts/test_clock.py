"""One clock: the same answer at any call depth, frozen or not."""

import datetime as dt
import queue
import threading

from freezegun import freeze_time

from foldward.contracts import clock


def test_now_follows_a_frozen_clock_also_in_another_thread() -> None:
    answers: queue.Queue[float] = queue.Queue()
    with freeze_time("2026-01-01T00:00:00Z") as frozen:
        before = clock.now()
        frozen.tick(30)
        thread = threading.Thread(target=lambda: answers.put(clock.now()))
        thread.start()
        thread.join()
        assert before == 1767225600.0
        assert answers.get() == 1767225630.0
        assert clock.utc_us() == 1767225630_000_000
        assert clock.utcnow() == dt.datetime(2026, 1, 1, 0, 0, 30, tzinfo=dt.UTC)
        assert clock.frozen()
    assert not clock.frozen()


def test_now_never_goes_back_when_not_frozen() -> None:
    readings = [clock.now() for _ in range(100)]
    assert readings == sorted(readings)


def test_what_real_threads_take_is_not_frozen() -> None:
    before = clock.real()
    with freeze_time("2026-01-01T00:00:00Z") as frozen:
        frozen.tick(3600)
        seconds = clock.real_clock()
        readings = [before, clock.real(), seconds(), clock.real()]
    assert readings == sorted(readings)
    assert readings[-1] - before < 600.0


def test_times_are_written_with_milliseconds_and_z() -> None:
    assert clock.iso_ms(1767225600_123_456) == "2026-01-01T00:00:00.123Z"
    assert clock.iso_ms(-1) == "1969-12-31T23:59:59.999Z"
    assert clock.iso_s(1767225600) == "2026-01-01T00:00:00Z"
