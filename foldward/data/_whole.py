"""Reading a whole file, a long one into large pages: faulting in small ones takes longer than reading it."""

from __future__ import annotations

import ctypes
import mmap
import sys
from io import FileIO
from pathlib import Path

import numpy as np

_LONG = 16 << 20
_PIECE = 4 << 20
_HUGE = getattr(mmap, "MADV_HUGEPAGE", None)  # Linux


def read_whole(path: str | Path) -> bytes:
    """The bytes of a file. Raises OSError."""
    with FileIO(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        if size < _LONG or _HUGE is None or sys.implementation.name != "cpython":
            return file.readall()
        return _read(file, size, _HUGE)


def _read(file: FileIO, size: int, huge: int) -> bytes:
    """What is in a file that has about `size` (2 or more) bytes, however many they are when it is read."""
    whole = _unwritten(size)
    address = np.frombuffer(whole, np.uint8).ctypes.data
    start = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (address + size - start) // mmap.PAGESIZE * mmap.PAGESIZE
    if length > 0:
        # Advice only: a kernel without large pages refuses it and small ones serve.
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), huge)
    view = memoryview((ctypes.c_char * size).from_address(address)).cast("B")
    at = 0
    while at < size and (got := file.readinto(view[at : at + _PIECE])):
        at += got
    rest = file.readall()  # it may have grown or shrunk since it was measured
    return whole if at == size and not rest else whole[:at] + rest


def _unwritten(size: int) -> bytes:
    """A bytes object whose content is still to be written: the C API allows that to whoever has just made it.

    Every other way from a file to a bytes object faults its memory in by small pages.
    """
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t)
    made: bytes = make(("PyBytes_FromStringAndSize", ctypes.pythonapi))(None, size)
    return made
