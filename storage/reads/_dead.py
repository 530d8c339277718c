"""Questions about dead letters."""

from __future__ import annotations

from typing import Any

from storage.models import DeadLetter, columns
from storage.reads._connection import Connected, columns_of
from storage.rows import DeadRow

_FIELDS = tuple(name for name in DeadRow.__struct_fields__ if name != "payload")
_HEAD = columns_of(DeadRow, without=("payload",))


class DeadReads(Connected):
    """Reading dead letters."""

    def dead_letters(
        self,
        state: str | None = None,
        reason: str | None = None,
        strategy: str | None = None,
        older_than_us: int | None = None,
        limit: int | None = 100,
        *,
        after_id: int = 0,
        direction: str | None = None,
    ) -> list[DeadRow]:
        """Letters without their bytes, oldest first; `after_id` is the last one of the page before."""
        query = DeadLetter.select(*columns(DeadLetter, _FIELDS)).where(DeadLetter.id > after_id)
        wanted = ((DeadLetter.state, state), (DeadLetter.reason, reason), (DeadLetter.name, strategy))
        for field, value in (*wanted, (DeadLetter.direction, direction)):
            if value is not None:
                query = query.where(field == value)
        if older_than_us is not None:
            query = query.where(DeadLetter.last_seen < older_than_us)
        return [DeadRow(*row) for row in self._select(query.order_by(DeadLetter.id).limit(limit))]

    def dead_letter(self, dead_id: int) -> DeadRow | None:
        """One letter with its bytes."""
        row = self._one(f"SELECT {_HEAD}, payload FROM dead_letters WHERE id = ?", (dead_id,))
        return None if row is None else DeadRow(*row)

    def dead_of(self, request_id: str) -> list[DeadRow]:
        """The letters of one request, without their bytes."""
        sql = f"SELECT {_HEAD} FROM dead_letters WHERE request_id = ? ORDER BY id"
        return [DeadRow(*row) for row in self._all(sql, (request_id,))]

    def dead_counts(self) -> dict[str, Any]:
        """{held, replayed, dropped, bytes, by_reason: {reason: held}}."""
        sql = "SELECT state, reason, count(*), sum(size) FROM dead_letters GROUP BY state, reason"
        counts: dict[str, Any] = {"held": 0, "replayed": 0, "dropped": 0, "bytes": 0, "by_reason": {}}
        for state, reason, count, size in self._all(sql):
            counts[state] += count
            counts["bytes"] += size
            if state == "held":
                counts["by_reason"][reason] = count
        return counts
