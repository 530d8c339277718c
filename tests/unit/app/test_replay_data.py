"""A replay takes no candles on trust: what the cache holds must have the fingerprint that the run names."""

import json
import os
from pathlib import Path

import pytest

from foldward.app.progress import Progress
from foldward.app.replay import _data
from foldward.contracts.canonical import canonical_bytes, digest
from foldward.data import _sums
from foldward.data.cache import Cache
from foldward.data.entries import Entry

ROWS = "t,o,h,l,c,v\n1704067200,1,3,1,2,9\n1704070800,1,3,1,2,8\n"


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    (tmp_path / "X_H1.csv").write_text(ROWS)
    return Cache(tmp_path / "cache").ensure(tmp_path / "X_H1.csv")


def forge(entry: Entry, name: str) -> None:
    """Change a file of an entry together with its checksum in the manifest."""
    data = bytearray((entry.folder / name).read_bytes())
    data[-3] ^= 1
    (entry.folder / name).write_bytes(data)
    body = json.loads((entry.folder / "manifest.json").read_bytes())["body"]
    body["sums"][name] = _sums.checksum(bytes(data))
    (entry.folder / "manifest.json").write_bytes(canonical_bytes({"body": body, "digest": digest(body)}))


def differences(root: Path, entry: Entry) -> list[tuple[str, str | None]]:
    found = _data({"X_H1": entry.fingerprint}, Cache(root), Progress(quiet=True))
    return [(item["message"], item["now"]) for item in found]


def test_whole_candles_are_no_difference_with_their_source_or_without(tmp_path: Path, entry: Entry) -> None:
    assert differences(tmp_path / "cache", entry) == []
    (tmp_path / "X_H1.csv").unlink()
    assert differences(tmp_path / "cache", entry) == []


def test_forged_candles_are_made_again_from_their_source(tmp_path: Path, entry: Entry) -> None:
    forge(entry, "close.npy")
    assert differences(tmp_path / "cache", entry) == []
    assert Cache(tmp_path / "cache").load(entry.fingerprint).close.tolist() == [2.0, 2.0]


def test_forged_candles_whose_archive_and_source_are_gone_are_gone(tmp_path: Path, entry: Entry) -> None:
    forge(entry, "close.npy")
    forge(entry, "archive.parquet")
    (tmp_path / "X_H1.csv").unlink()
    assert differences(tmp_path / "cache", entry) == [("the candles are gone", None)]


def test_candles_that_were_never_there_are_gone(tmp_path: Path, entry: Entry) -> None:
    (tmp_path / "X_H1.csv").unlink()
    assert differences(tmp_path / "other", entry) == [("the candles are gone", None)]
