"""How fast a link may read while junk comes. Where a hundred junk messages a second are allowed, ten may come
at once: five whenever they come, five more only while an answer is expected."""

import pytest

from foldward.wire.links._pace import AHEAD, BATCH, CHUNK, EXPECT_S, FIRST, GAP_S, QUIET_S, SIP, Pace


def read(pace: Pace, count: int, junk: int | None = None) -> None:
    """Hand over, and let the receiver work off, so many messages."""
    for _ in range(count):
        pace.told()
    if junk is not None:
        pace.worked_off(count, junk)


def trusted(junk_per_s: float) -> Pace:
    """A link that has read good messages only, and so as far ahead as any may."""
    pace = Pace(junk_per_s)
    for count in (8, 16, 32, 64):
        read(pace, count, junk=0)
        pace.room(0.0)
    return pace


def read_in_ten_seconds(pace: Pace, bulk: int = 0) -> int:
    """How much of a flood without end is read; as so many more each message counts."""
    pace.worked_off(0, 0)
    now, junk = 100.0, 0
    while now < 110.0:
        room = pace.room(now)
        read(pace, room)
        junk += room
        if room:
            assert pace.room(now) == 0
        rest_s = max(0.000_01, min(0.25, pace.wait_s()))
        now += 0.0005 if pace.worked_off(room, room, bulk * room) else rest_s
    return junk


def test_whoever_never_reports_is_never_waited_for() -> None:
    pace = Pace(50.0)
    read(pace, 10_000)
    assert pace.room(0.0) == FIRST


def test_one_who_will_report_is_waited_for_from_the_first_message_on() -> None:
    pace = Pace(50.0)
    assert not pace.worked_off(0, 0)
    read(pace, FIRST)
    assert pace.room(0.0) == 0


def test_what_an_earlier_link_handed_over_does_not_close_this_one() -> None:
    pace = Pace(100.0)
    pace.worked_off(20, 20)
    assert pace.room(0.0) == 0
    assert pace.room(0.2) == 5
    read(pace, 5)
    assert pace.room(0.2) == 0
    pace.worked_off(5, 5)
    assert pace.room(0.21) == 0
    assert pace.room(0.25) == 5


@pytest.mark.parametrize("per_s", [1, 2, 5, 80, 500, 5000])
def test_a_flood_without_end_is_read_at_that_rate(per_s: int) -> None:
    junk = read_in_ten_seconds(Pace(float(per_s)))
    assert 9 * per_s - 8 < junk <= 10 * per_s + max(FIRST, per_s / 10)


def test_large_junk_counts_as_much_as_it_weighs() -> None:
    junk = read_in_ten_seconds(Pace(500.0), bulk=15)  # of a megabyte each
    assert 270 < junk < 340  # 5,000 of a few bytes


def test_what_was_large_and_read_unawares_is_made_up_for_by_two_seconds_at_most() -> None:
    pace = Pace(500.0)
    pace.sent(1, 100.0)
    assert pace.room(100.0) == FIRST
    read(pace, FIRST)
    pace.worked_off(FIRST, FIRST, 100 * 128)
    assert pace.room(100.0) == 0
    pace.sent(1, 101.9)
    assert pace.room(101.9) == 0
    assert pace.room(102.01) == SIP


def test_how_far_a_link_reads_ahead_is_doubled_when_half_of_it_is_needed() -> None:
    pace = Pace(50.0)
    assert pace.room(0.0) == FIRST == 16
    rooms = []
    for count in (7, 8, 15, 16, 32, 64, 128):
        read(pace, count, junk=0)
        rooms.append(pace.room(0.0))
    assert rooms == [16, 32, 32, 64, 128, 256, 256]
    assert AHEAD == 256


def test_a_port_that_may_read_no_further_is_woken_when_half_of_it_is_worked_off() -> None:
    pace = Pace(50.0)
    read(pace, 1, junk=0)
    assert pace.room(0.0) == 16
    read(pace, 16)
    assert pace.room(0.0) == 0
    assert pace.worked_off(8, 0)
    assert pace.room(0.0) == 24  # of 32


def test_junk_takes_it_back_to_what_was_good_of_it_before_it_is_too_much() -> None:
    pace = trusted(500.0)
    read(pace, 30, junk=10)
    assert pace.room(0.0) == 20
    read(pace, 10, junk=10)
    assert pace.room(0.0) == CHUNK == 8
    assert pace.held_back == 0


def test_a_link_reads_at_most_so_far_ahead_of_its_receiver() -> None:
    pace = trusted(50.0)
    assert pace.room(0.0) == 256
    read(pace, 256)
    assert pace.room(0.0) == 0
    assert pace.worked_off(6, 0)  # the port may wait for it
    assert pace.room(0.0) == 6


def test_good_messages_are_never_held_back() -> None:
    pace = trusted(50.0)
    for _ in range(100):
        read(pace, 200, junk=0)
        assert pace.room(0.0) == AHEAD
    assert pace.held_back == 0


def test_junk_is_read_at_its_rate_and_no_faster() -> None:
    pace = Pace(100.0)
    junk = 0
    for step in range(1001):  # ten seconds
        room = pace.room(step / 100)
        read(pace, room, junk=room)
        junk += room
    assert 750 < junk - FIRST <= 10 * 100  # what was read before anyone knew, then a hundred a second
    assert pace.held_back > 0


def test_what_was_read_in_ignorance_is_not_made_up_for_by_a_pause() -> None:
    pace = Pace(50.0)
    read(pace, 256, junk=256)
    pace.sent(1, 0.0)
    assert pace.room(0.0) == 0
    assert pace.wait_s() == 0.02
    assert pace.room(0.02) == 1


def test_junk_is_judged_before_more_is_read() -> None:
    pace = Pace(200.0)  # twenty at once
    read(pace, 11, junk=11)
    assert pace.room(0.0) == 0
    pace.sent(1, 0.0)
    assert pace.room(0.01) == SIP == 2
    read(pace, SIP)
    assert pace.room(0.02) == 0
    pace.worked_off(SIP, SIP)
    assert pace.room(0.03) == SIP


def test_between_two_sips_there_is_a_gap_and_the_first_comes_that_long_after_the_request() -> None:
    pace = Pace(200.0)
    read(pace, 11, junk=11)
    assert pace.room(0.5) == 0  # they were seen now
    pace.sent(1, 1.0)
    assert pace.room(1.0) == 0
    assert pace.wait_s() == GAP_S == 0.0005
    assert pace.room(1.001) == SIP
    read(pace, SIP, junk=SIP)
    assert pace.room(1.0012) == 0
    pace.sent(1, 1.0015)  # requests that follow upon each other do not put it off
    assert pace.room(1.002) == SIP


def test_half_of_what_may_come_at_once_is_kept_for_when_an_answer_is_expected() -> None:
    pace = Pace(100.0)
    read(pace, 6, junk=6)  # four of ten are left
    assert pace.room(0.0) == 0
    assert pace.wait_s() == 0.06  # until there are the five that are kept and a batch of five
    pace.sent(1, 0.0)
    assert pace.room(0.001) == SIP
    read(pace, 2, junk=1)  # the answer came, and allows one more
    assert pace.room(0.001) == 0
    assert pace.wait_s() == pytest.approx(0.059)


def test_an_answer_that_does_not_come_is_waited_for_so_eagerly_for_a_second() -> None:
    pace = Pace(40.0)  # eight at once, four of them for answers
    read(pace, 8, junk=8)
    pace.sent(1, 0.0)
    assert pace.room(0.0) == 0
    for second in (0.25, 0.5, 0.75):
        assert pace.room(second) == SIP
        read(pace, 10, junk=10)
        assert pace.room(second) == 0
        assert pace.wait_s() == 0.025
    assert EXPECT_S == 1.0
    assert pace.room(1.0) == 4  # a batch
    read(pace, 10, junk=10)
    assert pace.room(1.0) == 0
    assert pace.wait_s() == 0.2  # the four that are kept, and four


def test_while_no_answer_is_expected_junk_is_read_in_batches() -> None:
    pace = Pace(500.0)  # fifty at once, twenty-five of them for answers
    read(pace, 35, junk=35)
    assert pace.room(0.0) == 0
    assert pace.wait_s() == 0.04  # there are fifteen, there must be thirty-five
    assert pace.room(0.04) == BATCH == 10
    read(pace, 10)
    assert pace.room(0.041) == 0  # handed over, and not judged
    assert not pace.worked_off(10, 10)  # nothing that the port need be woken for
    assert pace.room(0.059) == 0
    assert pace.room(0.06) == 10


def test_a_batch_waits_until_an_answer_is_stored_unless_it_has_waited_for_long() -> None:
    pace = Pace(500.0)
    read(pace, 36, junk=36)
    pace.room(0.0)
    pace.sent(1, 0.0)
    read(pace, 1, junk=0)  # answered
    assert pace.room(0.04) == 0
    assert pace.wait_s() == QUIET_S == 0.002
    assert pace.room(0.042) == 10
    pace.sent(1, 0.06)
    read(pace, 1, junk=0)
    assert pace.room(0.06) == 10  # twenty by now


def test_the_port_is_woken_by_an_answer_among_junk_and_by_junk_before_an_answer() -> None:
    pace = Pace(500.0)
    read(pace, 100, junk=100)
    pace.room(0.0)
    read(pace, 2)
    assert pace.worked_off(2, 1)
    pace.sent(1, 0.0)
    read(pace, 2)
    assert pace.worked_off(2, 2)


def test_every_good_message_allows_one_more_that_is_junk() -> None:
    pace = Pace(50.0)
    read(pace, 256, junk=256)
    assert pace.room(0.0) == 0
    junk = 0
    for _ in range(1000):  # no time passes: turn and turn about, as ZMQ reads two connections
        pace.sent(1, 0.0)
        read(pace, 1, junk=0)
        pace.sent(1, 0.0)
        room = pace.room(0.0)
        read(pace, room, junk=room)
        junk += room
    assert junk == 1000


def test_good_messages_among_junk_cost_nothing() -> None:
    pace = Pace(200.0)
    read(pace, 12, junk=12)
    assert pace.room(0.0) == 0
    pace.sent(800, 0.0)
    rooms = []
    for _ in range(100):
        rooms.append(pace.room(0.001))
        read(pace, rooms[-1], junk=0)
    assert rooms == [2, 4] + 98 * [CHUNK]


def test_a_link_that_was_flooded_reads_freely_again_two_seconds_after_the_last_junk() -> None:
    pace = Pace(100.0)
    read(pace, 20, junk=20)
    assert pace.room(10.0) == 0
    assert pace.held_back == 1
    assert pace.room(11.9) == 5  # a flood in bursts gains nothing by its pauses
    assert pace.room(12.0) == FIRST
    assert pace.held_back == 0


def test_the_limit_can_be_switched_off() -> None:
    pace = Pace(0.0)
    read(pace, 10_000, junk=10_000)
    assert pace.room(0.0) == AHEAD


def test_a_clock_that_is_set_back_neither_fills_nor_empties() -> None:
    pace = Pace(50.0)
    read(pace, 20, junk=20)
    assert pace.room(1000.0) == 0
    pace.sent(1, 999.4)
    assert pace.room(999.5) == 0
    assert pace.room(999.51) == 0
    assert pace.room(999.55) == SIP


def answers(flooding: int, seconds: int = 3) -> float:
    """Answers a second of a busy peer among so many connections that always have junk waiting."""
    pace = Pace(500.0)
    turn = good = 0
    for step in range(seconds * 1000):
        now = step / 1000
        pace.sent(10, now)
        for _ in range(20):  # what a receiver works off in a millisecond
            junk = 0
            room = pace.room(now)
            for _ in range(room):
                turn = (turn + 1) % (flooding + 1)
                junk += turn > 0
            read(pace, room, junk=junk)
            good += room - junk
    return good / seconds


def test_a_busy_peer_among_flooding_neighbours_is_heard_that_often() -> None:
    assert answers(flooding=1) > 5000
    assert 250 < answers(flooding=3) < 300
    assert 60 < answers(flooding=9) < 80
