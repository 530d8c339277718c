"""The spill file: dead letters that the store has no room for, or could not take.

One JSON object a line, payload in base64, on the disk before anyone is told; the store writes the same form.
What was spilled goes back into the store as soon as all of it fits.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from pathlib import Path

from foldward.contracts.facts import HoldDeadLetter

NAME = "dead_letters.spill.jsonl"


class Spill:
    """`path` is the file that grows; the one beside it, `….loading`, is being taken back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loading = path.with_name(path.name + ".loading")

    def append(self, fact: HoldDeadLetter) -> None:
        """Keep one letter. Raises OSError: the disk does not take it either."""
        line = {
            "reason": fact.reason,
            "code": fact.code,
            "error": fact.error,
            "direction": fact.direction,
            "seen": fact.at_us,
            "peer": fact.peer,
            "request_id": fact.request_id,
            "trace_id": fact.trace_id,
            "payload_base64": base64.b64encode(fact.payload).decode(),
        }
        with open(self.path, "ab") as file:
            file.write((json.dumps(line, sort_keys=True) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())

    def waiting(self) -> bool:
        """Whether there is anything to take back."""
        return self.loading.exists() or self.path.exists()

    def take(self) -> list[HoldDeadLetter]:
        """Everything spilled so far, oldest first; it stays on the disk until `taken`.

        A line that cannot be read (a crash cut it) is kept as a letter itself.
        """
        if not self.loading.exists():
            try:
                self.path.rename(self.loading)
            except FileNotFoundError:
                return []
        return [_fact(line) for line in self.loading.read_bytes().split(b"\n") if line.strip()]

    def taken(self) -> None:
        """The store has them all."""
        self.loading.unlink(missing_ok=True)


def _fact(line: bytes) -> HoldDeadLetter:
    try:
        entry = json.loads(line)
        return HoldDeadLetter(
            reason=entry["reason"],
            code=entry["code"],
            error=entry["error"],
            payload=base64.b64decode(entry["payload_base64"], validate=True),
            at_us=entry["seen"],
            direction=entry["direction"],
            peer=entry["peer"],
            request_id=entry["request_id"],
            trace_id=entry["trace_id"],
        )
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        return HoldDeadLetter(
            reason="unparseable",
            code="storage.corrupt",
            error=f"a line of the spill file cannot be read: {error}",
            payload=line,
            at_us=0,
            direction="message",
        )
