"""Folders in memory: these tests spoil, kill and race thousands of files, and none is about the disk."""

from in_memory import scratch, tmp_path

__all__ = ["scratch", "tmp_path"]
