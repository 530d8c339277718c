"""Retry-After as services write it."""

import pytest
from freezegun import freeze_time

from actors._heard import retry_after_s
from actors._notices import Notices
from foldward.contracts.messages import Notify


@pytest.fixture(scope="module")
def noon():
    """Freezing the clock takes 15 ms: once for all."""
    with freeze_time("2026-02-03 12:00:00"):
        yield


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("0.35", 0.35),
        ("Tue, 03 Feb 2026 12:00:30 GMT", 30.0),
        ("Tue, 03 Feb 2026 11:00:00 GMT", 0.0),
        ("999999", 3_600.0),
        ("-5", 0.0),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_seconds_fractions_and_dates_are_understood(said, seconds, noon):
    assert retry_after_s({"Retry-After": said}) == seconds


def test_without_the_header_nothing_is_asked_for():
    assert retry_after_s({}) is None


def test_a_service_that_asks_for_a_pause_holds_up_everything():
    notices = Notices(0.0, lambda: 0.5)
    notices.offer(Notify(key="a", title="a", body=""), 0.0)
    notices.offer(Notify(key="b", title="b", body=""), 0.0)
    assert notices.next(0.0).title == "a"
    notices.done("429", 0.0, wait_s=30.0)
    assert notices.next(29.9) is None
    assert notices.wait_s(10.0) == 20.0
    assert notices.next(30.0).title == "b"
    notices.done(None, 30.0)
    assert notices.next(30.0).title == "a"


def test_a_clock_that_was_set_back_ends_the_pause():
    notices = Notices(0.0, lambda: 0.5)
    notices.offer(Notify(key="a", title="a", body=""), 10_000.0)
    notices.next(10_000.0)
    notices.done("429", 10_000.0, wait_s=30.0)
    notices.offer(Notify(key="b", title="b", body=""), 0.0)
    assert notices.next(0.0).title == "b"
