"""What the cache knows of one stored series: its manifest, and where it lies.

    series/<symbol key>/<timeframe>/<fingerprint hex>/   manifest.json, archive.parquet, time.npy, open.npy, …

An entry folder appears by one rename and is never changed, so data and digests cannot disagree by a crash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foldward.contracts.canonical import canonical_bytes, digest
from foldward.contracts.jobs import DATA_REMARKS
from foldward.contracts.timeframe import timeframe_label
from foldward.data._names import symbol_key
from foldward.data.findings import Finding
from foldward.data.identity import fingerprint_of

FORMAT = 2  # 1: no checksums but the SHA-256 of each file; still read
WARNED, ACCEPTED = DATA_REMARKS
MANIFEST = "manifest.json"
ARCHIVE = "archive.parquet"


class Damaged(Exception):
    """A manifest or a column does not hold what its digest says; the cache turns it into `data.corrupt`."""


@dataclass(frozen=True)
class Entry:
    """A stored series. first, last: Unix seconds of the outer bars; source: the path it came from.

    accepted: codes that would have refused it and that the caller allowed; warnings: findings recorded on
    every verdict. columns: hex SHA-256 of each column's file, which make the fingerprint. sums: checksum
    of every file but the manifest, by its name. folder: where they lie.
    """

    fingerprint: str
    symbol: str
    timeframe: int
    rows: int
    first: int
    last: int
    provenance: str
    source: str
    accepted: tuple[str, ...]
    warnings: tuple[Finding, ...]
    coverage: float | None
    calendar: str | None
    stored_us: int
    columns: Mapping[str, str]
    sums: Mapping[str, str]
    folder: Path

    def to_dict(self) -> dict[str, Any]:
        """The JSON form for lists: everything but the digests of single files."""
        return {
            "fingerprint": self.fingerprint,
            "symbol": self.symbol,
            "timeframe": self.timeframe,
            "rows": self.rows,
            "first": self.first,
            "last": self.last,
            "provenance": self.provenance,
            "source": self.source,
            "accepted": list(self.accepted),
            "warnings": [item.to_dict() for item in self.warnings],
            "coverage": self.coverage,
            "calendar": self.calendar,
            "stored_us": self.stored_us,
        }


def data_notes(entry: Any) -> list[str]:
    """What is recorded on every verdict that stands on these candles: WARN findings and accepted ones.

    entry: anything with `warnings` and `accepted`.
    """
    found = [f"{WARNED} {item.code} ({item.count})" for item in entry.warnings]
    return found + [f"{ACCEPTED}: {code}" for code in entry.accepted]


def hex_of(fingerprint: str) -> str | None:
    """The 64 hex digits of `sha256:…`, or None for anything else (it then names no folder)."""
    digits = fingerprint.removeprefix("sha256:")
    fits = len(digits) == 64 and set(digits) <= set("0123456789abcdef")
    return digits if fits and digits != fingerprint else None


def series_folder(root: Path, symbol: str, timeframe: int) -> Path:
    """The folder of a symbol's series of one timeframe."""
    return root / "series" / symbol_key(symbol) / timeframe_label(timeframe)


def manifest_bytes(entry: Entry) -> bytes:
    """The manifest with the digest of its own body."""
    body = entry.to_dict() | {"format": FORMAT, "columns": dict(entry.columns), "sums": dict(entry.sums)}
    return canonical_bytes({"body": body, "digest": digest(body)})


def read_entry(folder: Path, fingerprint: str | None = None) -> Entry:
    """The entry in a folder, which its name or `fingerprint` must be.

    Raises FileNotFoundError when there is none, Damaged when it is not whole.
    """
    raw = (folder / MANIFEST).read_bytes()
    try:
        said = json.loads(raw)
        body = said["body"]
        whole = said["digest"] == digest(body) and set(said) == {"body", "digest"}
        if not whole:
            raise Damaged(f"{MANIFEST} does not match its digest")
        entry = Entry(
            **{name: body[name] for name in _PLAIN},
            coverage=None if body["coverage"] is None else float(body["coverage"]),
            accepted=tuple(body["accepted"]),
            warnings=tuple(Finding.from_dict(item) for item in body["warnings"]),
            sums=_sums(body),
            folder=folder,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"{MANIFEST} cannot be read: {error}") from error
    named = fingerprint_of(entry.columns, entry.rows, entry.timeframe, entry.provenance)
    wanted = f"sha256:{folder.name}" if fingerprint is None else fingerprint
    if not named == entry.fingerprint == wanted:
        raise Damaged(f"{MANIFEST} does not describe {folder.name}")
    return entry


def _sums(body: Mapping[str, Any]) -> dict[str, str]:
    if body["format"] == 1:
        files = {f"{name}.npy": digits for name, digits in body["columns"].items()}
        return {name: f"sha256:{digits}" for name, digits in {**files, ARCHIVE: body["archive"]}.items()}
    if body["format"] != FORMAT:
        raise Damaged(f"{MANIFEST} has format {body['format']}; this version reads 1 and {FORMAT}")
    return dict(body["sums"])


_PLAIN = (
    "fingerprint",
    "symbol",
    "timeframe",
    "rows",
    "first",
    "last",
    "provenance",
    "source",
    "calendar",
    "stored_us",
    "columns",
)
