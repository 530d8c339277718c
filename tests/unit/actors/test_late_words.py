"""Answers that come late, for nobody, or not at all."""

from types import SimpleNamespace
from typing import Any

import pytest

from actors import _evidence, _sides
from actors._asked import Asked
from actors._dropping import Dropping
from actors._effects import Answer, WriteFact
from actors._frames import spelled
from actors._rank_asks import ANSWER_S, RankAsks
from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Heartbeat
from foldward.contracts.messages import DropDead, Submitted, Written
from foldward.wire import dumps


def word(effect: Any, **fields: Any) -> Written:
    assert isinstance(effect, WriteFact)
    return Written(tag=effect.tag, fact=effect.fact, **fields)


def test_each_letter_of_a_drop_has_its_own_outcome() -> None:
    dropping = Dropping()
    gone, refused, unknown = dropping.begin(DropDead(ids=(1, 2, 3, 2), reply_to="me", tag="t"), 0)
    key = gone.tag[1]
    assert dropping.written(key, 1, word(gone, ok=True, value=True)) == []
    assert dropping.written(key, 2, word(refused, ok=False, code="storage.io", error="disk")) == []
    (answer,) = dropping.written(key, 3, word(unknown, ok=True, value=False))
    assert isinstance(answer, Answer)
    assert [(item["id"], item["outcome"]) for item in answer.message.items] == [
        (1, "dropped"),
        (2, "failed"),
        (3, "unchanged"),
    ]
    assert dropping.written(key, 1, word(gone, ok=True, value=True)) == []  # told twice: nobody waits


def test_what_the_queue_never_answers_is_given_up_after_its_time() -> None:
    asks = RankAsks(Asked(), wish=False, run_id="run", seed=0, address=None)
    asks.ask("oos", ("a",), 0.0, None)
    asks.expire(ANSWER_S - 1)
    assert len(asks) == 1
    asks.expire(ANSWER_S)
    assert len(asks) == 0
    assert not asks.answered(Submitted(tag="ask-1", kind="oos", items=()))


@pytest.mark.parametrize(
    "payload", [b'{"action":"BACKTEST","request_id":7}', dumps(Heartbeat(id="w", timestamp=1.0))]
)
def test_a_payload_that_is_no_request_is_never_sent(payload: bytes) -> None:
    with pytest.raises(WireError):
        spelled(payload, 2, "sexp", False)


def test_sides_beyond_the_bound_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sides, "REMEMBERED", 2)
    sides = _sides.Sides(lambda _: None)
    for number in range(4):
        sides.remember(f"s{number}", 1.0, None)
    assert list(sides._sides) == ["s2", "s3"]


def test_evidence_is_asked_for_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_evidence, "_MAX_PLANS", 2)
    desk = _evidence.EvidenceDesk(strict=True)
    for number in range(3):
        desk.wait(f"s{number}", "f")
    assert desk.learn(SimpleNamespace(strategies=lambda **_: []))
    assert list(desk.ready(lambda _: set())) == ["s0", "s1"]
    assert list(desk.ready(lambda _: set())) == ["s2"]
