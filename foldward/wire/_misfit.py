"""A fault found while a message is read or written, before it is known whose bytes they are."""

from __future__ import annotations


class Misfit(Exception):
    """A field that does not fit: its path, what is wrong, and the error code."""

    def __init__(self, path: str, why: str, code: str = "wire.invalid_field") -> None:
        super().__init__(f"{path} {why}" if path else why)
        self.path = path
        self.code = code
