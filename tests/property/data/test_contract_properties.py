"""What holds for every file: the check never raises, both readers agree, nothing changes unseen."""

import datetime as dt
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foldward.data import _csv, _csv_careful, _csv_read
from foldward.data._archive import read_archive, write_archive
from foldward.data._names import symbol_key, symbol_of
from foldward.data._table import Findings
from foldward.data._times import parse_time
from foldward.data.bars import NS
from foldward.data.contract import check_file, examine, terms
from foldward.data.findings import RULES
from foldward.data.repair import repair

pytestmark = pytest.mark.slow
NOW_US = 1_800_000_000_000_000
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
START = 1_704_067_200


@st.composite
def series(draw, least=1, most=60):
    """Valid rows of a random walk: (seconds, open, high, low, close, volume)."""
    count = draw(st.integers(least, most))
    generator = random.Random(draw(st.integers(0, 2**32)))
    close, rows = 100.0, []
    for i in range(count):
        open_, close = close, round(close * (1 + generator.uniform(-0.01, 0.01)), 5)
        high = round(max(open_, close) + generator.random(), 5)
        low = round(min(open_, close) - generator.random(), 5)
        rows.append((START + 3600 * i, open_, high, low, close, generator.randrange(1, 99)))
    return rows


def text(rows, unix=True):
    lines = ["timestamp,open,high,low,close,volume"]
    for seconds, *cells in rows:
        time = (
            str(seconds)
            if unix
            else dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        )
        lines.append(",".join([time, *map(repr, cells)]))
    return "\n".join(lines) + "\n"


def check(data, **said):
    return examine("X_H1.csv", data, terms("X_H1.csv", **said), NOW_US)


@QUICK
@given(st.binary(max_size=400))
def test_any_bytes_at_all_give_a_report(data):
    report = check(data).report
    assert all(item.code in RULES for item in report.findings)
    assert report.accepted == (not report.errors)
    assert (report.fingerprint is None) or report.accepted


ALPHABET = st.sampled_from(list('0123456789.,-+eE\n\r\t ";:TZ/naifINFxé\x00'))


@QUICK
@given(st.lists(st.lists(ALPHABET, max_size=12).map("".join), max_size=30))
def test_any_rows_under_a_good_header_give_a_report(cells):
    data = ("t,o,h,l,c,v\n" + ",".join(cells)).encode()
    for utc in (False, True):
        report = check(data, utc=utc).report
        assert all(item.code in RULES for item in report.findings)
        assert all(place.line is None or place.line >= 1 for item in report.findings for place in item.places)


@QUICK
@given(series(), st.booleans())
def test_a_valid_series_is_accepted_in_both_spellings_of_time(rows, unix):
    seen = check(text(rows, unix).encode())
    assert seen.report.errors == ()
    assert seen.bars.close.tolist() == [row[4] for row in rows]
    assert (seen.bars.time // NS).tolist() == [row[0] for row in rows]


@QUICK
@given(series(), st.booleans())
def test_the_fast_and_the_careful_reader_read_the_same_table(rows, unix):
    data = text(rows, unix).encode()
    found = Findings()
    body, _ = _csv.open_csv(data, False, False, found)
    fast, careful = _csv.fast(body, found), _csv_careful.read(body, found)
    assert fast is not None
    assert found.counts == {}
    for name in ("time", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(fast, name), getattr(careful, name))
    assert [fast.line(row) for row in range(len(fast))] == [careful.line(row) for row in range(len(careful))]


SPOILT = [
    "",
    "x",
    "nan",
    "1,2",
    "-1",
    '"',
    "\n",
    "1704067200000",
    "2024-01-01 00:00",
    "2024-01-01T00:00:00Z",
    " 7 ",
]


def test_milliseconds_in_a_block_of_its_own_do_not_say_how_the_rest_is_told(monkeypatch):
    rows = [f"2024-01-01T{hour:02d}:00:00Z,100,101,99,100,5" for hour in range(10)]
    rows[0] = "1704067200000,100,101,99,100,5"
    raw = ("timestamp,open,high,low,close,volume\n" + "\n".join(rows) + "\n").encode()
    found = Findings()
    monkeypatch.setattr(_csv_read, "BLOCK", 20)
    _csv_read.read_csv(raw, False, found)
    assert found.counts == {"data.ambiguous_time": 1}
    assert [place.line for place in found.places["data.ambiguous_time"]] == [2]


@QUICK
@given(series(least=10), st.booleans(), st.booleans(), st.data())
def test_reading_in_blocks_finds_what_reading_line_by_line_finds(rows, unix, utc, data):
    lines = text(rows, unix).splitlines()
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(1, len(lines) - 1))
        cells = lines[at].split(",")
        cells[data.draw(st.integers(0, len(cells) - 1))] = data.draw(st.sampled_from(SPOILT))
        lines[at] = ",".join(cells)
    raw = ("\n".join(lines) + data.draw(st.sampled_from(["", "\n", "\n\n"]))).encode()
    one, other = Findings(), Findings()
    body, _ = _csv.open_csv(raw, utc, False, one)
    slow = _csv_careful.read(body, one)
    before = _csv_read.BLOCK
    try:
        _csv_read.BLOCK = data.draw(st.integers(20, 300))
        quick, count = _csv_read.read_csv(raw, utc, other)
    finally:
        _csv_read.BLOCK = before
    assert other.counts == one.counts
    assert {code: [place.line for place in kept] for code, kept in other.places.items()} == {
        code: [place.line for place in kept] for code, kept in one.places.items()
    }
    assert count == len(slow)
    assert [quick.line(row) for row in range(count)] == [slow.line(row) for row in range(count)]
    for name in ("time", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(quick, name), getattr(slow, name), equal_nan=True)


@QUICK
@given(series(least=2), st.data())
def test_a_changed_cell_is_a_finding_or_another_fingerprint(rows, data):
    row = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, 5))
    cell = data.draw(
        st.one_of(
            st.sampled_from(["", "nan", "inf", "-1", "0", "x", "1e9", "1,5", "99999999999999"]),
            st.floats(0.01, 1e6).map(repr),
        )
    )
    lines = text(rows).splitlines()
    cells = lines[row + 1].split(",")
    same = cells[column] == cell or (cell.replace(".", "").isdigit() and float(cells[column]) == float(cell))
    cells[column] = cell
    lines[row + 1] = ",".join(cells)
    before, after = check(text(rows).encode()).report, check("\n".join(lines).encode()).report
    if not same:
        assert after.errors or after.fingerprint != before.fingerprint
    for item in after.findings:
        if item.code not in ("data.gap", "data.spacing", "data.outlier", "data.unsorted"):
            assert [place.line for place in item.places][:1] in ([row + 2], [row + 3])


@QUICK
@given(series(least=2), st.randoms(use_true_random=False))
def test_repair_of_a_shuffled_file_with_repeats_gives_back_the_original(tmp_path_factory, rows, generator):
    folder = tmp_path_factory.mktemp("repair")
    spoiled = rows + generator.sample(rows, generator.randint(0, len(rows)))
    generator.shuffle(spoiled)
    (folder / "X_H1.csv").write_text(text(spoiled))
    done = repair(folder / "X_H1.csv", folder / "Y_H1.csv", now_us=NOW_US)
    assert done["fingerprint"] == check(text(rows).encode()).report.fingerprint
    assert done["rows_after"] == len(rows)


@QUICK
@given(series(least=40), st.sets(st.integers(2, 37), max_size=1))
def test_coverage_counts_every_bar_left_out(rows, gone):
    kept = [row for index, row in enumerate(rows) if index not in gone]
    report = check(text(kept).encode()).report
    assert report.coverage == round(len(kept) / len(rows), 6)
    assert [item.code for item in report.findings] == ["data.gap"] * len(gone)


@QUICK
@given(st.integers(-8_500_000_000, 8_900_000_000), st.integers(0, 999_999), st.integers(-840, 840))
def test_a_time_in_any_zone_is_read_to_the_microsecond(seconds, micros, minutes):
    zone = dt.timezone(dt.timedelta(minutes=minutes))
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds, microseconds=micros)
    when = parse_time(moment.astimezone(zone).isoformat())
    assert (when.code, when.told) == ("", "zoned")
    assert when.ns == seconds * NS + micros * 1000


@QUICK
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64))
def test_a_symbol_is_read_back_from_its_key_and_the_key_is_one_name(symbol):
    key = symbol_key(symbol)
    assert symbol_of(key) == symbol
    assert "/" not in key
    assert "\0" not in key
    assert not key.startswith(".")


def test_the_line_of_a_fault_is_exact_in_a_long_file(tmp_path):
    rows = [(START + 60 * i, 100.0, 101.0, 99.0, 100.0 + (i % 7) / 10, 5) for i in range(20_000)]
    lines = text(rows).splitlines()
    lines[15_000] = lines[15_000].replace("99.0", "ninety-nine")
    path = tmp_path / "X_M1.csv"
    path.write_text("\n".join(lines) + "\n")
    (item,) = check_file(path, now_us=NOW_US).findings
    assert (item.code, item.count, item.places[0].line) == ("data.not_numeric", 1, 15_001)


@QUICK
@given(
    st.lists(
        st.one_of(
            st.floats(5e-324, 1.7e308),
            st.sampled_from([0.0, -0.0]),
            st.builds(lambda whole, places: whole / 10**places, st.integers(1, 10**15), st.integers(0, 10)),
        ),
        min_size=1,
        max_size=50,
    )
)
def test_an_archive_gives_back_every_bit_of_any_prices(tmp_path_factory, prices):
    column = np.array(prices)
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), column)
    columns["time"] = 60 * NS * np.arange(len(column))
    path = tmp_path_factory.mktemp("archive") / "archive.parquet"
    write_archive(path, columns)
    found = read_archive(path)
    assert {name: found[name].tobytes() for name in columns} == {
        name: values.tobytes() for name, values in columns.items()
    }
