"""A run's manifest: everything that could change its numbers (spec 3.3)."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Collection, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from foldward.backtest.plugins import plugin_record

PACKAGES = ("numpy", "numba", "llvmlite", "polars", "msgspec", "apsw", "pykka", "pyzmq", "peewee", "pydantic")


def code_identity() -> dict[str, Any]:
    """Version, digest of our own source files, and, in a checkout, commit and dirty flag."""
    root = Path(__file__).resolve().parents[2]
    identity: dict[str, Any] = {"version": metadata.version("foldward"), "source": source_digest(root)}
    if (root / ".git").exists():
        identity |= _git(root)
    return identity


def source_digest(root: Path) -> str:
    """SHA-256 over the names and bytes of all Python files of our rooms."""
    hasher = hashlib.sha256()
    for room in ("actors", "foldward", "storage", "supervision"):
        for file in sorted((root / room).rglob("*.py")):
            hasher.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes() + b"\0")
    return "sha256:" + hasher.hexdigest()


def own_kinds(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Of these kinds those of the user's own: {source digest, origin, engine} of each.

    origin: the module, or the entry point with its distribution and version. A kind that is not installed
    any more is left out.
    """
    found = {name: plugin_record(name) for name in names}
    return {name: record for name, record in found.items() if record is not None}


def environment() -> dict[str, Any]:
    """Python, platform and the versions of the packages that numbers pass through."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def manifest(
    *,
    run_id: str,
    seed: int,
    config_hash: str,
    data: Mapping[str, str],
    strategies: str,
    engine: str,
    names: Collection[str],
    kinds: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """The whole record: `data` maps symbol_timeframe to fingerprint, `strategies` is the set's digest.

    kinds: the user's own kinds among the strategies' (`own_kinds`).
    """
    return {
        "run_id": run_id,
        "seed": seed,
        "config_hash": config_hash,
        "data": dict(sorted(data.items())),
        "strategies": strategies,
        "names": sorted(names),
        "engine": engine,
        "kinds": {name: dict(kinds[name]) for name in sorted(kinds or {})},  # type: ignore[index]
        "code": code_identity(),
        "environment": environment(),
    }


def _git(root: Path) -> dict[str, Any]:
    def ask(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=5, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = ask("rev-parse", "HEAD")
    changed = ask("status", "--porcelain", "--untracked-files=no")
    return {} if commit is None else {"commit": commit, "dirty": bool(changed)}
