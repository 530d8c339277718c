"""The cache: one entry a content, whole or absent, damage set aside, unchanged files not read again."""

import os

import numpy as np
import pytest

from foldward.contracts.errors import DataError, RequestError
from foldward.data import _npy, bundled_dir, contract
from foldward.data._layout import set_aside
from foldward.data._sources import Signature
from foldward.data.cache import Cache

HEADER = "timestamp,open,high,low,close,volume\n"
ROW = "1704067200,1,3,1,2,9\n"


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """fsync decides nothing here, and it is most of the time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def test_a_source_is_checked_stored_and_loaded_as_read_only_columns(cache, write, bars):
    entry = cache.ensure(write(bars(24)))
    assert (entry.symbol, entry.timeframe, entry.rows) == ("TEST", 60, 24)
    assert (entry.first, entry.last) == (1_704_067_200, 1_704_150_000)
    assert (entry.provenance, entry.accepted, entry.warnings) == ("real", (), ())
    assert entry.source.endswith("TEST_H1.csv")
    loaded = cache.load(entry.fingerprint)
    assert loaded.open[:2].tolist() == [100.0, 100.3]
    assert loaded.time[1] == 1_704_070_800_000_000_000
    assert loaded.day_end.tolist() == [0] * 23 + [1]
    assert (loaded.timeframe, loaded.symbol, loaded.fingerprint) == (60, "TEST", entry.fingerprint)
    for name in ("time", "open", "high", "low", "close", "volume", "day_end"):
        column = getattr(loaded, name)
        assert not column.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


def test_the_fingerprint_is_the_one_of_the_check_and_numpy_reads_the_files(cache, write, bars, check):
    path = write(bars(24))
    entry = cache.ensure(path)
    assert entry.fingerprint == check(path).fingerprint
    assert np.load(entry.folder / "close.npy").tolist() == cache.load(entry.fingerprint).close.tolist()
    assert np.load(entry.folder / "day_end.npy").dtype == np.uint8


def test_a_fingerprint_never_changes(check):
    report = check(HEADER + ROW)
    assert report.fingerprint == "sha256:b9845b449c1a8eff51bf1d94347b83b0663e8e61e41ac897d997191ecf838908"


def test_an_unchanged_file_is_not_even_opened_again(cache, write, bars, monkeypatch):
    path = write(bars(24))
    monkeypatch.setattr(Signature, "settled", lambda self, read_ns: True)
    first = cache.ensure(path)
    with monkeypatch.context() as only:
        only.setattr(contract, "read_bytes", None)
        assert cache.ensure(path) == first
    assert cache.counters == {"hit": 1, "miss": 1, "quarantined": 0}


def test_a_touched_file_is_hashed_and_not_checked_again(cache, write, bars):
    path = write(bars(24))
    first = cache.ensure(path)
    os.utime(path, ns=(0, 0))
    assert cache.ensure(path) == first
    assert cache.counters == {"hit": 1, "miss": 1, "quarantined": 0}


def test_stamps_are_trusted_only_when_they_are_older_than_the_reading():
    signature = Signature(10, 5_000_000_000, 6_000_000_000, 1)
    assert not signature.settled(8_000_000_000)
    assert signature.settled(8_000_000_001)


def test_a_file_that_changes_while_it_is_read_is_refused_and_may_be_tried_again(
    cache, write, bars, monkeypatch
):
    path = write(bars(24))
    read = contract.read_bytes

    def read_and_append(name, found):
        data = read(name, found)
        with open(path, "ab") as file:
            file.write(b"x")
        return data

    monkeypatch.setattr(contract, "read_bytes", read_and_append)
    with pytest.raises(DataError, match="changed while it was read") as caught:
        cache.ensure(path)
    assert caught.value.retryable


def test_a_file_name_that_is_not_utf8_is_readable_and_its_symbol_is_escaped(cache, write, bars):
    path = os.fsencode(write(bars(3))).replace(b"TEST", b"T\xffST")
    os.rename(write(bars(3)), path)
    entry = cache.ensure(os.fsdecode(path))
    assert entry.symbol == "T\\xffST"
    assert cache.ensure(os.fsdecode(path)) == entry


def test_a_changed_file_is_a_new_entry_and_the_old_one_stays(cache, write, bars):
    first = cache.ensure(write(bars(24)))
    second = cache.ensure(write(bars(25)))
    assert first.fingerprint != second.fingerprint
    assert [entry.rows for entry in cache.find("TEST", 60)] == [24, 25]
    assert len(cache.load(first.fingerprint)) == 24


def test_a_change_of_the_same_size_within_the_same_tick_is_seen(cache, write):
    path = write(HEADER + ROW)
    first = cache.ensure(path)
    facts = path.stat()
    path.write_text(HEADER + ROW.replace("9", "8"))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert cache.ensure(path).fingerprint != first.fingerprint


def test_a_refused_file_raises_the_report_every_time_and_is_checked_once(cache, write):
    path = write(HEADER + "1704067200,1,0.5,1,2,9\n")
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            cache.ensure(path)
        assert caught.value.code == "data.refused"
        assert caught.value.context["cause"] == "data.geometry"
        assert caught.value.context["report"]["findings"][0]["code"] == "data.geometry"
    assert cache.entries() == []


def test_an_unfinished_bar_is_refused_today_and_accepted_tomorrow(cache, write):
    path = write(HEADER + ROW)
    with pytest.raises(DataError, match=r"data\.future"):
        cache.ensure(path, now_us=1_704_067_200_000_000)
    assert cache.ensure(path, now_us=1_704_070_800_000_000).rows == 1


def test_a_missing_file_is_refused_with_its_code(cache, tmp_path):
    with pytest.raises(DataError) as caught:
        cache.ensure(tmp_path / "absent_H1.csv")
    assert (caught.value.code, caught.value.context["cause"]) == ("data.refused", "data.missing_file")


def test_one_row_without_a_timeframe_cannot_be_stored(cache, write):
    with pytest.raises(DataError) as caught:
        cache.ensure(write(HEADER + ROW, name="plain.csv"))
    assert caught.value.code == "data.spacing"
    assert cache.ensure(write(HEADER + ROW, name="plain.csv"), "M5").timeframe == 5


def test_what_was_allowed_is_kept_with_the_entry(cache, write, bars):
    rows = bars(200)
    entry = cache.ensure(write(rows[:50] + rows[80:]), allow=["data.gap"])
    assert entry.accepted == ("data.gap",)
    assert [(item.code, item.severity, item.allowed) for item in entry.warnings] == [
        ("data.gap", "WARN", True)
    ]
    assert cache.entry(entry.fingerprint) == entry


@pytest.mark.parametrize(
    "symbol", ["../../etc/passwd", "..", ".", "EUR/USD", "a\\b", "BRK.B", "%2F", "ÅÄÖ", "con", "x y\n"]
)
def test_no_symbol_leaves_the_cache_and_every_key_can_be_read_back(cache, write, symbol):
    entry = cache.ensure(write(HEADER + ROW), symbol=symbol)
    assert cache.root.resolve() in entry.folder.resolve().parents
    assert entry.folder.parts[-4] == "series"
    assert [found.symbol for found in cache.find(symbol, 60)] == [symbol]


def test_two_symbols_never_share_a_file(cache, write):
    path = write(HEADER + ROW)
    names = ["EUR/USD", "EUR_USD", "EUR%2FUSD", "eur_usd"]
    folders = {cache.ensure(path, symbol=name).folder for name in names}
    assert len(folders) == 4


@pytest.mark.parametrize("symbol", ["", "x" * 65, "\ud800"])
def test_a_symbol_that_cannot_be_a_key_is_a_request_error(cache, write, symbol):
    with pytest.raises(RequestError, match="symbol"):
        cache.ensure(write(HEADER + ROW), symbol=symbol)


@pytest.mark.parametrize(
    "fingerprint", ["", "sha256:", "sha256:../..", "sha256:" + "0" * 64, "../../x", "0" * 64]
)
def test_an_unknown_fingerprint_is_not_found_and_never_a_path(cache, fingerprint):
    assert cache.entry(fingerprint) is None
    with pytest.raises(DataError) as caught:
        cache.load(fingerprint)
    assert caught.value.code == "data.not_found"


def damage(path, offset=-3):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["close.npy", "time.npy", "manifest.json"])
def test_a_damaged_entry_is_set_aside_and_read_again_from_its_source(tmp_path, write, bars, name):
    path = write(bars(24))
    entry = Cache(tmp_path / "cache").ensure(path)
    damage(entry.folder / name)
    cache = Cache(tmp_path / "cache")
    with pytest.raises(DataError) as caught:
        cache.load(entry.fingerprint)
    assert caught.value.code == "data.corrupt"
    assert caught.value.retryable
    assert cache.counters["quarantined"] == 1
    aside = list((tmp_path / "cache" / "quarantine").iterdir())
    assert len(aside) == 1
    assert (aside[0] / name).exists()
    assert name in (aside[0] / "why.txt").read_text()
    again = cache.ensure(path)
    assert again.fingerprint == entry.fingerprint
    assert len(cache.load(entry.fingerprint)) == 24


def test_a_missing_column_and_a_truncated_one_are_damage(tmp_path, write, bars):
    path = write(bars(24))
    for spoil in (lambda file: file.unlink(), lambda file: os.truncate(file, 100)):
        entry = Cache(tmp_path / "cache").ensure(path)
        spoil(entry.folder / "open.npy")
        with pytest.raises(DataError, match=r"open\.npy"):
            Cache(tmp_path / "cache").load(entry.fingerprint)


def test_an_entry_is_rebuilt_from_its_archive_when_the_source_is_gone(tmp_path, write, bars):
    path = write(bars(24))
    entry = Cache(tmp_path / "cache").ensure(path)
    path.unlink()
    damage(entry.folder / "close.npy")
    cache = Cache(tmp_path / "cache")
    with pytest.raises(DataError):
        cache.load(entry.fingerprint)
    assert cache.rebuild(entry.fingerprint) == entry
    assert cache.load(entry.fingerprint).close[0] == 100.3


def test_an_entry_is_rebuilt_from_its_source_when_the_archive_is_damaged_too(tmp_path, write, bars):
    entry = Cache(tmp_path / "cache").ensure(write(bars(24)))
    damage(entry.folder / "archive.parquet")
    cache = Cache(tmp_path / "cache")
    assert not cache.verify(entry.fingerprint)
    assert cache.rebuild(entry.fingerprint).fingerprint == entry.fingerprint
    assert cache.verify(entry.fingerprint)


def test_an_entry_without_archive_and_source_cannot_be_rebuilt(tmp_path, write, bars):
    path = write(bars(24))
    entry = Cache(tmp_path / "cache").ensure(path)
    damage(entry.folder / "archive.parquet")
    cache = Cache(tmp_path / "cache")
    cache.verify(entry.fingerprint)
    path.write_text(HEADER + ROW)
    with pytest.raises(DataError) as caught:
        cache.rebuild(entry.fingerprint)
    assert caught.value.code == "data.corrupt"
    assert not caught.value.retryable


def test_a_damaged_index_is_forgotten_and_made_anew(cache, write, bars):
    path = write(bars(24))
    entry = cache.ensure(path)
    for index in (cache.root / "index").iterdir():
        damage(index)
    assert cache.ensure(path) == entry
    assert cache.counters["miss"] == 2


def test_the_sweep_removes_half_written_entries_and_keeps_whole_ones(cache, write, bars):
    entry = cache.ensure(write(bars(24)))
    half = entry.folder.parent / ".abc.0123456789abcdef.fwtmp"
    half.mkdir()
    (half / "open.npy").write_bytes(b"half")
    assert [found.rows for found in cache.find("TEST", 60)] == [24]
    assert cache.sweep() == [half]
    assert cache.sweep() == []
    assert len(cache.load(entry.fingerprint)) == 24


def test_a_parquet_file_gives_the_same_entry_as_the_csv(cache):
    import polars as pl

    source = bundled_dir() / "AAPL_D1.csv"
    entry = cache.ensure(source)
    copy = cache.root / "AAPL_D1.parquet"
    pl.read_csv(source, try_parse_dates=True).with_columns(
        pl.col("time").dt.replace_time_zone(None).dt.replace_time_zone("UTC")
    ).write_parquet(copy)
    assert cache.ensure(copy) == entry
    assert cache.ensure(entry.folder / "archive.parquet", "D1", symbol="AAPL") == entry


def test_an_entry_without_a_manifest_is_damage(cache, write, bars):
    path = write(bars(24))
    entry = cache.ensure(path)
    (entry.folder / "manifest.json").unlink()
    assert cache.entry(entry.fingerprint) is None
    assert cache.counters["quarantined"] == 1
    assert cache.ensure(path).fingerprint == entry.fingerprint


def test_a_new_entry_in_the_place_of_a_damaged_one_is_not_set_aside(cache, write, bars):
    entry = cache.ensure(write(bars(24)))
    assert not set_aside(cache.root, entry.folder, entry.folder.stat().st_ino + 1, "another one was damaged")
    assert not set_aside(cache.root, entry.folder / "gone", None, "never there")
    assert len(cache.load(entry.fingerprint)) == 24


def test_an_entry_that_cannot_be_read_for_now_stays_where_it_is(cache, write, bars, monkeypatch):
    entry = cache.ensure(write(bars(24)))

    def too_many(*arguments):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as only:
        only.setattr("foldward.data.cache.map_columns", too_many)
        with pytest.raises(DataError, match="Too many open files") as caught:
            cache.load(entry.fingerprint)
    assert caught.value.code == "data.unreadable"
    assert cache.counters["quarantined"] == 0
    assert len(cache.load(entry.fingerprint)) == 24


def test_large_pages_are_asked_for_and_a_kernel_that_has_none_is_no_matter(cache, write, bars, monkeypatch):
    class Refusing:
        asked = 0

        def __len__(self):
            return 2 << 20

        def madvise(self, advice):
            self.asked += 1
            raise OSError(22, "Invalid argument")

    mapped = Refusing()
    _npy._advise(mapped)
    assert mapped.asked == 1
    monkeypatch.setattr(_npy, "_LARGE", 1)
    entry = cache.ensure(write(bars(24)))
    assert cache.load(entry.fingerprint).close[0] == 100.3


def test_a_quarantined_entry_is_restored_from_its_source_after_the_process_that_found_it(
    tmp_path, write, bars
):
    path = write(bars(24))
    entry = Cache(tmp_path / "cache").ensure(path)
    damage(entry.folder / "manifest.json")
    assert Cache(tmp_path / "cache").entry(entry.fingerprint) is None
    assert Cache(tmp_path / "cache").rebuild(entry.fingerprint).fingerprint == entry.fingerprint
