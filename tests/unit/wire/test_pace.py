"""How fast a link may read while junk comes. Fifty junk messages a second are allowed here, ten at once."""

from foldward.wire.links._pace import AHEAD, CHUNK, Pace


def read(pace: Pace, count: int, junk: int | None = None) -> None:
    """Hand over, and let the receiver work off, so many messages."""
    for _ in range(count):
        pace.told()
    if junk is not None:
        pace.worked_off(count, junk)


def test_whoever_never_reports_is_never_waited_for() -> None:
    pace = Pace(50.0)
    read(pace, 10_000)
    assert pace.room(0.0) == AHEAD


def test_a_link_reads_at_most_so_far_ahead_of_its_receiver() -> None:
    pace = Pace(50.0)
    read(pace, 1, junk=0)
    assert pace.room(0.0) == 256
    read(pace, 256)
    assert pace.room(0.0) == 0
    assert pace.worked_off(6, 0)  # the port may wait for it
    assert pace.room(0.0) == 6


def test_good_messages_are_never_held_back() -> None:
    pace = Pace(50.0)
    for _ in range(100):
        read(pace, 200, junk=0)
        assert pace.room(0.0) == AHEAD
    assert pace.held_back == 0


def test_junk_is_read_at_its_rate_and_no_faster() -> None:
    pace = Pace(50.0)
    junk = 0
    for step in range(1001):  # ten seconds
        room = pace.room(step / 100)
        read(pace, room, junk=room)
        junk += room
    assert 0 <= junk - AHEAD <= 10 * 50  # what was read before anyone knew, then fifty a second
    assert pace.held_back > 0


def test_what_was_read_in_ignorance_is_not_made_up_for_by_a_pause() -> None:
    pace = Pace(50.0)
    read(pace, 256, junk=256)
    assert pace.room(0.0) == 0
    assert pace.wait_s() == 0.02
    assert pace.room(0.02) == 1


def test_junk_is_judged_before_more_is_read() -> None:
    pace = Pace(100.0)  # twenty at once
    read(pace, 11, junk=11)
    assert pace.room(0.0) == CHUNK
    read(pace, CHUNK)
    assert pace.room(0.0) == 0
    pace.worked_off(CHUNK, CHUNK)
    assert pace.room(0.0) == 1


def test_good_messages_among_junk_cost_nothing() -> None:
    pace = Pace(100.0)
    read(pace, 11, junk=11)
    for _ in range(1000):
        assert pace.room(0.0) == CHUNK
        read(pace, CHUNK, junk=0)


def test_a_link_that_was_flooded_reads_freely_again_two_seconds_after_the_last_junk() -> None:
    pace = Pace(50.0)
    read(pace, 20, junk=20)
    assert pace.room(10.0) == 0
    assert pace.held_back == 1
    assert pace.room(11.9) == CHUNK  # a flood in bursts gains nothing by its pauses
    assert pace.room(12.0) == AHEAD
    assert pace.held_back == 0


def test_the_limit_can_be_switched_off() -> None:
    pace = Pace(0.0)
    read(pace, 10_000, junk=10_000)
    assert pace.room(0.0) == AHEAD


def test_a_clock_that_is_set_back_neither_fills_nor_empties() -> None:
    pace = Pace(50.0)
    read(pace, 20, junk=20)
    assert pace.room(1000.0) == 0
    assert pace.room(999.5) == 0
    assert pace.room(999.55) == 2
