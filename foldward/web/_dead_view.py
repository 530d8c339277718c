"""What the dead letters' pages show: a list by filter, and one letter with its exact bytes."""

from __future__ import annotations

from typing import Any

import msgspec

from foldward.console.letters import find
from storage.reads.pages import PageReader
from storage.rows import DeadRow

LIMIT = 50
STATES = ("held", "replayed", "dropped")
BULK = 200  # letters of one click; more of them need another one
SHOWN = 64 * 1024  # bytes of a payload on the page; the rest by download
WIDTH = 16  # bytes a line of hex


def page(
    reader: PageReader, state: str | None, reason: str | None, strategy: str | None, before: int | None
) -> dict[str, Any]:
    """{counts, rows, next}."""
    rows, cursor = reader.dead_page(state, reason=reason, strategy=strategy, before=before, limit=LIMIT)
    return {"counts": reader.dead_counts(), "rows": rows, "next": cursor}


def letter(reader: PageReader, dead_id: int) -> dict[str, Any] | None:
    """One letter, its bytes as text and as hex; None when there is none."""
    row = find(reader, dead_id)
    if row is None:
        return None
    payload = row.payload or b""
    return {
        "row": row,
        "cut": max(0, len(payload) - SHOWN),
        "text": as_text(row),
        "hex": as_hex(payload[:SHOWN]),
    }


def as_text(row: DeadRow) -> str:
    """JSON laid out where it is JSON, else the bytes as UTF-8 with what is none of it escaped."""
    payload = row.payload or b""
    return laid_out(payload) if len(payload) <= SHOWN else plain(payload[:SHOWN])


def laid_out(payload: bytes) -> str:
    """JSON with indents; what is none, or nests deeper than anybody reads, as it came."""
    try:
        return msgspec.json.format(payload, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return plain(payload)


def plain(payload: bytes) -> str:
    """UTF-8, with what is none of it escaped."""
    return payload.decode("utf-8", "backslashreplace")


def as_hex(payload: bytes) -> str:
    """Offset, bytes, and the printable ones of them: as `hexdump -C`."""
    lines = []
    for start in range(0, len(payload), WIDTH):
        part = payload[start : start + WIDTH]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:08x}  {part[:8].hex(' '):<23}  {part[8:].hex(' '):<23}  |{shown}|")
    return "\n".join(lines)


def fitting(reader: PageReader, reason: str | None, strategy: str | None, limit: int) -> list[DeadRow]:
    """Held letters that fit, the oldest first, as a replay takes them."""
    return reader.dead_letters(state="held", reason=reason, strategy=strategy, limit=limit)
