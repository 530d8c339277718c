"""Holding, replaying and dropping, over a real database in virtual time."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foldward.contracts.jobs import Result
from foldward.contracts.messages import (
    Ack,
    CancelReplay,
    DropDead,
    Hold,
    ReplayDead,
    ReplayDone,
)
from foldward.settings import Settings, StorageTable
from foldward.testing.actor_world import ActorWorld, Box
from foldward.wire import dumps, loads

STRANGER = "01980000-0000-7000-8000-000000000001"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ActorWorld]:
    with ActorWorld(tmp_path) as made:
        made.add(*(f"s{n}" for n in range(20)))
        yield made


def ask(world: ActorWorld, name: str = "s0") -> str:
    (item,) = world.submit(name)
    assert item.request_id is not None
    return item.request_id


def replay(world: ActorWorld, seconds: float = 60.0, **fields: Any) -> ReplayDone:
    box = Box()
    world.tell("dead_letter", ReplayDead(reply_to=box, tag="me", **fields))
    world.pass_time(seconds)
    (done,) = box.messages
    assert isinstance(done, ReplayDone)
    assert done.tag == "me"
    return done


def fail(world: ActorWorld, request_id: str, code: str = "data.geometry") -> None:
    world.receive(dumps(Result(request_id=request_id, error="bad", code=code)))


def hold(world: ActorWorld, payload: bytes = b"junk", **fields: Any) -> None:
    base = {"reason": "schema", "code": "wire.missing_field", "error": "result.sharpe is missing"}
    world.tell("dead_letter", Hold(payload=payload, **(base | fields)))


# --- result letters ----------------------------------------------------------------------------------------


def test_a_result_that_was_refused_is_applied_once_its_cause_is_gone(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = ask(world)
    right = dumps(world.result(request_id))
    hold(world, right, request_id=request_id)
    done = replay(world, ids=(1,))
    assert (done.replayed, done.failed, done.skipped) == (1, 0, 0)
    assert done.items == ({"id": 1, "outcome": "applied"},)
    assert world.status(request_id) == "success"
    letter = world.reader.dead_letter(1)
    assert letter is not None
    assert (letter.state, letter.outcome) == ("replayed", "applied")
    (event,) = world.events("dead_letter.replayed")
    assert event.data["outcome"] == "applied"


def test_a_letter_that_fails_again_stays_with_its_count_raised(world: ActorWorld) -> None:
    hold(world, b"still junk")
    done = replay(world, ids=(1,))
    assert (done.replayed, done.failed) == (0, 1)
    assert done.items[0]["outcome"] == "held"
    assert "wire.unparseable" in done.items[0]["error"]
    letter = world.reader.dead_letter(1)
    assert letter is not None
    assert (letter.state, letter.count, letter.payload) == ("held", 2, b"still junk")
    assert len(world.reader.dead_letters()) == 1


def test_a_giant_is_applied_once_the_limit_lets_it_in(tmp_path: Path) -> None:
    small = Settings.model_validate({"link": {"max_frame": 2048}})
    with ActorWorld(tmp_path, settings=small) as world:
        world.add("s0")
        world.link.connect("w1")
        request_id = ask(world)
        giant = dumps(world.result(request_id)) + b" " * 4096
        world.receive(giant)
        (letter,) = world.reader.dead_letters()
        assert (letter.reason, letter.code) == ("oversize", "wire.oversize")
        assert replay(world, ids=(letter.id,)).failed == 1
        world.kill()
        world.settings = Settings()
        world.start()
        assert replay(world, ids=(letter.id,)).items == ({"id": letter.id, "outcome": "applied"},)
        assert world.status(request_id) == "success"


def test_replaying_twice_is_harmless(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = ask(world)
    right = dumps(world.result(request_id))
    hold(world, right, request_id=request_id)
    hold(world, right + b" ", request_id=request_id)
    done = replay(world, all=True)
    assert [item["outcome"] for item in done.items] == ["applied", "duplicate"]
    assert world.reader.counters()["success"] == 1
    again = replay(world, ids=(1, 2))
    assert (again.replayed, again.failed, again.skipped) == (0, 0, 2)


def test_an_answer_that_nobody_waits_for_stays_held(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = ask(world)
    raw = dumps(world.result(request_id)).replace(request_id.encode(), STRANGER.encode())
    hold(world, raw, request_id=STRANGER)
    done = replay(world, ids=(1,))
    assert done.failed == 1
    assert "request.unknown_id" in done.items[0]["error"]
    letters = world.reader.dead_letters()
    assert [(letter.state, letter.count) for letter in letters] == [("held", 2)]


def test_a_guarded_refusal_holds_in_replay_too(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = ask(world)
    right = world.result(request_id)
    assert right.window is not None
    wrong = type(right.window)(right.window.start, right.window.end, 1)
    hold(world, dumps(world.result(request_id, window=wrong)), request_id=request_id)
    done = replay(world, ids=(1,), seconds=5)
    assert done.failed == 1
    row = world.reader.request(request_id)
    assert row is not None
    assert (row.status, row.failures) == ("sent", 0)  # a replay blames no attempt


def test_a_letter_without_id_uses_the_one_it_was_kept_under(world: ActorWorld) -> None:
    world.link.connect("w1", legacy=True)
    request_id = ask(world)
    raw = dumps(world.result(request_id, strategy_name="s0-OOS")).replace(request_id.encode(), b"")
    hold(world, raw, request_id=request_id)
    assert replay(world, ids=(1,)).replayed == 1
    assert world.status(request_id) == "success"


# --- request letters ---------------------------------------------------------------------------------------


def test_a_given_up_request_goes_back_to_pending_with_clean_counts(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = ask(world)
    fail(world, request_id)
    assert world.status(request_id) == "error"
    done = replay(world, reason="non_retryable", note="data repaired", seconds=2)
    assert done.items == ({"id": 1, "outcome": "requeued"},)
    assert world.reader.dead_letter(1).note == "data repaired"
    row = world.reader.request(request_id)
    assert row is not None
    assert (row.status, row.failures) == ("sent", 0)
    world.answer(request_id)
    assert world.status(request_id) == "success"


def test_a_request_that_fails_again_opens_the_same_letter(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = ask(world)
    fail(world, request_id)
    replay(world, ids=(1,), seconds=2)
    fail(world, request_id)
    (letter,) = world.reader.dead_letters()
    assert (letter.state, letter.count) == ("held", 2)


def test_an_edited_replay_makes_a_new_request_and_keeps_the_original(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = ask(world)
    fail(world, request_id)
    done = replay(world, ids=(1,), edit={"strategy": {"params": {"sma_long": 30.0}}}, seconds=2)
    assert done.replayed == 1
    assert world.status(request_id) == "error"
    (new,) = [row for row in world.reader.open_rows() if row.parent_id == request_id]
    job = loads(new.payload)
    assert job.strategy.params == {"sma_short": 5.0, "sma_long": 30.0}
    assert (job.attempt, new.origin) == (1, "replay")
    letter = world.reader.dead_letter(1)
    assert letter is not None
    assert letter.payload is not None
    assert loads(letter.payload).strategy.params == {"sma_short": 5.0, "sma_long": 20.0}


def test_an_edit_that_makes_no_request_is_refused_and_changes_nothing(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = ask(world)
    fail(world, request_id)
    done = replay(world, ids=(1,), edit={"strategy": {"timeframe": "often"}}, seconds=2)
    assert done.failed == 1
    assert "request.bad_strategy" in done.items[0]["error"]
    assert world.reader.queue_counts()["open"] == 0
    letter = world.reader.dead_letter(1)
    assert letter is not None
    assert letter.state == "held"


def test_a_letter_outlives_its_row(world: ActorWorld) -> None:
    world.link.connect("w1")
    row = world.reader.request(ask(world))
    assert row is not None
    world.answer(row.request_id)
    hold(world, row.payload.replace(b"s0", b"s1"), direction="request", request_id=STRANGER)
    done = replay(world, ids=(1,), seconds=2)
    assert done.replayed == 1
    (new,) = world.reader.open_rows()
    assert (new.parent_id, new.name) == (STRANGER, "s1")


def test_a_request_whose_answer_came_meanwhile_is_settled(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = ask(world)
    hold(world, b"{}", direction="request", request_id=request_id)
    world.answer(request_id)
    done = replay(world, ids=(1,), seconds=2)
    assert done.items == ({"id": 1, "outcome": "answered"},)


# --- which, how fast, how many -----------------------------------------------------------------------------


def test_a_dry_run_lists_and_touches_nothing(world: ActorWorld) -> None:
    for n in range(300):
        hold(world, f"junk {n}".encode())
    done = replay(world, all=True, dry_run=True, seconds=0)
    assert (done.replayed, done.failed, done.skipped) == (0, 0, 300)
    assert {item["outcome"] for item in done.items} == {"would_replay"}
    assert all(letter.count == 1 for letter in world.reader.dead_letters(limit=None))


def test_fifty_a_second_is_fifty_a_second(world: ActorWorld) -> None:
    for n in range(120):
        hold(world, f"junk {n}".encode())
    box = Box()
    world.tell("dead_letter", ReplayDead(all=True, rate=50.0, reply_to=box))
    world.pass_time(1.0)
    tried = [letter for letter in world.reader.dead_letters(limit=None) if letter.count == 2]
    assert 50 <= len(tried) <= 56
    assert box.messages == []
    world.pass_time(2.0)
    (done,) = box.messages
    assert done.failed == 120


def test_a_limit_ends_it(world: ActorWorld) -> None:
    for n in range(10):
        hold(world, f"junk {n}".encode())
    done = replay(world, all=True, limit=3)
    assert [item["id"] for item in done.items] == [1, 2, 3]


def test_reason_strategy_and_age_choose(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = ask(world, "s3")
    fail(world, request_id)
    hold(world, b"old")
    world.pass_time(100)
    hold(world, b"new")
    assert [item["id"] for item in replay(world, reason="schema", dry_run=True, seconds=0).items] == [2, 3]
    assert [item["id"] for item in replay(world, strategy="s3", dry_run=True, seconds=0).items] == [1]
    assert [item["id"] for item in replay(world, older_than_s=50, dry_run=True, seconds=0).items] == [1, 2]


def test_without_a_choice_nothing_is_replayed(world: ActorWorld) -> None:
    hold(world)
    assert replay(world).items == ()


def test_an_unknown_id_is_skipped_by_name(world: ActorWorld) -> None:
    done = replay(world, ids=(99,))
    assert (done.skipped, done.items[0]["outcome"]) == (1, "missing")


def test_a_replay_can_be_ended(world: ActorWorld) -> None:
    for n in range(100):
        hold(world, f"junk {n}".encode())
    box = Box()
    world.tell("dead_letter", ReplayDead(all=True, rate=10.0, reply_to=box, tag="slow"))
    world.pass_time(1.0)
    world.tell("dead_letter", CancelReplay(replay="slow", reply_to=box, tag="end"))
    done, ack = box.messages
    assert isinstance(done, ReplayDone)
    assert 10 <= done.failed <= 12
    assert ack == Ack(tag="end", ok=True, value={"cancelled": 1})
    world.pass_time(10)
    assert sum(letter.count == 2 for letter in world.reader.dead_letters(limit=None)) == done.failed


def test_an_entry_that_nobody_answers_for_stays_held(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = ask(world)
    hold(world, dumps(world.result(request_id)), request_id=request_id)
    queue = world.actors.pop("oos_queue")
    done = replay(world, ids=(1,), seconds=31)
    world.actors["oos_queue"] = queue
    assert done.failed == 1
    letter = world.reader.dead_letter(1)
    assert letter is not None
    assert letter.state == "held"


# --- dropping ----------------------------------------------------------------------------------------------


def test_dropping_closes_with_a_note_and_keeps_the_bytes(world: ActorWorld) -> None:
    hold(world)
    box = Box()
    world.tell("dead_letter", DropDead(ids=(1, 99), note="known noise", reply_to=box, tag=4))
    (done,) = box.messages
    assert [item["outcome"] for item in done.items] == ["dropped", "unchanged"]
    letter = world.reader.dead_letter(1)
    assert letter is not None
    assert (letter.state, letter.note, letter.payload) == ("dropped", "known noise", b"junk")
    assert len(world.events("dead_letter.dropped")) == 1


def test_dropping_nothing_is_answered(world: ActorWorld) -> None:
    box = Box()
    world.tell("dead_letter", DropDead(ids=(), reply_to=box, tag=4))
    assert box.messages[0].items == ()


# --- never losing the bytes --------------------------------------------------------------------------------


def test_at_the_bound_letters_go_to_the_spill_file_and_an_alarm_is_raised(tmp_path: Path) -> None:
    settings = Settings(storage=StorageTable(dead_max_rows=2))
    with ActorWorld(tmp_path, settings) as world:
        for n in range(3):
            hold(world, f"junk {n}".encode())
        assert len(world.reader.dead_letters()) == 2
        (line,) = (tmp_path / "dead_letters.spill.jsonl").read_text().splitlines()
        assert base64.b64decode(json.loads(line)["payload_base64"]) == b"junk 2"
        assert any(note.key == "dead:full" for note in world.heard["notifier"])
        assert world.events("dead_letter.held")[-1].data["outcome"] == "spilled"
        # Room is made: what was spilled comes back, and the file goes.
        world.tell("dead_letter", DropDead(ids=(1, 2)))
        world.pass_time(61)
        held = world.reader.dead_letters(state="held")
        assert len(held) == 1
        whole = world.reader.dead_letter(held[0].id)
        assert whole is not None
        assert whole.payload == b"junk 2"
        assert list(tmp_path.glob("*.spill*")) == []


def test_what_the_store_refuses_is_spilled_and_comes_back(world: ActorWorld, tmp_path: Path) -> None:
    world.broken_store = "storage.io"
    hold(world, b"precious")
    world.pass_time(15)
    assert (tmp_path / "dead_letters.spill.jsonl").exists()
    world.broken_store = None
    world.pass_time(60)
    (letter,) = world.reader.dead_letters()
    whole = world.reader.dead_letter(letter.id)
    assert whole is not None
    assert whole.payload == b"precious"
    assert list(tmp_path.glob("*.spill*")) == []


def test_what_neither_store_nor_disk_takes_is_kept_and_tried_again(
    world: ActorWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    world.broken_store = "storage.disk_full"
    monkeypatch.setattr("actors._spill.Spill.append", full)
    hold(world, b"precious")
    world.pass_time(120)
    assert any(note.key == "dead:disk" for note in world.heard["notifier"])
    world.broken_store = None
    world.pass_time(600)
    (letter,) = world.reader.dead_letters()
    assert letter.size == 8


def test_a_spill_file_cut_by_a_crash_loses_no_line(world: ActorWorld, tmp_path: Path) -> None:
    world.broken_store = "storage.io"
    hold(world, b"first")
    world.pass_time(15)
    spill = tmp_path / "dead_letters.spill.jsonl"
    spill.write_bytes(spill.read_bytes() + b'{"reason":"schema","payload_ba')
    world.broken_store = None
    world.kill()
    world.start()
    world.pass_time(1)
    payloads = {world.reader.dead_letter(letter.id).payload for letter in world.reader.dead_letters()}
    assert payloads == {b"first", b'{"reason":"schema","payload_ba'}


def test_a_stop_spills_what_is_unconfirmed(world: ActorWorld, tmp_path: Path) -> None:
    world.broken_store = "storage.busy"
    hold(world, b"unconfirmed")
    world.stop()
    text = (tmp_path / "dead_letters.spill.jsonl").read_text()
    assert base64.b64encode(b"unconfirmed").decode() in text


def test_what_an_earlier_incarnation_held_and_could_not_store_is_held_by_the_next(world: ActorWorld) -> None:
    from foldward.contracts.facts import HoldDeadLetter
    from foldward.contracts.messages import Written

    fact = HoldDeadLetter(reason="schema", code="c", error="e", payload=b"orphan", at_us=1)
    fenced = Written(tag=("hold", 1), fact=fact, ok=False, code="storage.fenced", error="replaced")
    world.tell("dead_letter", fenced)
    world.pass_time(5)
    (letter,) = world.reader.dead_letters()
    whole = world.reader.dead_letter(letter.id)
    assert whole is not None
    assert whole.payload == b"orphan"


def test_an_answer_that_an_earlier_incarnation_could_not_store_is_applied_by_the_next(
    world: ActorWorld,
) -> None:
    world.link.connect("w1")
    request_id = ask(world)
    world.broken_store = "storage.fenced"
    world.answer(request_id)
    world.broken_store = None
    world.pass_time(3)
    assert world.status(request_id) == "success"


@pytest.mark.parametrize(
    ("direction", "payload", "fields", "error"),
    [
        ("result", b"(nonsense", {}, "wire.unparseable"),
        ("result", b'{"type":"HEARTBEAT","id":"w","timestamp":1.0}', {}, "wire.unknown_type"),
        ("request", b"not a request", {"request_id": STRANGER}, "storage.corrupt"),
    ],
)
def test_a_letter_that_still_cannot_be_used_says_why(
    world: ActorWorld, direction: str, payload: bytes, fields: dict[str, Any], error: str
) -> None:
    hold(world, payload, direction=direction, **fields)
    done = replay(world, ids=(1,), seconds=2)
    assert done.failed == 1
    assert error in done.items[0]["error"]


def test_a_message_of_the_inside_is_not_replayed(world: ActorWorld) -> None:
    hold(world, b"{}", direction="message")
    done = replay(world, ids=(1,))
    assert (done.skipped, done.items[0]["outcome"]) == (1, "not_replayable")


def test_an_edit_without_a_request_to_edit_says_so(world: ActorWorld) -> None:
    hold(world, b"junk", request_id=STRANGER)
    done = replay(world, ids=(1,), edit={"seed": 3}, seconds=2)
    assert done.failed == 1
    assert "request.unknown_id" in done.items[0]["error"]


def test_an_edit_whose_candles_are_refused_says_so(world: ActorWorld) -> None:
    world.link.connect("w1")
    fail(world, ask(world))
    world.candles.codes["EURUSD"] = "data.geometry"
    done = replay(world, ids=(1,), edit={"seed": 3}, seconds=2)
    assert done.failed == 1
    assert "data.geometry" in done.items[0]["error"]
    world.candles.codes.clear()
    world.candles.bars["EURUSD"] = 30
    done = replay(world, ids=(1,), edit={"start_time": 1, "end_time": 2}, seconds=2)
    assert "data.too_few_rows" in done.items[0]["error"]


def test_an_edit_can_take_a_field_back_to_its_default(world: ActorWorld) -> None:
    world.link.connect("w1")
    request_id = ask(world)
    fail(world, request_id)
    replay(world, ids=(1,), edit={"strategy": {"params": None, "sl": "3%"}}, seconds=2)
    (new,) = world.reader.open_rows()
    strategy = loads(new.payload).strategy
    assert (strategy.params, strategy.sl) == ({}, "3%")


def test_a_draining_core_makes_no_new_request_of_a_letter(world: ActorWorld) -> None:
    from foldward.contracts.messages import Drain

    world.link.connect("w1")
    fail(world, ask(world))
    world.tell("dispatcher", Drain())
    done = replay(world, ids=(1,), edit={"seed": 3}, seconds=2)
    assert "queue.draining" in done.items[0]["error"]
