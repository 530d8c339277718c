"""Submits under way: which names still wait for their commit, and the answer once all have one."""

from __future__ import annotations

from typing import Any

from actors._effects import Answer, Effects
from foldward.contracts.messages import SubmitOutcome, Submitted

PATIENCE_S = 30.0


class _Order:
    __slots__ = ("items", "kind", "left", "names", "reply_to", "since", "tag")

    def __init__(self, kind: str, names: tuple[str, ...], reply_to: Any, tag: Any, since: float) -> None:
        self.kind = kind
        self.names = names
        self.reply_to = reply_to
        self.tag = tag
        self.since = since
        self.items: list[SubmitOutcome | None] = [None] * len(names)
        self.left = len(names)


class Orders:
    """By key. Each method that may complete an order gives back (reply address, answer) or None."""

    def __init__(self) -> None:
        self._orders: dict[int, _Order] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._orders)

    def open(self, kind: str, names: tuple[str, ...], reply_to: Any, tag: Any, now: float) -> int:
        """A new order; its key."""
        self._next += 1
        self._orders[self._next] = _Order(kind, names, reply_to, tag, now)
        return self._next

    def put(self, key: int, index: int, outcome: SubmitOutcome) -> tuple[Any, Submitted] | None:
        """What became of one name. An order of an earlier incarnation is unknown: its asker has gone."""
        order = self._orders.get(key)
        if order is None or order.items[index] is not None:
            return None
        order.items[index] = outcome
        order.left -= 1
        return self._done(key, order) if order.left == 0 else None

    def done(self, key: int) -> tuple[Any, Submitted] | None:
        """The answer to an order without names."""
        order = self._orders.get(key)
        return self._done(key, order) if order is not None and order.left == 0 else None

    def overdue(self, now: float) -> list[tuple[Any, Submitted]]:
        """Orders whose commits the store never answered: whether a row was made, the rows tell."""
        late = [(key, order) for key, order in self._orders.items() if now - order.since >= PATIENCE_S]
        answers = []
        for key, order in late:
            for index, item in enumerate(order.items):
                if item is None:
                    order.items[index] = SubmitOutcome(
                        name=order.names[index],
                        status="refused",
                        code="storage.busy",
                        message=f"the store has not answered within {PATIENCE_S:g} s",
                        hint="foldward oos list shows whether the request was taken",
                    )
            answers.append(self._done(key, order))
        return answers

    def _done(self, key: int, order: _Order) -> tuple[Any, Submitted]:
        del self._orders[key]
        items = tuple(item for item in order.items if item is not None)
        return order.reply_to, Submitted(tag=order.tag, kind=order.kind, items=items)


def answered(done: tuple[Any, Submitted] | None) -> Effects:
    """What an order that may be complete causes."""
    return [] if done is None else [Answer(*done)]
