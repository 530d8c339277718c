"""Up to where every strategy is judged and asked for, so that a restart need not look at them again. Pure."""

from __future__ import annotations

import msgspec


class Cursor(msgspec.Struct, frozen=True):
    """How far everything is judged and asked for, by which gates, and by whose engines the numbers were."""

    revision: int
    gates: str
    engines: dict[str, str]

    @classmethod
    def read(cls, stored: str) -> Cursor | None:
        """None for none, and for one of an older form."""
        revision, _, rest = stored.partition(":")
        gates, _, engines = rest.partition(":")
        try:
            return cls(int(revision), gates, msgspec.json.decode(engines, type=dict[str, str]))
        except ValueError:  # also msgspec's
            return None

    def __str__(self) -> str:
        engines = msgspec.json.encode(dict(sorted(self.engines.items()))).decode()
        return f"{self.revision}:{self.gates}:{engines}"
