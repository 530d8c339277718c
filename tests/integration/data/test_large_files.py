"""Files long enough for the parallel steps: the same answers as short ones, exact lines, no lost rows."""

import datetime as dt

import numpy as np
import pytest

from foldward.data import _npy
from foldward.data.cache import Cache
from foldward.data.contract import check_file

pytestmark = pytest.mark.slow

ROWS = 150_000
START = 1_600_000_020
NOW_US = 1_800_000_000_000_000


@pytest.fixture(scope="module")
def lines():
    base = dt.datetime.fromtimestamp(START, dt.UTC)
    times = [(base + dt.timedelta(minutes=i)).strftime("%Y-%m-%dT%H:%M:%SZ") for i in range(ROWS)]
    prices = [100 + (i * 7919 % 101) / 100 for i in range(ROWS)]
    rows = [
        f"{t},{p},{p + 0.5},{p - 0.5},{p + 0.25},{i % 9 + 1}"
        for i, (t, p) in enumerate(zip(times, prices, strict=True))
    ]
    return ["timestamp,open,high,low,close,volume", *rows]


def write(tmp_path, lines):
    path = tmp_path / "LONG_M1.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_long_clean_file_is_stored_and_mapped_whole(tmp_path, lines):
    path = write(tmp_path, lines)
    report = check_file(path, now_us=NOW_US)
    assert (report.findings, report.rows, report.coverage) == ((), ROWS, 1.0)
    cache = Cache(tmp_path / "cache")
    entry = cache.ensure(path)
    assert entry.fingerprint == report.fingerprint
    _npy._verified.clear()
    bars = cache.load(entry.fingerprint)
    assert np.array_equal(bars.time // 10**9, START + 60 * np.arange(ROWS))
    assert bars.close[-1] == float(lines[-1].split(",")[4])
    assert cache.verify(entry.fingerprint)


@pytest.mark.parametrize("line", [2, 70_000, 75_001, 75_002, ROWS + 1])
def test_one_bad_time_in_a_long_file_is_named_with_its_line(tmp_path, lines, line):
    broken = list(lines)
    broken[line - 1] = broken[line - 1].replace("-", "/", 1)
    report = check_file(write(tmp_path, broken), now_us=NOW_US)
    assert ("data.bad_time", 1, line) in [
        (item.code, item.count, item.places[0].line) for item in report.findings
    ]


def test_every_code_of_a_long_file_with_many_faults_is_counted(tmp_path, lines):
    broken = list(lines)
    for at in range(1000, 2000):
        cells = broken[at].split(",")
        cells[2] = "1"
        broken[at] = ",".join(cells)
    del broken[5000:5010]
    report = check_file(write(tmp_path, broken), now_us=NOW_US)
    assert [(item.code, item.severity, item.count) for item in report.findings][:1] == [
        ("data.geometry", "ERROR", 1000)
    ]
    gap = next(item for item in report.findings if item.code == "data.gap")
    assert (gap.count, gap.places[0].line) == (1, 5001)
    assert gap.places[0].detail.startswith("10 bars missing")
