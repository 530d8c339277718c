"""`foldward doctor`: is this machine and this installation fit, and what to do where it is not.

`actors`, `supervision` and `storage` are names that other distributions install too; whoever shares a venv
with one of them would run its code. `foreign_packages` says so, at boot and in CI.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from foldward.contracts import clock
from foldward.contracts.errors import ConfigError, FoldwardError
from foldward.settings import Home, load

ROOMS = ("actors", "foldward", "storage", "supervision")
OURS = "foldward"
SQLITE_FLOOR = (3, 51, 3)  # below: the WAL-reset bug with several writers
DISK_FLOOR = 512 * 1024**2
_LISTED = re.compile(rf"^({'|'.join(ROOMS)})(?:/.*)?\.py,", re.MULTILINE)  # in a RECORD: PATH,HASH,SIZE


@dataclass(frozen=True)
class Check:
    """One thing looked at: its finding and, where it is bad, what to do."""

    name: str
    ok: bool
    detail: str
    hint: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def foreign_packages(owners: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """`actors (from thespian)` for each of our rooms that another distribution owns too."""
    owners = _owners() if owners is None else owners
    intruders = []
    for room in ROOMS:
        others = sorted({owner for owner in owners.get(room, ()) if owner.lower() != OURS})
        intruders += [f"{room} (from {owner})" for owner in others]
    return intruders


def _owners() -> dict[str, list[str]]:
    """As `metadata.packages_distributions`, for our rooms alone: that looks at every file for 0.1 s."""
    found: dict[str, list[str]] = {}
    for distribution in metadata.distributions():
        declared = (distribution.read_text("top_level.txt") or "").split()
        names = declared or _LISTED.findall(distribution.read_text("RECORD") or "")
        for room in set(names).intersection(ROOMS):
            found.setdefault(room, []).append(distribution.metadata["Name"])
    return found


def misplaced_rooms(find: Callable[[str], Any] = importlib.util.find_spec) -> list[str]:
    """Rooms that Python would import from another place than this package's own neighbours."""
    here = Path(__file__).resolve().parents[2]
    wrong = []
    for room in ROOMS:
        spec = find(room)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is None or origin.parents[1] != here:
            wrong.append(f"{room} (at {origin or 'nowhere'})")
    return wrong


def require_own_rooms() -> None:
    """Raise config.foreign_package when another distribution owns one of our names."""
    intruders = foreign_packages() + misplaced_rooms()
    if intruders:
        raise ConfigError(
            "config.foreign_package", f"not ours although imported by our names: {', '.join(intruders)}"
        )


def examine(home: Home, config_file: Path | None) -> list[Check]:
    """All checks, in the order in which a person would look."""
    steps: list[Callable[[], Check]] = [
        _python,
        _packages,
        _sqlite,
        lambda: _settings(config_file),
        lambda: _home(home),
        lambda: _disk(home),
        lambda: _database(home),
        lambda: _core(home),
        lambda: _socket(home),
        _cores,
        _clock,
        _engine,
    ]
    return [_guarded(step) for step in steps]


def _guarded(step: Callable[[], Check]) -> Check:
    try:
        return step()
    except FoldwardError as error:
        return Check(error.code, False, error.message, error.hint)
    except Exception as error:  # a doctor that dies of a symptom helps nobody
        return Check(
            getattr(step, "__name__", "check").strip("_"),
            False,
            f"{type(error).__name__}: {error}",
            "report it",
        )


def _python() -> Check:
    found = platform.python_version()
    return Check(
        "python",
        sys.version_info >= (3, 11),
        f"{found} at {sys.executable}",
        "install Python 3.11 or newer",
    )


def _packages() -> Check:
    intruders = foreign_packages() + misplaced_rooms()
    return Check(
        "packages",
        not intruders,
        ", ".join(intruders) if intruders else f"{', '.join(ROOMS)} are ours",
        "install Foldward in a venv of its own",
    )


def _sqlite() -> Check:
    import apsw

    version = apsw.sqlite_lib_version()
    good = tuple(int(part) for part in version.split(".")[:3]) >= SQLITE_FLOOR
    return Check("sqlite", good, f"{version} (apsw {apsw.apsw_version()})", "pip install --upgrade apsw")


def _settings(file: Path | None) -> Check:
    snapshot = load(file)
    return Check(
        "settings", True, f"{snapshot.file or 'defaults and environment'}, {snapshot.config_hash[:19]}"
    )


def _home(home: Home) -> Check:
    root = home.root
    if not root.exists():
        parent = next(path for path in [root, *root.absolute().parents] if path.exists())
        fits = parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)
        found = (
            "will be made by the first run" if fits else f"cannot be made: {parent} is no folder to write to"
        )
        return Check("home", fits, f"{root} {found}", "choose a --home you may write")
    return Check("home", os.access(root, os.W_OK | os.X_OK), str(root), "choose a --home you may write")


def _disk(home: Home) -> Check:
    place = next(path for path in [home.root, *home.root.absolute().parents] if path.exists())
    free = shutil.disk_usage(place).free
    return Check("disk", free >= DISK_FLOOR, f"{free / 1024**3:.1f} GiB free", "free some space")


def _database(home: Home) -> Check:
    if not home.database.exists():
        return Check("database", True, "none yet")
    from storage.reads import Reader

    reader = Reader(home.database)
    try:
        counts = reader.queue_counts()
    finally:
        reader.close()
    return Check("database", True, f"{home.database}: {counts}")


def _core(home: Home) -> Check:
    holder = home.holder()
    return Check("core", True, "not running" if holder is None else f"running, pid {holder.get('pid')}")


def _socket(home: Home) -> Check:
    if not home.root.exists():
        return Check("socket", True, "none yet")
    return Check("socket", True, str(home.socket("inspect")))


def _cores() -> Check:
    count = os.cpu_count() or 1
    return Check("cores", True, f"{count}: as many workers by default")


def _clock() -> Check:
    year = clock.utcnow().year
    return Check("clock", 2025 <= year < 2100, clock.iso_ms(clock.utc_us()), "set the clock (chrony, ntpd)")


def _engine() -> Check:
    from foldward.backtest import ENGINE_VERSION, KINDS

    return Check("engine", True, f"{ENGINE_VERSION}; kinds {', '.join(sorted(KINDS))}")
