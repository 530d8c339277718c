"""The bounded send buffer."""

from actors._buffer import Buffer
from foldward.contracts.messages import Work


def work(request_id: str, due_us: int = 0, priority: int = 0, charged: bool = False) -> Work:
    return Work(request_id, "sma", "oos", b"{}", due_us, priority, charged=charged)


def taken(buffer: Buffer, now_us: int, resends: bool = True) -> list[str]:
    buffer.mature(now_us)
    ids = []
    while (item := buffer.take(resends)) is not None:
        ids.append(item.request_id)
    return ids


def test_higher_priority_leaves_first_then_what_is_longest_due() -> None:
    buffer = Buffer(10)
    for item in (work("late", 20), work("early", 10), work("urgent", 30, priority=5)):
        assert buffer.add(item)
    assert taken(buffer, 30) == ["urgent", "early", "late"]


def test_what_is_not_due_yet_stays() -> None:
    buffer = Buffer(10)
    buffer.add(work("later", 1_000_001))
    assert taken(buffer, 1_000_000) == []
    assert taken(buffer, 1_000_001) == ["later"]


def test_a_full_buffer_turns_away_and_remembers_that_it_did() -> None:
    buffer = Buffer(2)
    assert buffer.add(work("a"))
    assert buffer.add(work("b"))
    assert not buffer.missed
    assert not buffer.add(work("c"))
    assert buffer.missed
    assert len(buffer) == 2


def test_the_same_request_is_held_once() -> None:
    buffer = Buffer(10)
    assert buffer.add(work("a"))
    assert not buffer.add(work("a"))
    assert taken(buffer, 0) == ["a"]


def test_what_was_discarded_never_leaves_even_when_it_comes_again() -> None:
    buffer = Buffer(10)
    buffer.add(work("a", 5))
    assert buffer.discard("a")
    assert not buffer.discard("a")
    assert "a" not in buffer
    buffer.add(work("a", 50))
    assert taken(buffer, 10) == []
    assert taken(buffer, 50) == ["a"]


def test_a_spent_retry_budget_holds_resends_back_but_no_first_send() -> None:
    buffer = Buffer(10)
    buffer.add(work("again", 1, priority=9, charged=True))
    buffer.add(work("first", 2))
    assert taken(buffer, 10, resends=False) == ["first"]
    assert buffer.has_due()
    assert not buffer.has_due(resends=False)
    assert taken(buffer, 10) == ["again"]


def test_due_work_can_be_looked_at_without_taking_it() -> None:
    buffer = Buffer(10)
    for name in ("a", "b", "c"):
        buffer.add(work(name))
    buffer.mature(0)
    assert [item.request_id for item in buffer.due(2)] == ["a", "b"]
    assert [item.request_id for item in buffer.due(9, without={"a", "c"})] == ["b"]
    assert len(buffer) == 3
