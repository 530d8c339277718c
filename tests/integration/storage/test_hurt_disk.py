"""What the disk, the file and other programs do to a queue that runs: never a false acknowledgement, and it
goes on by itself when they stop."""

import contextlib
import itertools
import json
import os
import queue
import resource
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import apsw
import pytest

from storage.maintenance import fsck
from storage.reads import Reader

SCRIPT = Path(__file__).parents[2] / "_support" / "queue_process.py"
LIMIT_S = 60.0
REFUSED = {"storage.disk_full", "storage.io", "storage.busy"}
pytestmark = [pytest.mark.slow]


class Core:
    """A core without sockets in a process of its own, and everything that it has said."""

    def __init__(self, database, **storage):
        storage = {"busy_timeout_ms": 100, "wal_max_mb": 1, **storage}
        argv = [sys.executable, str(SCRIPT), str(database), json.dumps(storage)]
        self.database = database
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.queued = {}  # request id → name, for everything that was acknowledged
        self.refused = []
        self.applied = Counter()
        self.alarms = []
        self._answers = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._answers.get(timeout=LIMIT_S) == {"ready": True}

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            with self._changed:
                if "applied" in said:
                    self.applied[said["applied"]] += 1
                elif "alarm" in said:
                    self.alarms.append(tuple(said["alarm"]))
                else:
                    self._answers.put(said)
                self._changed.notify_all()

    def tell(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def submit(self, *numbers):
        """Order these; the statuses."""
        self.tell(submit=[f"s{number}" for number in numbers])
        outcomes = self._answers.get(timeout=LIMIT_S)["outcomes"]
        for name, status, request_id, code in outcomes:
            if status == "queued":
                self.queued[request_id] = name
            else:
                self.refused.append((name, status, code))
        return [status for _, status, _, _ in outcomes]

    def look(self):
        self.tell(look=True)
        return self._answers.get(timeout=LIMIT_S)["look"]

    def wait(self, holds):
        with self._changed:
            assert self._changed.wait_for(holds, LIMIT_S), (len(self.queued), len(self.applied), self.alarms)

    def wait_until_applied(self):
        """Until every acknowledged request is answered."""
        self.wait(lambda: set(self.applied) >= set(self.queued))

    def kill(self):
        self.process.kill()
        self._end()

    def stop(self):
        self.tell(stop=True)
        self._end()

    def _end(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        self.process.stdout.close()


@pytest.fixture
def start():
    cores = []

    def begin(database, **storage):
        cores.append(Core(database, **storage))
        return cores[-1]

    yield begin
    for core in cores:
        if core.process.poll() is None:
            core.kill()


def wait_for(holds):
    """A condition of the file system, which nobody announces."""
    pause = threading.Event()
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end
        pause.wait(0.02)


def assert_true_to_its_word(core, path):
    """Every acknowledged request is in the file exactly once, nobody else's is, and the file is whole."""
    report = fsck(path)
    assert report["ok"], report["violations"]
    with Reader(path) as reader:
        counters, counts = reader.counters(), reader.queue_counts()
        stored = {row.name for row in reader.open_rows()}
        for request_id, name in core.queued.items():
            row, result = reader.request(request_id), reader.result(request_id)
            assert (row is None) != (result is None), (request_id, row, result)
            assert name not in stored or row is not None
    assert counters["requested"] == len(core.queued)
    assert counters["success"] + counts["open"] == len(core.queued)


class Disk:
    """A disk that can be filled up and freed, for one process."""

    def __init__(self, folder):
        self.folder = folder

    def fill(self, core):
        raise AssertionError

    def free(self, core):
        raise AssertionError


class SmallFiles(Disk):
    """No file of the process may grow any more (RLIMIT_FSIZE), so its log cannot take a commit."""

    def fill(self, core):
        sizes = [path.stat().st_size for path in self.folder.iterdir()]
        resource.prlimit(core.process.pid, resource.RLIMIT_FSIZE, (max(sizes) + 30_000, -1))

    def free(self, core):
        resource.prlimit(core.process.pid, resource.RLIMIT_FSIZE, (-1, -1))


class SmallDisk(Disk):
    """A file system of its own, full of ballast."""

    def fill(self, core):
        with contextlib.suppress(OSError), open(self.folder / "ballast", "wb", buffering=0) as ballast:
            while True:
                ballast.write(b"x" * 4096)
        os.truncate(self.folder / "ballast", (self.folder / "ballast").stat().st_size - 30_000)

    def free(self, core):
        (self.folder / "ballast").unlink()


@pytest.fixture(params=["small files", "small disk"])
def disk(request, tmp_path):
    if request.param == "small files":
        yield SmallFiles(tmp_path)
        return
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system of its own: {done.stderr.strip()}")
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_stops_admission_and_nothing_else_and_it_goes_on_by_itself(disk, start):
    path = disk.folder / "foldward.db"
    core = start(path)
    assert core.submit(*range(100)) == ["queued"] * 100
    disk.fill(core)
    numbers = iter(range(100, 3000))
    while not core.refused:  # the room that is left is used up
        core.submit(*itertools.islice(numbers, 20))
    core.wait(lambda: ("storage.trouble", "critical") in core.alarms)
    core.tell(work=True)  # answers come, or leases wait: neither is lost, none is told to be done
    core.submit(next(numbers))
    with Reader(path) as reader:
        assert reader.counters()["requested"] == len(core.queued)
    done = len(core.applied)
    disk.free(core)
    pause = threading.Event()
    while core.submit(next(numbers)) != ["queued"]:  # nobody tells it that there is room
        pause.wait(0.1)
    assert {(status, code in REFUSED) for _, status, code in core.refused} == {("refused", True)}
    core.wait_until_applied()
    assert len(core.applied) == len(core.queued) > done
    assert set(core.applied.values()) == {1}
    core.wait(lambda: ("storage.trouble", "info") in core.alarms)
    core.stop()
    assert_true_to_its_word(core, path)


def test_a_lock_held_outside_for_seconds_delays_and_loses_nothing(tmp_path, start):
    path = tmp_path / "foldward.db"
    core = start(path)
    core.submit(*range(200))
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    requested = other.execute("SELECT value FROM counters WHERE name = 'requested'").get
    core.tell(work=True)
    assert core.submit(300, 301) == ["refused", "refused"]
    assert {code for _, _, code in core.refused} == {"storage.busy"}
    core.wait(lambda: ("storage.trouble", "critical") in core.alarms)
    threading.Event().wait(2.5)  # several ticks of the writer: it tries again and cannot
    assert core.look()["failures"] >= 2
    assert other.execute("SELECT value FROM counters WHERE name = 'requested'").get == requested == 200
    assert not core.applied
    other.execute("ROLLBACK")
    other.close()
    core.wait_until_applied()
    assert core.submit(300, 301) == ["queued", "queued"]
    core.wait_until_applied()
    assert set(core.applied.values()) == {1}
    core.stop()
    assert_true_to_its_word(core, path)


def test_a_long_reader_lets_the_log_grow_and_it_is_small_again_afterwards(tmp_path, start):
    path = tmp_path / "foldward.db"
    log = tmp_path / "foldward.db-wal"
    core = start(path)
    core.tell(work=True)
    other = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    other.execute("BEGIN")
    seen = other.execute("SELECT count(*) FROM results").get
    for first in range(0, 1000, 250):
        core.submit(*range(first, first + 250))
    core.wait_until_applied()
    wait_for(lambda: core.look()["wal_bytes"] > 1024**2)  # an idle writer has looked, and may not shrink it
    assert other.execute("SELECT count(*) FROM results").get == seen
    grown = log.stat().st_size
    other.execute("ROLLBACK")
    other.close()
    wait_for(lambda: log.stat().st_size < min(grown, 1024**2))
    assert core.submit(2000) == ["queued"]
    core.wait_until_applied()
    core.stop()
    assert_true_to_its_word(core, path)


def _frames(log):
    """Page size, and the offsets of the ends of the transactions that the log holds, in their order."""
    raw = log.read_bytes()
    _, _, page, _, *salts = struct.unpack(">6I", raw[:24])
    ends, at = [], 32
    while at + 24 + page <= len(raw):
        _, commit, *salted = struct.unpack(">4I", raw[at : at + 16])
        if salted != salts:
            break
        at += 24 + page
        if commit:
            ends.append(at)
    return page, ends


def test_a_write_that_the_power_cut_tore_takes_nothing_acknowledged_with_it(tmp_path, start):
    path = tmp_path / "foldward.db"
    log = tmp_path / "foldward.db-wal"
    core = start(path)
    core.tell(work=True)
    core.submit(*range(150))
    core.wait_until_applied()
    core.submit(*range(150, 170))
    core.kill()
    page, ends = _frames(log)
    assert len(ends) > 3
    raw = log.read_bytes()
    # The next transaction had begun: its first frame has a wrong sum, of its second one half is there.
    torn = raw[32 : 32 + 24 + page]
    log.write_bytes(raw[: ends[-1]] + torn[:16] + b"\xff" * 8 + torn[24:] + torn[: page // 2])
    again = start(path)
    again.queued = core.queued
    again.tell(work=True)
    wait_for(lambda: _open(path) == 0)
    again.stop()
    assert_true_to_its_word(again, path)


@pytest.mark.parametrize("back", [1, 2, 7])
def test_a_disk_that_forgot_its_newest_writes_leaves_a_whole_file_that_goes_on(back, tmp_path, start):
    """A disk that lies about fsync: what it forgot is gone, what it kept is an earlier moment, whole."""
    path = tmp_path / "foldward.db"
    log = tmp_path / "foldward.db-wal"
    core = start(path)
    core.tell(work=True)
    for first in range(0, 60, 10):
        core.submit(*range(first, first + 10))
    core.wait(lambda: len(core.applied) >= 30)
    core.kill()
    _, ends = _frames(log)
    assert len(ends) > back
    with open(log, "r+b") as file:
        file.truncate(ends[-1 - back] + 1000)
    report = fsck(path)
    assert report["ok"], report["violations"]
    again = start(path)
    again.tell(work=True)
    wait_for(lambda: _open(path) == 0)
    assert again.submit(2000) == ["queued"]
    again.wait_until_applied()
    again.stop()
    report = fsck(path)
    assert report["ok"], report["violations"]
    with Reader(path) as reader:
        counters = reader.counters()
        assert counters["success"] == counters["requested"] >= 1
        assert counters["duplicate"] == counters["nondeterministic"] == 0


def _open(path):
    with Reader(path) as reader:
        return reader.queue_counts()["open"]
