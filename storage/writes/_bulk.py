"""Many rows with one statement.

APSW gives the interpreter's lock away at every step of a statement, and under load somebody else takes it: a
row at a time, the writer would wait for the lock more often than for the disk. So a run of equal facts reads
what it needs as one JSON value (one step), and writes its rows as one VALUES clause (one step for up to
`SIZES[0]` of them). https://sqlite.org/lang_select.html#values
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

# A text for each of these numbers of rows, so that few statements are kept prepared. 64 rows of the widest
# table are 2,900 parameters (SQLite takes 32,766) and 6 KB of text (APSW keeps up to 16 KB prepared).
SIZES = (64, 16, 4, 1)


HEAVY = 8 * 1024 * 1024  # bytes of the large values of one statement: SQLite copies what it is given


class Bulk:
    """A statement over rows of `width` values; `{rows}` in its text is where they stand.

    heavy: the place of a value that may be large (text or bytes), if there is one.
    """

    def __init__(self, width: int, text: str, heavy: int | None = None) -> None:
        self.width = width
        self._heavy = heavy
        row = f"({', '.join('?' * width)})"
        self._texts = [(size, text.replace("{rows}", f"VALUES {', '.join([row] * size)}")) for size in SIZES]

    def __call__(
        self, execute: Callable[..., Any], rows: Sequence[Sequence[Any]], changes: Callable[[], int]
    ) -> int:
        """Run it for all rows, in their order; how many rows were changed."""
        changed = start = 0
        while start < len(rows):
            for size, text in self._texts:
                part = rows[start : start + size]
                if size == 1 or (len(part) == size and self._is_light(part)):
                    bindings: list[Any] = []
                    for row in part:
                        bindings += row
                    execute(text, bindings)
                    changed += changes()
                    start += size
                    break
        return changed

    def _is_light(self, part: Sequence[Sequence[Any]]) -> bool:
        heavy = self._heavy
        return heavy is None or sum(len(row[heavy]) for row in part) <= HEAVY
