"""Names as peers spell them."""

from __future__ import annotations

import pytest

from foldward.wire import strip_suffix, with_suffix
from foldward.wire.peek import peek_name, peek_request_id


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("a-OOS", "a"),
        ("a_IS", "a"),
        ("a_OOS", "a"),
        ("a-RR", "a"),
        ("a-QUAL", "a"),
        ("a_P1", "a"),
        ("a-oos", "a-oos"),
        ("a-OOS-b", "a-OOS-b"),
        ("a_P12", "a_P12"),
        ("a_IS-OOS", "a_IS"),
        ("-OOS", "-OOS"),
        ("", ""),
    ],
)
def test_one_suffix_is_stripped_and_only_at_the_end(sent, name):
    assert strip_suffix(sent) == name


def test_a_suffix_says_what_the_run_is_for():
    assert with_suffix("a", "oos") == "a-OOS"
    assert with_suffix("a", "wfv", "IS") == "a_IS"
    assert with_suffix("a", "wfv", "OOS") == "a_OOS"
    assert with_suffix("a", "backtest") == "a"
    with pytest.raises(ValueError, match="neither 'IS' nor 'OOS'"):
        with_suffix("a", "wfv", "both")


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"request_id": "r-1", broken', "r-1"),
        (b'((request_id . "r-2")(broken', "r-2"),
        (b'((:REQUEST-ID "r-3")', "r-3"),
        (b"\xff\xfe", None),
        (b'{"request_id":""}', None),
    ],
)
def test_an_id_is_found_in_bytes_that_are_no_message(raw, found):
    assert peek_request_id(raw) == found


def test_a_name_is_found_in_bytes_that_are_no_message():
    assert peek_name(b'{"strategy":{"name":"abc"') == "abc"
    assert peek_name(b'((strategy . ((name . "abc")') == "abc"
    assert peek_name(b"") is None
