"""Dead letters: the bytes as they came, counted, bounded, settled once."""

import base64
import json

import pytest

from foldward.contracts.facts import HoldDeadLetter, Prune, RequeueRequest, SettleDeadLetter
from foldward.settings import StorageTable
from storage import open_writer
from storage.reads import Reader

T0 = 1_770_000_000_000_000
ONE = "01980000-0000-7000-8000-000000000001"
BYTES = b'{"type": \xff\x00 "BACKTEST_RESULT"'


def held(payload=BYTES, **fields):
    fields.setdefault("reason", "unparseable")
    fields.setdefault("code", "wire.not_utf8")
    fields.setdefault("at_us", T0)
    return HoldDeadLetter(payload=payload, error="byte 9 is not UTF-8", peer="worker-1", **fields)


def settled(dead_id, state, at_us=T0 + 9, **fields):
    return SettleDeadLetter(
        dead_id=dead_id, state=state, outcome=fields.pop("outcome", "applied"), at_us=at_us, **fields
    )


def test_bytes_are_kept_exactly(do, reader):
    assert do(held()) == {"dead_id": 1, "count": 1}
    letter = reader.dead_letter(1)
    assert letter.payload == BYTES
    assert (letter.state, letter.reason, letter.code, letter.peer, letter.size) == (
        "held",
        "unparseable",
        "wire.not_utf8",
        "worker-1",
        len(BYTES),
    )


def test_the_same_bytes_again_raise_the_count(do, reader):
    do(held())
    assert do(held(at_us=T0 + 5)) == {"dead_id": 1, "count": 2}
    letter = reader.dead_letter(1)
    assert (letter.first_seen, letter.last_seen) == (T0, T0 + 5)


def test_the_same_bytes_for_another_request_are_another_letter(do, reader):
    do(held(request_id=ONE))
    assert do(held())["dead_id"] == 2
    assert reader.dead_counts()["by_reason"] == {"unparseable": 2}


def test_a_replay_that_works_closes_the_letter_once(do, reader):
    do(held())
    assert do(settled(1, "replayed", note="after the fix")) is True
    assert do(settled(1, "replayed")) is False
    letter = reader.dead_letter(1)
    assert (letter.state, letter.outcome, letter.note, letter.attempts) == (
        "replayed",
        "applied",
        "after the fix",
        1,
    )


def test_a_replay_that_fails_again_keeps_the_letter_with_one_more(do, reader):
    do(held())
    assert do(settled(1, "held", outcome="unparseable again")) is True
    letter = reader.dead_letter(1)
    assert (letter.state, letter.count, letter.attempts, letter.outcome) == (
        "held",
        2,
        1,
        "unparseable again",
    )


def test_bytes_that_come_again_after_their_replay_are_a_new_letter(do):
    do(held(), settled(1, "replayed"))
    assert do(held()) == {"dead_id": 2, "count": 1}


def test_a_given_up_request_leaves_a_letter_with_its_payload(facts, do, reader):
    admitted = facts.admit()
    outcome = do(admitted, facts.lease(), facts.give_up())
    letter = reader.dead_letter(outcome["dead_id"])
    assert letter.payload == admitted.payload
    assert (letter.direction, letter.request_id, letter.name, letter.reason) == (
        "request",
        ONE,
        "alpha",
        "exhausted",
    )


def test_the_bytes_of_the_answer_are_kept_where_there_are_some(facts, do, reader):
    outcome = do(facts.admit(), facts.lease(), facts.give_up(payload=b"(error)"))
    assert reader.dead_letter(outcome["dead_id"]).payload == b"(error)"


def test_a_requeue_closes_the_letter_and_a_new_failure_opens_it_again(facts, do, reader):
    do(facts.admit(), facts.lease(), facts.give_up())
    do(RequeueRequest(request_id=ONE, due_us=T0, at_us=T0 + 9, note="data repaired"))
    letter = reader.dead_letter(1)
    assert (letter.state, letter.outcome, letter.note) == ("replayed", "requeued", "data repaired")
    assert do(settled(1, "replayed", outcome="queued", note="by hand")) is True
    assert reader.dead_letter(1).attempts == 1
    assert do(facts.lease(), facts.give_up(error="failed again")) == {"dead_id": 1}
    letter = reader.dead_letter(1)
    assert (letter.state, letter.count, letter.error) == ("held", 2, "failed again")


def test_letters_are_found_by_state_reason_strategy_and_age(facts, do, reader):
    do(
        facts.admit(),
        facts.lease(),
        facts.give_up(),
        held(),
        held(b"other", reason="schema", at_us=T0 + 10**9),
    )

    def found(**which):
        return [letter.id for letter in reader.dead_letters(**which)]

    assert found() == [1, 2, 3]
    assert found(reason="schema") == [3]
    assert found(strategy="alpha") == [1]
    assert found(older_than_us=T0 + 10**8) == [1, 2]
    assert found(direction="request") == [1]
    assert found(limit=1, after_id=1) == [2]
    do(settled(2, "dropped"))
    assert found(state="held") == [1, 3]
    assert all(letter.payload is None for letter in reader.dead_letters())


@pytest.fixture
def small(path, tmp_path):
    writer = open_writer(path, StorageTable(synchronous="NORMAL", dead_max_rows=2, dead_max_bytes=1024))
    yield writer
    writer.close()


def test_at_the_bound_the_oldest_closed_letters_go(small, path):
    small.apply([held(b"one"), held(b"two"), settled(1, "dropped")])
    (outcome,) = small.apply([held(b"three")])
    assert outcome.value == {"dead_id": 3, "count": 1}
    with Reader(path) as reader:
        assert [letter.id for letter in reader.dead_letters()] == [2, 3]


def test_held_letters_are_never_pushed_out_but_new_ones_spilled(small, path, tmp_path):
    outcomes = small.apply([held(b"one"), held(b"two"), held(BYTES, request_id=ONE), held(b"one")])
    assert [outcome.value for outcome in outcomes] == [
        {"dead_id": 1, "count": 1},
        {"dead_id": 2, "count": 1},
        {"spilled": True},
        {"dead_id": 1, "count": 2},
    ]
    (line,) = (tmp_path / "dead_letters.spill.jsonl").read_text().splitlines()
    letter = json.loads(line)
    assert base64.b64decode(letter["payload_base64"]) == BYTES
    assert (letter["request_id"], letter["reason"]) == (ONE, "unparseable")


def test_a_letter_too_large_for_the_bound_is_spilled(small):
    (outcome,) = small.apply([held(b"x" * 2000)])
    assert outcome.value == {"spilled": True}


def test_retention_removes_closed_letters_and_never_held_ones(do, reader):
    do(held(b"one"), held(b"two"), settled(1, "replayed", at_us=T0 + 1))
    assert do(Prune(what="dead_letters", before_us=T0 + 10**12)) == 1
    assert [letter.id for letter in reader.dead_letters()] == [2]


def test_retention_keeps_the_row_of_a_held_letter(facts, do, reader):
    do(facts.admit(), facts.lease(), facts.give_up())
    far = T0 + 10**15
    assert do(Prune(what="error_rows", before_us=far)) == 0
    do(settled(1, "dropped"))
    assert do(Prune(what="error_rows", before_us=far)) == 1
    assert reader.request(ONE) is None


# --- many in one transaction


def test_many_letters_are_kept_as_each_would_be_alone(writer, facts, reader):
    writer.apply([facts.admit(1, "alpha")])
    letters = [
        held(b"one"),
        held(b"two", request_id=ONE),
        held(b"one", at_us=T0 + 5, reason="schema"),
        held(b"three", direction="message"),
        held(b"two", request_id=ONE, at_us=T0 + 6),
    ]
    outcomes = writer.apply(letters)
    assert [outcome.value for outcome in outcomes] == [
        {"dead_id": 1, "count": 1},
        {"dead_id": 2, "count": 1},
        {"dead_id": 1, "count": 2},
        {"dead_id": 3, "count": 1},
        {"dead_id": 2, "count": 2},
    ]
    stored = [reader.dead_letter(number) for number in (1, 2, 3)]
    assert [(one.payload, one.reason, one.count, one.last_seen - T0) for one in stored] == [
        (b"one", "schema", 2, 5),
        (b"two", "unparseable", 2, 6),
        (b"three", "unparseable", 1, 0),
    ]
    counts, counters = reader.dead_counts(), reader.counters()
    assert (counts["held"], counts["bytes"]) == (3, 11)
    assert (counters["dead_letter.unparseable"], counters["dead_letter.schema"]) == (4, 1)
    assert [step["event"] for step in reader.timeline(ONE)] == ["oos.requested"] + 2 * ["dead_letter.held"]


def test_ids_go_on_after_letters_that_were_held_before(writer, reader):
    writer.apply([held(b"old")])
    outcomes = writer.apply([held(b"%d" % number) for number in range(100)] + [held(b"old")])
    assert [outcome.value["dead_id"] for outcome in outcomes] == [*range(2, 102), 1]
    assert [reader.dead_letter(number).payload for number in (2, 65, 66, 101)] == [b"0", b"63", b"64", b"99"]


def test_many_letters_need_few_statements(writer):
    begun = []
    writer._connection.set_exec_trace(lambda _cursor, text, _bindings: begun.append(text) or True)
    writer.apply([held(b"%d" % number) for number in range(32)])
    writer._connection.set_exec_trace(None)
    assert [text[:6] for text in begun if "dead_letters" in text] == ["SELECT", "INSERT", "INSERT"]


def test_a_letter_that_cannot_be_stored_takes_no_neighbour_with_it(writer, reader):
    outcomes = writer.apply([held(b"good"), held(b"bad", direction="nowhere"), held(b"fine")])
    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert reader.dead_counts()["held"] == 2
