"""How fast a link may read while junk comes. Ten junk messages a second are allowed here."""

from foldward.wire.links._pace import AHEAD, CHUNK, Pace


def read(pace: Pace, count: int) -> None:
    for _ in range(count):
        pace.told()


def test_whoever_never_reports_is_never_waited_for() -> None:
    pace = Pace(10.0)
    read(pace, 10_000)
    assert pace.room(0.0) == AHEAD


def test_a_link_reads_at_most_so_far_ahead_of_its_receiver() -> None:
    pace = Pace(10.0)
    read(pace, 1)
    pace.worked_off(1, 0)
    assert pace.room(0.0) == 256
    read(pace, 256)
    assert pace.room(0.0) == 0
    assert pace.worked_off(6, 0)  # the port may wait for it
    assert pace.room(0.0) == 6


def test_good_messages_are_never_held_back() -> None:
    pace = Pace(10.0)
    for _ in range(100):
        read(pace, 200)
        pace.worked_off(200, 0)
        assert pace.room(0.0) == AHEAD
    assert pace.held_back == 0


def test_junk_is_read_at_its_rate_and_no_faster() -> None:
    pace = Pace(10.0)
    junk = 0
    for step in range(1001):  # ten seconds
        room = pace.room(step / 100)
        read(pace, room)
        pace.worked_off(room, room)
        junk += room
    assert 0 <= junk - (AHEAD + 0) <= 10 * 10  # what was read before anyone knew, then ten a second
    assert pace.held_back > 0


def test_junk_is_judged_before_more_is_read() -> None:
    pace = Pace(100.0)
    read(pace, 60)
    pace.worked_off(60, 60)
    assert pace.room(0.0) == CHUNK
    read(pace, CHUNK)
    assert pace.room(0.0) == 0
    pace.worked_off(CHUNK, CHUNK)
    assert pace.room(0.0) == CHUNK


def test_a_link_that_was_flooded_reads_freely_again_when_the_junk_ends() -> None:
    pace = Pace(10.0)
    read(pace, 20)
    pace.worked_off(20, 20)
    assert pace.room(0.0) == 0
    assert pace.wait_s() == 1.1  # ten too many, and one whole message
    assert pace.held_back == 1
    assert pace.room(1.2) == 2
    assert pace.room(3.0) == AHEAD
    assert pace.held_back == 0


def test_the_limit_can_be_switched_off() -> None:
    pace = Pace(0.0)
    read(pace, 10_000)
    pace.worked_off(10_000, 10_000)
    assert pace.room(0.0) == AHEAD


def test_a_clock_that_is_set_back_neither_fills_nor_empties() -> None:
    pace = Pace(10.0)
    read(pace, 20)
    pace.worked_off(20, 20)
    assert pace.room(1000.0) == 0
    assert pace.room(10.0) == 0
    assert pace.room(11.25) == 2
