"""Small candle files for the contract's tests."""

import datetime as dt
import math
from pathlib import Path

import pytest

from foldward.data.contract import check_file

HEADER = "timestamp,open,high,low,close,volume"
NOW_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z: every test file lies before it


def iso(seconds):
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()[:19] + "Z"


def bars(count, start=1_704_067_200, step=3600):
    """Calm rows around 100: [time cell, open, high, low, close, volume] from 2024-01-01T00:00:00Z."""
    rows = []
    close = 100.0
    for i in range(count):
        open_ = close
        close = round(100 + math.sin(i / 7) + 0.3 * math.cos(i * 1.7), 4)
        high, low = round(max(open_, close) + 0.2, 4), round(min(open_, close) - 0.2, 4)
        rows.append([iso(start + i * step), open_, high, low, close, 10 + i % 5])
    return rows


@pytest.fixture(name="bars")
def _bars():
    return bars


@pytest.fixture
def write(tmp_path):
    """Write rows (lists) or raw text as a CSV file and return its path."""

    def _write(rows, name="TEST_H1.csv", header=HEADER):
        path = tmp_path / name
        if isinstance(rows, bytes):
            path.write_bytes(rows)
        elif isinstance(rows, str):
            path.write_bytes(rows.encode())
        else:
            lines = [header, *(",".join(str(cell) for cell in row) for row in rows)]
            path.write_text("\n".join(lines) + "\n")
        return path

    return _write


@pytest.fixture
def check(write):
    """Write and check; the last bar is long past."""

    def _check(rows, name="TEST_H1.csv", header=HEADER, **said):
        path = rows if isinstance(rows, Path) else write(rows, name, header)
        return check_file(path, now_us=NOW_US, **said)

    return _check


@pytest.fixture
def places():
    """The (line, time, detail) of a report's only finding with a code."""

    def _places(report, code):
        found = [item for item in report.findings if item.code == code]
        assert len(found) == 1, [item.code for item in report.findings]
        return [tuple(place) for place in found[0].places]

    return _places
