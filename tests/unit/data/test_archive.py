"""The archive: every column comes back bit for bit, decimals in half the bytes."""

import hashlib
import json
import math

import numpy as np
import polars as pl
import pytest

from foldward.contracts.canonical import canonical_bytes, digest
from foldward.contracts.errors import DataError
from foldward.data import _sums
from foldward.data._archive import places_of, read_archive, write_archive
from foldward.data.bars import day_ends
from foldward.data.cache import Cache

NAMES = ("open", "high", "low", "close", "volume")


def columns(close):
    close = np.array(close, dtype=np.float64)
    made = dict.fromkeys(NAMES, close)
    made["time"] = 1_704_067_200_000_000_000 + 60_000_000_000 * np.arange(len(close))
    made["day_end"] = day_ends(made["time"])
    return made


def same(left, right):
    return {name: column.tobytes() for name, column in left.items()} == {
        name: column.tobytes() for name, column in right.items()
    }


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([1.0, 2.0, 999_999_999.0], (0, 9)),
        ([1.0, 1_000_000_000.0], (0, 15)),
        ([1.08215, 1.08216], (5, 9)),
        ([0.00000001, 3.0], (8, 9)),
        ([40_000.12345], (5, 15)),
        ([1.5, 1.25, 1.125], (3, 9)),
        ([1 / 3], None),
        ([math.pi, 1.0], None),
        ([1e15], None),
        ([1.7e308, 1.0], None),
        ([5e-324], None),
        ([0.0, 5.0], (0, 9)),
        ([-0.0, 5.0], None),  # no decimal knows this zero
    ],
)
def test_the_places_of_a_column_are_the_fewest_that_hold_every_value_exactly(values, places):
    assert places_of(np.array(values)) == places


def test_a_single_value_of_another_kind_in_a_long_column_is_not_missed():
    column = np.full(40_001, 1.25)
    column[33_333] = 1 / 3
    assert places_of(column) is None
    column[33_333] = 1.12345
    assert places_of(column) == (5, 9)


@pytest.mark.parametrize(
    ("close", "kind"),
    [
        ([1.08215, 1.08216, 0.99999], pl.Decimal(9, 5)),
        ([40_000.12345, 0.1, 7.0], pl.Decimal(15, 5)),
        ([3.0, 4.0], pl.Int32()),
        ([3.0, 4_000_000_000.0], pl.Int64()),
        ([1 / 3, 0.1, 1.7e308, 5e-324], pl.Float64()),
        ([-0.0, 5.0], pl.Float64()),
    ],
)
def test_an_archive_gives_back_every_bit(tmp_path, close, kind):
    made = columns(close)
    write_archive(tmp_path / "archive.parquet", made)
    assert pl.read_parquet_schema(tmp_path / "archive.parquet")["close"] == kind
    assert same(read_archive(tmp_path / "archive.parquet"), made)


@pytest.mark.parametrize("digits", [9, 15])
@pytest.mark.parametrize("places", range(9))
def test_decimals_of_every_length_come_back_exactly(tmp_path, digits, places):
    rng = np.random.default_rng(places)
    whole = rng.integers(1, 10**digits, 2000)
    made = columns(whole / 10.0**places)
    write_archive(tmp_path / "archive.parquet", made)
    assert same(read_archive(tmp_path / "archive.parquet"), made)


def former(folder):
    """Turn an entry into one of format 1: floating point in the archive, no checksums but SHA-256."""
    frame = pl.read_parquet(folder / "archive.parquet")
    frame.with_columns(pl.col(*NAMES).cast(pl.Float64)).write_parquet(folder / "archive.parquet")
    body = json.loads((folder / "manifest.json").read_bytes())["body"]
    del body["sums"]
    body |= {"format": 1, "archive": hashlib.sha256((folder / "archive.parquet").read_bytes()).hexdigest()}
    (folder / "manifest.json").write_bytes(canonical_bytes({"body": body, "digest": digest(body)}))


def flip(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


@pytest.fixture
def entry(tmp_path, write, bars):
    return Cache(tmp_path / "cache").ensure(write(bars(24)))


def test_an_entry_of_the_former_format_loads_and_is_verified_as_before(tmp_path, entry):
    want = Cache(tmp_path / "cache").load(entry.fingerprint).close.tolist()
    former(entry.folder)
    cache = Cache(tmp_path / "cache")
    found = cache.entry(entry.fingerprint)
    assert (found.rows, found.sums["close.npy"]) == (24, f"sha256:{entry.columns['close']}")
    assert cache.load(entry.fingerprint).close.tolist() == want
    assert cache.verify(entry.fingerprint)
    assert cache.counters["quarantined"] == 0


@pytest.mark.parametrize("name", ["close.npy", "archive.parquet", "manifest.json"])
def test_a_damaged_entry_of_the_former_format_is_found_and_rebuilt(tmp_path, entry, name):
    former(entry.folder)
    flip(entry.folder / name)
    cache = Cache(tmp_path / "cache")
    assert not cache.verify(entry.fingerprint)
    again = cache.rebuild(entry.fingerprint)
    assert (again.fingerprint, again.sums) == (entry.fingerprint, entry.sums)
    assert len(cache.load(entry.fingerprint)) == 24


def test_an_entry_of_the_former_format_comes_back_from_its_archive_alone(tmp_path, entry):
    former(entry.folder)
    (tmp_path / "TEST_H1.csv").unlink()
    flip(entry.folder / "close.npy")
    cache = Cache(tmp_path / "cache")
    with pytest.raises(DataError) as caught:
        cache.load(entry.fingerprint)
    assert caught.value.code == "data.corrupt"
    assert cache.rebuild(entry.fingerprint) == entry
    assert cache.load(entry.fingerprint).close[0] == 100.3


def test_an_entry_of_a_format_to_come_is_set_aside_and_read_again(tmp_path, entry):
    body = json.loads((entry.folder / "manifest.json").read_bytes())["body"] | {"format": 3}
    (entry.folder / "manifest.json").write_bytes(canonical_bytes({"body": body, "digest": digest(body)}))
    cache = Cache(tmp_path / "cache")
    with pytest.raises(DataError, match=r"format 3; this version reads 1 and 2") as caught:
        cache.load(entry.fingerprint)
    assert caught.value.code == "data.corrupt"
    assert cache.ensure(tmp_path / "TEST_H1.csv").fingerprint == entry.fingerprint


def test_what_a_forger_wrote_with_its_checksums_is_found_by_verify_and_not_by_load(tmp_path, entry):
    """Checksums find damage. Whoever can write the files can write the sums: SHA-256 tells the candles."""
    column = entry.folder / "close.npy"
    flip(column)
    body = json.loads((entry.folder / "manifest.json").read_bytes())["body"]
    body["sums"]["close.npy"] = _sums.checksum(column.read_bytes())
    (entry.folder / "manifest.json").write_bytes(canonical_bytes({"body": body, "digest": digest(body)}))
    cache = Cache(tmp_path / "cache")
    assert len(cache.load(entry.fingerprint)) == 24
    assert not cache.verify(entry.fingerprint)
    assert cache.counters["quarantined"] == 1


def test_columns_in_each_others_place_are_damage(tmp_path, entry):
    (entry.folder / "open.npy").rename(entry.folder / "kept")
    (entry.folder / "close.npy").rename(entry.folder / "open.npy")
    (entry.folder / "kept").rename(entry.folder / "close.npy")
    with pytest.raises(DataError, match=r"open\.npy does not match its checksum"):
        Cache(tmp_path / "cache").load(entry.fingerprint)


def test_an_entry_that_stands_is_not_written_again_when_the_index_is_lost(tmp_path, entry):
    for index in (tmp_path / "cache" / "index").iterdir():
        index.unlink()
    inode = entry.folder.stat().st_ino
    assert Cache(tmp_path / "cache").ensure(tmp_path / "TEST_H1.csv") == entry
    assert entry.folder.stat().st_ino == inode
