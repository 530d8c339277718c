"""A fault found while a message is read or written, before it is known whose bytes they are."""

from __future__ import annotations


class Misfit(Exception):
    """A field that does not fit: its path, what is wrong, and the error code."""

    def __init__(self, path: str, why: str, code: str = "wire.invalid_field") -> None:
        super().__init__(f"{path} {why}" if path else why)
        self.path = path
        self.why = why
        self.code = code

    def inside(self, outer: str) -> Misfit:
        """The same fault as seen from the container in which `outer` names the place."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        return Misfit(f"{outer}{dot}{self.path}", self.why, self.code)
