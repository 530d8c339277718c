"""Submits under way."""

from actors._orders import Orders
from foldward.contracts.messages import SubmitOutcome


def outcome(name: str, status: str = "queued") -> SubmitOutcome:
    return SubmitOutcome(name=name, status=status, request_id=f"id-{name}")


def test_an_order_is_answered_once_when_its_last_name_is_done() -> None:
    orders = Orders()
    key = orders.open("oos", ("a", "b"), "address", 7, 0.0)
    assert orders.put(key, 1, outcome("b")) is None
    assert orders.put(key, 1, outcome("b", "cached")) is None  # a repeated commit changes nothing
    done = orders.put(key, 0, outcome("a"))
    assert done is not None
    address, answer = done
    assert (address, answer.tag, answer.kind) == ("address", 7, "oos")
    assert [(item.name, item.status) for item in answer.items] == [("a", "queued"), ("b", "queued")]
    assert len(orders) == 0
    assert orders.put(key, 0, outcome("a")) is None


def test_an_order_of_an_earlier_incarnation_is_nobodys() -> None:
    assert Orders().put(3, 0, outcome("a")) is None


def test_an_order_without_names_is_done_at_once() -> None:
    orders = Orders()
    key = orders.open("oos", (), None, None, 0.0)
    done = orders.done(key)
    assert done is not None
    assert done[1].items == ()
    assert orders.done(key) is None


def test_after_thirty_seconds_of_silence_the_asker_hears_that_the_rows_must_tell() -> None:
    orders = Orders()
    key = orders.open("oos", ("a", "b"), "address", 7, 100.0)
    orders.put(key, 0, outcome("a"))
    assert orders.overdue(129.9) == []
    ((_, answer),) = orders.overdue(130.0)
    assert [(item.status, item.code) for item in answer.items] == [
        ("queued", None),
        ("refused", "storage.busy"),
    ]
    assert answer.items[1].hint is not None
    assert orders.overdue(200.0) == []
