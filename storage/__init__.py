"""What Foldward remembers: one SQLite file, one writer, any number of readers.

`open_writer` is for the one actor that writes; everyone else reads through `storage.reads.Reader`. Importing
this package imports no driver: the command line must not pay for a database that it does not open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storage.writer import Outcome, Writer, open_writer

__all__ = ["Outcome", "Writer", "open_writer"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from storage import writer

        return getattr(writer, name)
    raise AttributeError(f"module 'storage' has no attribute {name!r}")
