"""Words that an option does not know are refused with the nearest; ids may be shortened."""

import pytest

from foldward.cli._choices import full_id, one_of
from foldward.contracts.errors import ConfigError, RequestError


def test_a_known_word_is_taken_in_any_case() -> None:
    assert one_of("--verdict", "pass", ("PASS", "FAIL")) == "PASS"
    assert one_of("--verdict", None, ("PASS", "FAIL")) is None


def test_an_unknown_word_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="--status 'pendng': did you mean 'pending'"):
        one_of("--status", "pendng", ("pending", "sent"))


def test_an_unknown_word_that_resembles_nothing_gets_the_whole_list() -> None:
    with pytest.raises(ConfigError, match="known: pending, sent"):
        one_of("--status", "xyz", ("pending", "sent"))


def test_the_beginning_of_one_id_is_enough() -> None:
    assert full_id("abcd", lambda _prefix, _limit: ["abcdef"]) == "abcdef"


def test_the_beginning_of_two_ids_is_refused_with_an_example() -> None:
    with pytest.raises(RequestError, match="the beginning of 2 ids") as caught:
        full_id("abcd", lambda _prefix, _limit: ["abcdef", "abcdeg"])
    assert caught.value.hint == "for example abcdef"


def test_three_letters_are_too_few_to_mean_an_id() -> None:
    with pytest.raises(RequestError, match="no request abc"):
        full_id("abc", lambda _prefix, _limit: ["abcdef"])
