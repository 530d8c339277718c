"""Closing letters without replay: one order, one answer when the store has said what became of each. Pure."""

from __future__ import annotations

from typing import Any

from actors._effects import Answer, Effects, WriteFact
from foldward.contracts.facts import SettleDeadLetter
from foldward.contracts.messages import DropDead, ReplayDone, Written


class _Order:
    __slots__ = ("items", "left", "order")

    def __init__(self, order: DropDead, count: int) -> None:
        self.order = order
        self.left = count
        self.items: list[dict[str, Any]] = []


class Dropping:
    """Orders under way."""

    def __init__(self) -> None:
        self._orders: dict[int, _Order] = {}
        self._next = 0

    def begin(self, order: DropDead, now_us: int) -> Effects:
        """Ask the store for each letter."""
        ids = list(dict.fromkeys(order.ids))
        if not ids:
            done = ReplayDone(tag=order.tag, replayed=0, failed=0, skipped=0, items=())
            return [Answer(order.reply_to, done)]
        self._next += 1
        self._orders[self._next] = _Order(order, len(ids))
        return [
            WriteFact(
                SettleDeadLetter(
                    dead_id=dead_id, state="dropped", outcome="dropped", at_us=now_us, note=order.note
                ),
                ("drop", self._next, dead_id),
            )
            for dead_id in ids
        ]

    def written(self, key: int, dead_id: int, written: Written) -> Effects:
        """The store's word on one letter; with the last one the order is answered."""
        dropping = self._orders.get(key)
        if dropping is None:
            return []
        changed = bool(written.ok and written.value)
        item: dict[str, Any] = {"id": dead_id, "outcome": "dropped" if changed else "unchanged"}
        if not written.ok:
            item |= {"outcome": "failed", "error": f"{written.code}: {written.error}"}
        elif not changed:
            item["error"] = "no held dead letter has that id"
        dropping.items.append(item)
        dropping.left -= 1
        if dropping.left:
            return []
        del self._orders[key]
        items = tuple(sorted(dropping.items, key=lambda entry: entry["id"]))
        failed = sum(entry["outcome"] == "failed" for entry in items)
        skipped = sum(entry["outcome"] == "unchanged" for entry in items)
        order = dropping.order
        done = ReplayDone(tag=order.tag, replayed=0, failed=failed, skipped=skipped, items=items)
        return [Answer(order.reply_to, done)]
