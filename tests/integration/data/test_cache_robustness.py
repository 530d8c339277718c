"""The cache under bit flips, kills, and many processes at once."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from foldward.contracts.errors import DataError
from foldward.data import _npy, _sums
from foldward.data.cache import Cache
from foldward.files import is_orphan_name

pytestmark = pytest.mark.slow

HEADER = "timestamp,open,high,low,close,volume\n"


def candles(rows, shift=0.0):
    lines = [HEADER]
    for i in range(rows):
        close = 100 + (i % 7) + shift
        lines.append(f"{1_704_067_200 + 3600 * i},{close},{close + 1},{close - 1},{close},{i + 1}\n")
    return "".join(lines)


def contents(bars):
    return [
        getattr(bars, name).tobytes()
        for name in ("time", "open", "high", "low", "close", "volume", "day_end")
    ]


def outcome(cache, fingerprint):
    try:
        return contents(cache.load(fingerprint)), ""
    except DataError as error:
        return None, error.code


@pytest.fixture
def quick(monkeypatch):
    """No fsync of folders: flips are about bytes, and a quarantine for each of them would take minutes."""
    monkeypatch.setattr("foldward.data._layout.fsync_dir", lambda folder: None)


def test_every_flipped_bit_of_an_entry_is_harmless_or_reported(tmp_path, quick):
    source = tmp_path / "X_H1.csv"
    source.write_text(candles(3))
    entry = Cache(tmp_path / "cache").ensure(source)
    want = contents(Cache(tmp_path / "cache").load(entry.fingerprint))
    seen = {"harmless": 0, "reported": 0}
    files = sorted(path.name for path in entry.folder.iterdir())
    assert len(files) == 9
    for name in files:
        path = entry.folder / name
        whole = path.read_bytes()
        for bit in range(0, 8 * len(whole), 8 if name == "archive.parquet" else 1):
            spoiled = bytearray(whole)
            spoiled[bit // 8] ^= 1 << bit % 8
            path.write_bytes(spoiled)
            _npy._verified.clear()  # each round is a new process's first look
            cache = Cache(tmp_path / "cache")
            got, code = outcome(cache, entry.fingerprint)
            if code:
                assert (code, cache.counters["quarantined"]) == ("data.corrupt", 1), (name, bit)
                (aside,) = (tmp_path / "cache" / "quarantine").iterdir()
                (aside / "why.txt").unlink()
                aside.rename(entry.folder)
                seen["reported"] += 1
            else:
                assert got == want, (name, bit)
                seen["harmless"] += 1
            path.write_bytes(whole)
    archive = (entry.folder / "archive.parquet").stat().st_size
    assert seen["harmless"] == archive  # only the archive is not read by load; verify and rebuild check it
    assert seen["reported"] > 5000


def test_every_flipped_byte_of_the_index_and_the_archive_is_noticed_before_it_is_used(tmp_path, quick):
    source = tmp_path / "X_H1.csv"
    source.write_text(candles(3))
    entry = Cache(tmp_path / "cache").ensure(source)
    (index,) = (tmp_path / "cache" / "index").iterdir()
    for path in (index, entry.folder / "archive.parquet"):
        whole = path.read_bytes()
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
            cache = Cache(tmp_path / "cache")
            if path == index:
                assert cache.ensure(source) == entry
            else:
                assert not cache.verify(entry.fingerprint)
                (aside,) = (tmp_path / "cache" / "quarantine").iterdir()
                (aside / "why.txt").unlink()
                aside.rename(entry.folder)
            path.write_bytes(whole)


STORE = """
import sys
from pathlib import Path
from foldward.data.cache import Cache
home = Path(sys.argv[1])
cache = Cache(home / "cache")
cache.ensure(home / "X_H1.csv")
print("ready", flush=True)
for number in range(200):
    rows = (home / "rows.csv").read_text().splitlines(keepends=True)
    (home / "X_H1.csv").write_text("".join(rows[: number + 3]))
    cache.ensure(home / "X_H1.csv")
"""


@pytest.mark.chaos
@pytest.mark.parametrize("delay", [0.0, 0.03, 0.11, 0.23, 0.4])
def test_a_kill_during_200_stores_leaves_whole_entries_and_no_orphan_after_the_sweep(tmp_path, delay):
    (tmp_path / "rows.csv").write_text(candles(220))
    (tmp_path / "X_H1.csv").write_text(candles(1))
    child = subprocess.Popen([sys.executable, "-c", STORE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        threading.Event().wait(delay)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait(30)
        child.stdout.close()
    cache = Cache(tmp_path / "cache")
    cache.sweep()
    left = [name for _, folders, files in os.walk(tmp_path / "cache") for name in (*folders, *files)]
    assert [name for name in left if is_orphan_name(name)] == []
    entries = cache.find("X", 60)
    assert entries
    for entry in entries:
        assert cache.verify(entry.fingerprint)
        assert len(cache.load(entry.fingerprint)) == entry.rows
    assert cache.counters["quarantined"] == 0
    (tmp_path / "X_H1.csv").write_text(candles(7))
    assert cache.ensure(tmp_path / "X_H1.csv").rows == 7


WORK = """
import sys
from pathlib import Path
from foldward.data.cache import Cache
home, number = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for turn in range(12):
    cache = Cache(home / "cache")
    which = (number + turn) % 3
    entry = cache.ensure(home / f"S{which}_H1.csv")
    bars = cache.load(entry.fingerprint)
    assert (len(bars), bars.close[0]) == (50, 100 + which)
    cache.sweep()
print("done", flush=True)
"""


def test_many_processes_store_read_and_sweep_at_once(tmp_path):
    for number in range(3):
        (tmp_path / f"S{number}_H1.csv").write_text(candles(50, shift=number))
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, str(tmp_path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        answers = [worker.communicate(timeout=120) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(30)
    assert answers == [("done\n", "")] * 4
    cache = Cache(tmp_path / "cache")
    assert [entry.symbol for entry in cache.entries()] == ["S0", "S1", "S2"]
    assert not (tmp_path / "cache" / "quarantine").exists()
    assert cache.sweep() == []


def test_threads_that_ask_for_the_same_new_file_read_it_once(tmp_path):
    source = tmp_path / "X_H1.csv"
    source.write_text(candles(500))
    cache = Cache(tmp_path / "cache")
    barrier = threading.Barrier(6)
    found = []

    def ask():
        barrier.wait(30)
        found.append(cache.ensure(source).fingerprint)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 6
    assert len(set(found)) == 1
    assert cache.counters == {"hit": 5, "miss": 1, "quarantined": 0}


def test_a_disk_that_fills_up_leaves_no_entry_and_no_orphan(tmp_path, monkeypatch):
    source = tmp_path / "X_H1.csv"
    source.write_text(candles(50))
    cache = Cache(tmp_path / "cache")
    from foldward.data import _ingest

    def full(folder, columns):
        (folder / "time.npy").write_bytes(b"some")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as only:
        only.setattr(_ingest, "write_columns", full)
        with pytest.raises(OSError, match="No space left"):
            cache.ensure(source)
    assert cache.entries() == []
    assert cache.sweep() == []
    assert cache.ensure(source).rows == 50


def test_a_disk_that_is_full_at_the_archive_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    source = tmp_path / "X_H1.csv"
    source.write_text(candles(50))
    cache = Cache(tmp_path / "cache")
    from foldward.data import _archive

    class Full(_archive._Summed):
        def write(self, data, /):
            self._file.close()
            self._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115 - closed by its owner
            return super().write(data)

    with monkeypatch.context() as only:
        only.setattr(_archive, "_Summed", Full)
        with pytest.raises(OSError, match="No space left") as caught:
            cache.ensure(source)
    assert caught.value.errno == 28
    assert cache.entries() == []
    assert cache.sweep() == []
    assert cache.verify(cache.ensure(source).fingerprint)


def test_a_disk_that_cannot_keep_a_column_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    source = tmp_path / "X_H1.csv"
    source.write_text(candles(50))
    cache = Cache(tmp_path / "cache")
    kept = _npy.fsync_file

    def fails(path):
        if path.name == "high.npy":
            raise OSError(5, "Input/output error")
        kept(path)

    with monkeypatch.context() as only:
        only.setattr(_npy, "fsync_file", fails)
        with pytest.raises(OSError, match="Input/output error"):
            cache.ensure(source)
    assert cache.entries() == []
    assert cache.sweep() == []
    assert cache.verify(cache.ensure(source).fingerprint)


def test_the_known_checksum_of_a_source_is_that_of_its_bytes(tmp_path):
    source = tmp_path / "X_H1.csv"
    source.write_text(candles(50))
    Cache(tmp_path / "cache").ensure(source)
    (known,) = (tmp_path / "cache" / "index").glob("*.json")
    assert json.loads(known.read_bytes())["body"]["checksum"] == _sums.checksum(source.read_bytes())
