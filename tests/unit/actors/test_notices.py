"""Notifications: de-duplicated, paced, limited, split, retried, masked."""

from actors._notices import ATTEMPTS, LIMIT, MAX_WAITING, Notices, split
from foldward.contracts.messages import Notify


def notify(key="k", title="title", body="body"):
    return Notify(key=key, title=title, body=body)


def sent(notices, now, error=None):
    notice = notices.next(now)
    if notice is not None:
        notices.done(error, now)
    return notice


def test_one_notice_at_a_time_and_none_before_the_last_is_done():
    notices = Notices(0.0)
    notices.offer(notify("a"), 0.0)
    notices.offer(notify("b"), 0.0)
    assert notices.next(0.0).key == "a"
    assert notices.next(10.0) is None
    notices.done(None, 10.0)
    assert notices.next(10.0).key == "b"


def test_the_shortest_interval_between_two_is_kept():
    notices = Notices(5.0)
    notices.offer(notify("a"), 0.0)
    notices.offer(notify("b"), 0.0)
    assert sent(notices, 0.0).key == "a"
    assert sent(notices, 4.9) is None
    assert notices.wait_s(4.0) == 1.0
    assert sent(notices, 5.0).key == "b"


def test_equal_keys_are_one_notice_whose_successor_counts_them():
    notices = Notices(0.0)
    for second in range(4):
        notices.offer(notify("a"), float(second))
    assert sent(notices, 4.0).body == "body"
    assert sent(notices, 5.0) is None
    assert notices.suppressed == 3
    notices.offer(notify("a"), 301.0)
    assert sent(notices, 301.0).body == "body\n(3 more like this since the last)"


def test_no_more_than_the_limit_leave_in_ten_minutes():
    notices = Notices(0.0)
    for number in range(LIMIT + 1):
        notices.offer(notify(str(number)), 0.0)
    assert sum(sent(notices, 1.0) is not None for _ in range(LIMIT + 1)) == LIMIT
    assert sent(notices, 600.9) is None
    assert sent(notices, 601.0) is not None


def test_a_failure_is_tried_again_with_growing_waits_then_counted():
    notices = Notices(0.0)
    notices.offer(notify(), 0.0)
    now, waits = 0.0, []
    for _ in range(ATTEMPTS):
        assert sent(notices, now, error="503 token=abc") is not None
        wait = notices.wait_s(now)
        waits.append(wait)
        now += wait if wait != float("inf") else 0.0
    assert waits == [2.0, 10.0, 60.0, float("inf")]
    assert (notices.sent, notices.failed, notices.retries) == (0, 1, 3)
    assert notices.last_error == "503 token=***"


def test_a_notice_that_waits_for_its_retry_holds_up_nobody():
    notices = Notices(0.0)
    notices.offer(notify("a"), 0.0)
    notices.offer(notify("b"), 0.0)
    assert sent(notices, 0.0, error="down").key == "a"
    assert sent(notices, 0.0).key == "b"


def test_secrets_are_masked():
    notices = Notices(0.0)
    notices.offer(notify(title="password=abc", body="https://u:p@host/x"), 0.0)
    notice = sent(notices, 0.0)
    assert (notice.title, notice.body) == ("password=***", "https://***@host/x")


def test_a_flood_is_dropped_and_counted_not_remembered():
    notices = Notices(0.0)
    for number in range(MAX_WAITING + 7):
        notices.offer(notify(str(number)), 0.0)
    assert notices.dropped == 7
    assert notices.figures()["waiting"] == MAX_WAITING


def test_a_clock_that_is_set_back_holds_nothing_up():
    notices = Notices(5.0)
    notices.offer(notify("a"), 1000.0)
    assert sent(notices, 1000.0) is not None
    notices.offer(notify("b"), 10.0)
    assert sent(notices, 10.0) is not None


def test_a_long_body_is_split_at_line_ends_and_nothing_is_lost():
    text = "\n".join(f"line {number:03d}" for number in range(100))
    pieces = split(text, 200, 50)
    assert max(map(len, pieces)) <= 200
    assert "\n".join(pieces) == text


def test_what_is_beyond_the_last_part_is_named():
    pieces = split("x" * 1_000, 100, 3)
    assert [len(piece) for piece in pieces[:2]] == [100, 100]
    assert "more characters, see the log" in pieces[2]
    assert len(pieces[2]) <= 100


def test_the_parts_of_one_notice_are_numbered():
    notices = Notices(0.0)
    notices.offer(notify(body="x" * 3_000), 0.0)
    assert [sent(notices, 0.0).title for _ in range(2)] == ["title (1/2)", "title (2/2)"]
