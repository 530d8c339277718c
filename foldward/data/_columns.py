"""Headers: which column means what, and what is missing or said twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foldward.data._table import Findings
from foldward.data.findings import Place

MEANINGS: dict[str, tuple[str, ...]] = {
    "timestamp": ("timestamp", "time", "t", "date", "datetime"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "v", "vol"),
}
_OF = {alias: meaning for meaning, aliases in MEANINGS.items() for alias in aliases}


@dataclass(frozen=True)
class Layout:
    """Where each meaning stands (column index). clock: the second half of a time told in two columns (MT5).

    ticks: MT5's tick count, the volume of instruments whose exchange volume is zero throughout.
    """

    width: int
    at: dict[str, int]
    clock: int | None = None
    ticks: int | None = None

    @property
    def mt5(self) -> bool:
        """Whether the header is MetaTrader 5's."""
        return self.clock is not None or self.ticks is not None


def layout_of(names: Sequence[str], found: Findings, line: int | None) -> Layout | None:
    """The layout of a header, or None when the rows cannot be read by it; faults go to `found`.

    Without a volume column the rows can still be read (volume is then 0); whether that is waived is decided
    by what the caller allows.
    """
    cleaned = [name.strip().strip('"').strip().lower() for name in names]
    if any(name == "<date>" for name in cleaned):
        return _mt5(cleaned, found, line)
    at: dict[str, int] = {}
    if not any(name in _OF for name in cleaned):  # data where the header should be
        _readable(at, cleaned, found, line)
        return None
    for index, name in enumerate(cleaned):
        meaning = _OF.get(name)
        if meaning is None and cleaned.index(name) == index:
            continue
        if meaning is None:
            found.add("data.duplicate_column", Place(line, None, f"'{name}' stands twice"))
        elif meaning in at:
            first = cleaned[at[meaning]]
            said = (
                f"'{name}' stands twice" if first == name else f"'{first}' and '{name}' both mean {meaning}"
            )
            found.add("data.duplicate_column", Place(line, None, said))
        else:
            at[meaning] = index
    return Layout(len(cleaned), at) if _readable(at, cleaned, found, line) else None


def _mt5(cleaned: list[str], found: Findings, line: int | None) -> Layout | None:
    bare = [name.strip("<>") for name in cleaned]
    for name in sorted({name for name in bare if bare.count(name) > 1}):
        found.add("data.duplicate_column", Place(line, None, f"'<{name}>' stands twice"))
    at: dict[str, int] = {}
    for meaning, name in (("timestamp", "date"), ("volume", "vol"), *((p, p) for p in MEANINGS)):
        if name in bare:
            at.setdefault(meaning, bare.index(name))
    ticks = bare.index("tickvol") if "tickvol" in bare else None
    if ticks is not None:
        at.setdefault("volume", ticks)
    if not _readable(at, cleaned, found, line):
        return None
    return Layout(len(cleaned), at, bare.index("time") if "time" in bare else None, ticks)


def _readable(at: dict[str, int], cleaned: list[str], found: Findings, line: int | None) -> bool:
    missing = [meaning for meaning in MEANINGS if meaning not in at]
    for meaning in missing:
        header = ", ".join(cleaned)[:200]
        found.add("data.missing_column", Place(line, None, f"no {meaning} column in: {header}"))
    return missing in ([], ["volume"]) and "data.duplicate_column" not in found.counts
