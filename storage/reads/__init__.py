"""Every SELECT: the reader, one read-only connection for one thread."""

from storage.reads._reader import Reader

__all__ = ["Reader"]
