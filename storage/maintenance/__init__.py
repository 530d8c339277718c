"""Looking after the file: copies, restoring, checking, figures. Plain dictionaries for the command line."""

from storage.maintenance._copy import check_copy, copy_database
from storage.maintenance._fsck import fsck
from storage.maintenance._restore import backup, restore
from storage.maintenance._stats import stats

__all__ = ["backup", "check_copy", "copy_database", "fsck", "restore", "stats"]
