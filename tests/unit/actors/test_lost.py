"""What the supervision tree could not deliver."""

import pytest

from actors._lost import letter_of
from foldward.contracts.facts import SetMeta
from foldward.contracts.jobs import Result
from foldward.contracts.messages import FrameReceived, Hold, ResultArrived, Settled, Submit, Tick, Write

ID = "01980000-0000-7000-8000-000000000001"
HOLD = Hold(reason="schema", code="wire.missing_field", error="e", payload=b"bytes")


def test_an_answer_that_crashed_its_actor_is_kept_as_the_bytes_it_came_in() -> None:
    message = ResultArrived(result=Result(request_id=ID), raw=b"raw", peer="w1", received_us=1)
    letter = letter_of("oos_queue", message, "poison")
    assert letter is not None
    assert (letter.reason, letter.payload, letter.request_id, letter.direction) == (
        "poison",
        b"raw",
        ID,
        "result",
    )


def test_a_frame_that_nobody_took_is_kept() -> None:
    raw = b'{"request_id":"' + ID.encode() + b'"'
    letter = letter_of("dispatcher", FrameReceived(peer="w1", frames=(raw,), received_us=1), "stopped")
    assert letter is not None
    assert (letter.reason, letter.payload, letter.request_id) == ("apply_failed", raw, ID)
    assert letter.error == "FrameReceived to dispatcher was not handled: stopped"


def test_a_letter_that_was_not_held_is_a_letter_and_a_poisonous_one_is_not_replayed() -> None:
    assert letter_of("dead_letter", HOLD, "stopped") is HOLD
    poison = letter_of("dead_letter", HOLD, "poison")
    assert poison is not None
    assert (poison.payload, poison.direction) == (b"bytes", "message")


@pytest.mark.parametrize(
    "hint", [Tick(), Submit(names=("a",)), Settled(request_id=ID, name="a", kind="oos", state="applied")]
)
def test_a_hint_is_no_loss_because_the_rows_say_the_same(hint: object) -> None:
    assert letter_of("oos_queue", hint, "stopped") is None


def test_poison_of_any_kind_can_be_looked_at() -> None:
    letter = letter_of("oos_queue", Submit(names=("a",), reply_to=object()), "poison")
    assert letter is not None
    assert letter.direction == "message"
    assert b'"names":["a"]' in letter.payload


def test_poison_that_no_encoder_knows_is_shown_as_python_does() -> None:
    letter = letter_of("oos_queue", {1: {2, 3}, (4,): 5}, "poison")
    assert letter is not None
    assert letter.payload


def test_a_write_that_was_lost_is_kept() -> None:
    letter = letter_of("db_writer", Write(fact=SetMeta(key="paused", value="1")), "stopped")
    assert letter is not None
    assert b'"paused"' in letter.payload
