"""Key files of links beyond this machine: CURVE keys in the form of an environment file (spec 2.1).

    FOLDWARD_LINK__CURVE_PUBLIC_KEY='…'     both ends
    FOLDWARD_LINK__CURVE_SECRET_KEY='…'     both ends, each its own
    FOLDWARD_LINK__CURVE_SERVER_KEY='…'     a worker's file: core's public key

The names are those of the settings, so that a file serves `foldward worker --keys` and systemd's
EnvironmentFile alike. Keys are 32 bytes as 40 characters of Z85 (https://rfc.zeromq.org/spec/32/).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from foldward.contracts.errors import ConfigError
from foldward.files import atomic_file

PREFIX = "FOLDWARD_LINK__CURVE_"
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_LINE = re.compile(rf"""(?:export\s+)?{PREFIX}(PUBLIC|SECRET|SERVER)_KEY\s*=\s*(['"]?)(.*)\2$""")


@dataclass(frozen=True)
class Keys:
    """One end's pair; `server` is core's public key in a worker's file, else empty."""

    public: str
    secret: str = field(repr=False)
    server: str = ""


def is_key(text: str) -> bool:
    """Whether it is 40 characters of Z85."""
    return _Z85.fullmatch(text) is not None


def write_keys(file: Path, keys: Keys) -> None:
    """Write a key file that only its owner can read. Raises OSError."""
    lines = [
        "# Keep this file secret. Foldward reads it with --keys, systemd as an EnvironmentFile.",
        f"{PREFIX}PUBLIC_KEY='{keys.public}'",
        f"{PREFIX}SECRET_KEY='{keys.secret}'",
    ]
    if keys.server:
        lines.append(f"{PREFIX}SERVER_KEY='{keys.server}'")
    with atomic_file(file) as handle:
        os.fchmod(handle.fileno(), 0o600)
        handle.write(("\n".join(lines) + "\n").encode())


def read_keys(file: Path) -> Keys:
    """The keys of a file. Raises ConfigError: config.unreadable, config.invalid (no key, open to others)."""
    try:
        with file.open(encoding="utf-8") as handle:
            mode = os.fstat(handle.fileno()).st_mode
            lines = handle.read(65_536).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(
            "config.unreadable", f"key file {file}: {why}", hint="foldward keys worker NAME makes one"
        ) from error
    if mode & 0o077:
        raise ConfigError(
            "config.invalid",
            f"key file {file} can be read by others (mode {mode & 0o777:o})",
            hint=f"chmod 600 {file}; if others may have read it, make new keys",
        )
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.match(line.strip())
        if match is None:
            continue
        name, _, value = match.groups()
        if not is_key(value):
            raise ConfigError(
                "config.invalid",
                f"key file {file} line {number}: {PREFIX}{name}_KEY is not 40 characters of Z85",
                hint="foldward keys worker NAME makes one",
            )
        found[name] = value
    missing = [name for name in ("PUBLIC", "SECRET") if name not in found]
    if missing:
        raise ConfigError(
            "config.invalid",
            f"key file {file} has no {PREFIX}{missing[0]}_KEY",
            hint="foldward keys worker NAME makes one",
        )
    return Keys(found["PUBLIC"], found["SECRET"], found.get("SERVER", ""))
