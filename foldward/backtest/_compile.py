"""How kernels are compiled and where their machine code is kept.

numba stores compiled code beside the source or under NUMBA_CACHE_DIR, one setting for the whole process. Ours
goes to a folder of its own, keyed by numba's version, Python's, the module's content and the CPU, so that an
upgrade, an edit or another machine on a shared home never meets foreign code; the process-wide setting is put
back at once, because other libraries read it too.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba
from numba.core import config as _numba_config

# numba fills this module from the environment at run time; its stubs know nothing of it.
config: Any = _numba_config

_lock = threading.Lock()


def _base() -> Path:
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen)
    xdg = os.environ.get("XDG_CACHE_HOME")
    return Path(xdg) if xdg else Path.home() / ".cache"


def _usable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def cache_folder(source: str) -> str:
    """The folder for the compiled code of the module at `source`; a private temporary one as last resort."""
    features = ",".join(sorted(name for name, present in llvm.get_host_cpu_features().items() if present))
    material = "|".join(
        [
            numba.__version__,
            platform.python_implementation(),
            ".".join(map(str, sys.version_info[:3])),
            llvm.get_host_cpu_name(),
            features,
            hashlib.sha256(Path(source).read_bytes()).hexdigest(),
        ]
    )
    key = hashlib.sha256(material.encode()).hexdigest()[:20]
    try:
        folder = _base() / "foldward" / "kernels" / key
        if _usable(folder):
            return str(folder)
    except RuntimeError:  # Path.home() without a home
        pass
    shared = Path(tempfile.gettempdir()) / f"foldward-kernels-{os.getuid()}" / key
    try:
        if _usable(shared) and shared.stat().st_uid == os.getuid():
            return str(shared)
    except OSError:
        pass
    return tempfile.mkdtemp(prefix="foldward-kernels-")


def kernel_decorator(source: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba.njit for the functions of one module: nogil, cached in our folder, IEEE arithmetic as written."""
    folder = cache_folder(source)

    def decorate(function: Callable[..., Any]) -> Any:
        with _lock:
            before = config.CACHE_DIR
            config.CACHE_DIR = folder
            try:
                return numba.njit(nogil=True, cache=True, fastmath=False, error_model="numpy", **options)(
                    function
                )
            finally:
                config.CACHE_DIR = before

    return decorate
