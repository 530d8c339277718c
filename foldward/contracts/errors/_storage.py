"""The database and the disk."""

from __future__ import annotations

from foldward.contracts.errors._base import FoldwardError, declare


class StorageError(FoldwardError):
    """The database or the disk refused."""

    family = "storage"
    exit_code = 8


declare(
    "storage.open", "The database cannot be opened.", "check the path and its permissions", fault="machine"
)
declare(
    "storage.newer",
    "The database was written by a newer Foldward.",
    "upgrade Foldward, or restore a backup",
    fault="caller",
)
declare(
    "storage.migration",
    "A migration failed; the database is as it was.",
    "restore the backup named in the message",
    fault="us",
)
declare("storage.write", "A write was refused.", "see the message", retryable=True, fault="machine")
declare(
    "storage.fenced",
    "A replaced actor tried to write.",
    "nothing to do: its successor is running",
    fault="us",
)
declare(
    "storage.disk_full",
    "The disk is full.",
    "free space; nothing acknowledged is lost",
    retryable=True,
    fault="machine",
)
declare(
    "storage.io",
    "The disk reported an error.",
    "check the disk; foldward db fsck",
    retryable=True,
    fault="machine",
)
declare(
    "storage.busy",
    "Another process holds the database.",
    "wait for the other command, or stop the core that has it open",
    retryable=True,
    fault="machine",
)
declare(
    "storage.corrupt",
    "The database is damaged.",
    "foldward db fsck, then foldward db restore FILE",
    fault="machine",
)
declare(
    "storage.backup",
    "A backup could not be made or does not check.",
    "choose another file, or free space",
    fault="machine",
)
