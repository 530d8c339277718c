"""The cache of canonical candles: each content stored once, found by its fingerprint, never half there.

Ingesting (`ensure`) imports polars; reading (`load`, `entry`, `find`) imports numpy alone and maps columns.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from foldward.contracts import clock
from foldward.contracts.errors import DataError, InternalError
from foldward.data import _sums
from foldward.data._layout import QUARANTINE, entry_folders, inode_of, set_aside, subfolders
from foldward.data._names import shown, symbol_key
from foldward.data._npy import map_columns, verify_file
from foldward.data._sources import Known, Sources, signature_of
from foldward.data.bars import Bars
from foldward.data.entries import (
    ARCHIVE,
    MANIFEST,
    Damaged,
    Entry,
    hex_of,
    read_entry,
    series_folder,
)
from foldward.data.findings import Report
from foldward.files import sweep_orphans

if TYPE_CHECKING:
    from foldward.data.contract import Terms


class Cache:
    """A cache folder; any number of processes and threads may use it at once.

    counters: how often a source or an entry was there (hit), had to be read (miss), and how many entries were
    found damaged and set aside (quarantined), by this object.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.counters = {"hit": 0, "miss": 0, "quarantined": 0}
        self._lock = threading.Lock()
        self._sources = Sources(self.root)
        self._folders: dict[str, Path] = {}

    def ensure(
        self,
        path: str | Path,
        timeframe: int | str | None = None,
        *,
        symbol: str | None = None,
        utc: bool = False,
        allow: Collection[str] = (),
        synthetic: bool = False,
        coverage_min: float = 0.95,
        now_us: int | None = None,
    ) -> Entry:
        """The entry of a source file, which is checked and stored when it is new or has changed.

        Arguments as for `contract.check_file`. Raises DataError `data.refused` (context: `report`, `cause`)
        when the contract refuses the file, and `data.spacing` when no timeframe is declared or visible.
        """
        from foldward.data import contract

        said = contract.terms(
            path,
            timeframe,
            symbol=symbol,
            utc=utc,
            allow=allow,
            synthetic=synthetic,
            coverage_min=coverage_min,
        )
        now_us = clock.utc_us() if now_us is None else now_us
        real = os.path.realpath(path)
        symbol_key(said.symbol)
        key = self._sources.key(shown(real), vars(said))
        known = self._sources.known(key, shown(real))
        if known is not None and known.settled and signature_of(real) == known.signature:
            entry = self._recall(known)
            if entry is not None:
                return entry
        with self._sources.locked(key):
            return self._read(shown(path), real, key, said, now_us)

    def entry(self, fingerprint: str) -> Entry | None:
        """The entry of a fingerprint, or None; a damaged one is quarantined and is then None too.

        Where several symbols have the same candles, the entry of the first of them.
        """
        folder = self._folder(fingerprint)
        return None if folder is None else self._entry_in(folder)

    def load(self, fingerprint: str) -> Bars:
        """The candles of a fingerprint, mapped read-only, verified once per process and inode.

        Raises DataError `data.not_found` for an unknown fingerprint, and `data.corrupt` when the entry was
        damaged: it is then in quarantine, and `ensure` (or `rebuild`) stores it anew.
        """
        folder = self._folder(fingerprint)
        if folder is None:
            self._count("miss")
            raise DataError("data.not_found", f"the cache holds no {fingerprint}", fingerprint=fingerprint)
        inode = inode_of(folder)
        try:
            entry = read_entry(folder)
            columns = map_columns(folder, entry.rows, entry.sums)
        except Damaged as damage:
            raise self._quarantine(folder, inode, str(damage)) from damage
        except FileNotFoundError as error:
            raise self._quarantine(folder, inode, f"{MANIFEST} is missing") from error
        except OSError as error:
            raise DataError(
                "data.unreadable", f"{error.strerror or error} ({folder})", fingerprint=fingerprint
            ) from error
        self._count("hit")
        return Bars(
            **columns,
            timeframe=entry.timeframe,
            fingerprint=entry.fingerprint,
            symbol=entry.symbol,
            provenance=entry.provenance,
        )

    def find(self, symbol: str, timeframe: int) -> list[Entry]:
        """The entries of a series, the one that reaches furthest last."""
        found = (self._entry_in(folder) for folder in subfolders(series_folder(self.root, symbol, timeframe)))
        return sorted(
            (entry for entry in found if entry is not None),
            key=lambda entry: (entry.last, entry.stored_us, entry.fingerprint),
        )

    def entries(self) -> list[Entry]:
        """Every entry, by symbol and timeframe."""
        found = (self._entry_in(folder) for folder in entry_folders(self.root))
        return sorted(
            (entry for entry in found if entry is not None),
            key=lambda entry: (entry.symbol, entry.timeframe, entry.last, entry.fingerprint),
        )

    def verify(self, fingerprint: str) -> bool:
        """Whether all files of an entry, the archive too, hold what they should; quarantines it if not."""
        folder = self._folder(fingerprint)
        if folder is None:
            return False
        inode = inode_of(folder)
        try:
            entry = read_entry(folder)
            for name, wanted in entry.sums.items():
                verify_file(folder / name, wanted)
            for name, digits in entry.columns.items():
                verify_file(folder / f"{name}.npy", f"sha256:{digits}")
        except (Damaged, FileNotFoundError) as damage:
            self._quarantine(folder, inode, str(damage))
            return False
        return True

    def rebuild(self, fingerprint: str) -> Entry:
        """Store a quarantined entry anew, from its archive or from its source file.

        Raises DataError `data.corrupt` when neither gives the same content.
        """
        from foldward.data._ingest import restore

        digits = hex_of(fingerprint)
        for folder in subfolders(self.root / QUARANTINE):
            if digits is None or digits not in folder.name:
                continue
            try:
                entry = read_entry(folder, fingerprint)
                return restore(self.root, folder / ARCHIVE, entry)
            except (Damaged, OSError):
                continue
        for key, path in self._sources.paths_of(fingerprint):
            again = self._from_source(key, path)
            if again is not None and again.fingerprint == fingerprint:
                return again
        raise DataError(
            "data.corrupt",
            f"{fingerprint} can be rebuilt neither from its archive nor from its source",
            hint="foldward data import FILE",
            retryable=False,
            fingerprint=fingerprint,
        )

    def sweep(self) -> list[Path]:
        """Remove what writers that died left behind; writers at work are not disturbed. For the start."""
        return sweep_orphans(self.root, recursive=True)

    def _read(self, path: str, real: str, key: str, said: Terms, now_us: int) -> Entry:
        """Read, check and store a source, holding its lock."""
        from foldward.data import _ingest, contract
        from foldward.data._table import Findings

        known = self._sources.known(key, shown(real))
        if known is not None and known.settled and signature_of(real) == known.signature:
            entry = self._recall(known)  # another process did the work while we waited
            if entry is not None:
                return entry
        found = Findings()
        before, read_ns = signature_of(real), clock.utc_us() * 1000
        data = contract.read_bytes(real, found)
        if data is None or before is None:
            raise _refused(contract.examine(path, None, said, now_us, found).report)
        settled, checksum = before.settled(read_ns), _sums.checksum(data)
        if known is not None and known.checksum == checksum:
            entry = self._recall(known)
            if entry is not None:
                self._sources.remember(key, replace(known, signature=before, settled=settled))
                return entry
        self._count("miss")
        checked = contract.examine(path, data, said, now_us)
        if signature_of(real) != before:
            raise DataError(
                "data.unreadable",
                f"{path} changed while it was read",
                hint="wait until it is written, then try again",
                retryable=True,
            )
        report = checked.report
        base = Known(
            shown(real), before, settled, checksum, report.fingerprint, vars(said), report.timeframe, None
        )
        if not report.accepted:
            refusal = _refused(report)
            if all(item.code != "data.future" for item in report.findings):  # tomorrow it may be in the past
                self._sources.remember(key, replace(base, refusal=refusal.as_dict()))
            raise refusal
        if checked.bars is None or checked.identity is None:
            raise DataError(
                "data.spacing",
                f"{path} has one row and states no timeframe",
                hint="declare --timeframe, or name the file SYMBOL_TF.csv",
            )
        stored = self._entry_in(_ingest.folder_of(self.root, checked.bars))  # sets a damaged one aside
        entry = stored or _ingest.store(self.root, checked.bars, checked.identity, report, shown(real))
        self._sources.remember(key, base)
        return self._entry_in(entry.folder) or entry

    def _recall(self, known: Known) -> Entry | None:
        """The entry that a known source became, its refusal raised, or None when it must be read again."""
        if known.refusal is not None:
            self._count("hit")
            said = known.refusal
            raise DataError(said["code"], said["message"], hint=said["hint"], **said["context"])
        if known.fingerprint is None or known.timeframe is None:
            return None
        folder = series_folder(self.root, known.terms["symbol"], known.timeframe)
        entry = self._entry_in(folder / (hex_of(known.fingerprint) or "-"))
        if entry is not None:
            self._count("hit")
        return entry

    def _from_source(self, key: str, path: str) -> Entry | None:
        from foldward.data.contract import Terms

        known = self._sources.known(key, path)
        if known is None:
            return None
        said = Terms(**{**known.terms, "allow": tuple(known.terms["allow"])})
        try:
            with self._sources.locked(key):
                return self._read(path, path, key, said, clock.utc_us())
        except DataError:  # gone, or no longer what it was
            return None

    def _entry_in(self, folder: Path) -> Entry | None:
        inode = inode_of(folder)
        try:
            return read_entry(folder)
        except (FileNotFoundError, NotADirectoryError):
            if inode is not None:
                self._quarantine(folder, inode, f"{MANIFEST} is missing")
        except Damaged as damage:
            self._quarantine(folder, inode, str(damage))
        return None

    def _folder(self, fingerprint: str) -> Path | None:
        digits = hex_of(fingerprint)
        if digits is None:
            return None
        known = self._folders.get(digits)
        if known is not None and known.is_dir():
            return known
        for folder in entry_folders(self.root, digits):
            self._folders[digits] = folder
            return folder
        return None

    def _quarantine(self, folder: Path, inode: int | None, why: str) -> DataError:
        """Move a damaged entry aside and return the error that says so."""
        with self._lock:
            self._folders.pop(folder.name, None)
        if set_aside(self.root, folder, inode, why):
            self._count("quarantined")
        fingerprint = f"sha256:{folder.name}"
        return DataError(
            "data.corrupt",
            f"{why}; the entry {fingerprint} is in quarantine",
            fingerprint=fingerprint,
            why=why,
        )

    def _count(self, name: str) -> None:
        with self._lock:
            self.counters[name] += 1


def _refused(report: Report) -> DataError:
    error = report.refusal()
    if error is None:
        raise InternalError("internal.bug", f"{report.file} was refused without a finding")
    return error
