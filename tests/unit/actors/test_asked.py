"""What was asked for: open, held back, given up."""

from types import SimpleNamespace

from actors._asked import CACHED_S, THROTTLE_S, Asked
from foldward.contracts.messages import Settled, SubmitOutcome


def outcome(status, code=None, request_id=None, message=None):
    return SubmitOutcome(name="a", status=status, code=code, request_id=request_id, message=message)


def settled(state, request_id="r", name="a"):
    return Settled(request_id=request_id, name=name, kind="oos", state=state, code="engine.failed")


def row(status, requested_at=100, error="broke"):
    return SimpleNamespace(
        name="a", kind="oos", request_id="r", status=status, requested_at=requested_at, last_error=error
    )


def test_a_queued_request_is_open_until_its_end_is_told():
    asked = Asked()
    asked.outcome(outcome("queued", request_id="r"), "oos", 0.0)
    assert asked.pending("a")
    assert asked.closed("a") == {"oos"}
    assert asked.opened("oos")
    assert not asked.settled(settled("retry"))
    assert asked.settled(settled("applied"))
    assert not asked.pending("a")
    assert asked.closed("a") == set()


def test_an_end_that_is_told_before_the_answer_to_the_submit_counts():
    asked = Asked()
    asked.settled(settled("applied"))
    asked.outcome(outcome("queued", request_id="r"), "oos", 0.0)
    assert asked.open_count == 0


def test_an_operator_may_open_again_what_had_ended():
    asked = Asked()
    asked.settled(settled("error"))
    asked.settled(settled("pending"))
    assert asked.open_count == 1
    asked.outcome(outcome("pending", request_id="r"), "oos", 0.0)
    assert asked.open_count == 1


def test_what_is_cached_or_throttled_is_asked_for_again_in_time():
    asked = Asked()
    asked.outcome(outcome("cached", request_id="r"), "oos", 0.0)
    assert asked.due(CACHED_S - 1) == []
    assert asked.due(CACHED_S) == ["a"]
    asked.outcome(outcome("throttled"), "oos", 0.0)
    assert not asked.passing
    assert asked.due(THROTTLE_S) == ["a"]
    assert asked.closed("a") == set()


def test_a_busy_store_passes_and_refused_data_has_a_reason():
    asked = Asked()
    asked.outcome(outcome("refused", "storage.busy"), "oos", 0.0)
    assert asked.passing
    assert asked.reasons("a") == {}
    asked.outcome(outcome("refused", "data.geometry", message="close > high"), "oos", 0.0)
    assert not asked.passing
    assert asked.reasons("a") == {"oos": "refused: close > high"}


def test_what_was_given_up_stays_until_a_new_definition():
    asked = Asked()
    asked.settled(settled("error"))
    assert asked.reasons("a") == {"oos": "its request was given up (engine.failed)"}
    assert asked.due(1e12) == []
    asked.forget("a")
    assert asked.closed("a") == set()


def test_rows_of_an_earlier_life_are_known_again():
    asked = Asked()
    asked.recover([row("pending")])
    assert asked.pending("a")
    asked = Asked()
    asked.recover([row("error"), row("cancelled", 50)])
    assert asked.ended("a", "oos", 99_000_000)
    assert asked.reasons("a") == {"oos": "its request was given up: broke"}
    assert not asked.ended("a", "oos", 0)


def test_a_request_given_up_for_an_older_definition_does_not_count():
    asked = Asked()
    asked.recover([row("error")])
    assert not asked.ended("a", "oos", 101_000_000)


def test_a_request_that_is_no_longer_open_is_found():
    asked = Asked()
    asked.recover([row("sent")])
    assert asked.check(lambda request_id: True, 10) == []
    assert asked.check(lambda request_id: False, 10) == ["a"]
    assert asked.open_count == 0


def test_a_message_without_a_name_changes_nothing():
    asked = Asked()
    assert not asked.settled(settled("applied", name=""))
