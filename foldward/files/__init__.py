"""Files that are whole or absent: written aside, made durable, renamed into place."""

from foldward.files._atomic import (
    atomic_file,
    atomic_folder,
    atomic_write,
    fsync_dir,
    fsync_file,
    require_writable,
)
from foldward.files._orphans import ORPHAN_SUFFIX, is_orphan_name, sweep_orphans

__all__ = [
    "ORPHAN_SUFFIX",
    "atomic_file",
    "atomic_folder",
    "atomic_write",
    "fsync_dir",
    "fsync_file",
    "is_orphan_name",
    "require_writable",
    "sweep_orphans",
]
