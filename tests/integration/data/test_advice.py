"""Files as people have them: each is refused with a command, and the command, run as it is written, helps."""

import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from foldward.contracts import clock
from foldward.data.contract import check_file, repair

STEP = 3600
FIRST = 1_704_067_200  # 2024-01-01T00:00:00Z
COMMAND = re.compile(r"(?:sed|python3|\.venv/bin/python) .*?(?:> NEW|NEW\.parquet)")


def bars(count=48):
    for n in range(count):
        yield FIRST + n * STEP, 100 + n % 7, 102 + n % 7, 99 + n % 7, 101 + n % 7, 10 + n


def iso(seconds):
    return clock.iso_s(seconds)


def lines(header, rows, delimiter=","):
    body = [delimiter.join(map(str, row)) for row in rows]
    return "\n".join([*([header] if header else []), *body]) + "\n"


def naive(seconds, mark="-"):
    return iso(seconds)[:19].replace("T", " ").replace("-", mark)


def kline(row):
    ms = row[0] * 1000
    return (ms, *row[1:6], ms + STEP * 1000 - 1, 5.0, 7, 1.0, 2.0, 0)


KLINES = "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_b,taker_q,ignore"
SAMPLES = {
    "pandas writes its index without a name": (
        lines(",open,high,low,close,volume", [(iso(t), *v) for t, *v in bars()]),
        "no timestamp column in: , open, high, low, close, volume",
    ),
    "a binance kline export with a header": (
        lines(KLINES, map(kline, bars())),
        "no timestamp column in: open_time, open, high, low, close, volume, close_time",
    ),
    "a binance kline file": (
        lines("", map(kline, bars())),
        "no header: the first line is a row: 1704067200000,100,102,99,101,10,",
    ),
    "a headerless file": (
        lines("", [(iso(t), *v) for t, *v in bars()]),
        "no header: the first line is a row: 2024-01-01T00:00:00Z,100,102,99,101,10",
    ),
    "a headerless file with semicolons and more columns": (
        lines("", [(*row, 3) for row in bars()], ";"),
        "no header: the first line is a row: 1704067200;100;102;99;101;10;3",
    ),
    "a headerless MT4 export": (
        lines("", [(naive(t, ".")[:10], naive(t)[11:16], *v) for t, *v in bars()]),
        "no header: the first line is a row: 2024.01.01,00:00,100,102,99,101,10",
    ),
    "date and time in two columns": (
        lines("Date,Time,Open,High,Low,Close,Volume", [(iso(t)[:10], iso(t)[11:16], *v) for t, *v in bars()]),
        "'date' and 'time' both mean timestamp",
    ),
    "three header lines of yfinance": (
        lines(
            "Price,Open,High,Low,Close,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDatetime,,,,,",
            [(iso(t), *v) for t, *v in bars()],
        ).replace("Datetime", "Date"),
        "no timestamp column in: price, open, high, low, close, volume",
    ),
    "the names of MetaTrader's Python package": (
        lines("time\topen\thigh\tlow\tclose\ttick_volume\tspread", [(*row, 3) for row in bars()], "\t"),
        "no volume column in: time, open, high, low, close, tick_volume, spread",
    ),
    "freqtrade's JSON": (
        str([[t * 1000, *map(float, v)] for t, *v in bars()]),
        "it is JSON, not CSV or Parquet",
    ),
    "objects in JSON": (
        str([dict(zip("tohlcv", row, strict=True)) for row in bars()]).replace("'", '"'),
        "it is JSON, not CSV or Parquet",
    ),
}


def run(hint, folder, target):
    [command] = COMMAND.findall(hint)
    command = command.replace(".venv/bin/python", sys.executable).replace("python3 ", f"{sys.executable} ")
    command = command.replace("NEW.parquet", str(target)).replace("NEW", str(target))
    subprocess.run(["/bin/sh", "-c", command], cwd=folder, check=True, timeout=60)
    return target


@pytest.mark.parametrize("name", SAMPLES)
def test_the_hint_of_a_refused_text_file_makes_it_accepted(tmp_path, name):
    text, seen = SAMPLES[name]
    file = tmp_path / "it's mine.csv"
    file.write_text(text)
    report = check_file(file)
    assert not report.accepted
    finding = report.findings[0]
    assert finding.places[0].detail.startswith(seen)
    assert report.error().hint == finding.hint
    made = run(finding.hint, tmp_path, tmp_path / "TEST_H1.csv")
    if "foldward data repair" in finding.hint:
        repaired = tmp_path / "fixed" / made.name
        repaired.parent.mkdir()
        assert repair(made, repaired)["accepted"]
        made = repaired
    result = check_file(made, utc="--utc" in finding.hint)
    assert (result.accepted, result.rows, result.first) == (True, 48, FIRST), result.findings


def frame(name="date"):
    columns = dict(
        zip((name, "open", "high", "low", "close", "volume"), zip(*bars(), strict=True), strict=True)
    )
    return pl.DataFrame(columns).with_columns(pl.from_epoch(name).dt.replace_time_zone("UTC"))


def test_the_hint_of_a_feather_file_makes_it_accepted(tmp_path):
    file = tmp_path / "BTC_USDT-1h.feather"
    frame().write_ipc(file, compression="lz4")
    [finding] = check_file(file).findings
    assert (finding.code, finding.places[0].detail) == (
        "data.unreadable",
        "it is Feather (Arrow IPC), not CSV or Parquet",
    )
    result = check_file(run(finding.hint, tmp_path, tmp_path / "BTCUSDT_H1.parquet"))
    assert (result.accepted, result.rows, result.symbol, result.timeframe) == (True, 48, "BTCUSDT", 60)


def test_the_hint_of_parquet_with_an_unnamed_index_makes_it_accepted(tmp_path):
    file = tmp_path / "x.parquet"
    frame("__index_level_0__").write_parquet(file)
    [finding] = check_file(file).findings
    assert finding.code == "data.missing_column"
    result = check_file(run(finding.hint, tmp_path, tmp_path / "TEST_H1.parquet"))
    assert (result.accepted, result.rows) == (True, 48)


@pytest.mark.parametrize(
    ("data", "seen", "hint"),
    [
        (b"\x1f\x8b\x08", "it is compressed (gzip); unpack it first", "gunzip -k prices.csv"),
        (b"PK\x03\x04 data.csv", "it is compressed (zip); unpack it first", "unzip prices.csv"),
        (
            b"PK\x03\x04[Content_Types].xml",
            "it is an Excel workbook, not CSV or Parquet",
            "save the sheet as CSV",
        ),
        (b"\x89HDF\r\n", "it is HDF5, not CSV or Parquet", "pandas.read_hdf(prices.csv)"),
    ],
)
def test_what_is_no_table_of_ours_is_named_as_what_it_is(tmp_path, monkeypatch, data, seen, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prices.csv").write_bytes(data)
    [finding] = check_file("prices.csv").findings
    assert (finding.code, finding.places[0].detail) == ("data.unreadable", seen)
    assert finding.hint.startswith(hint)


@pytest.mark.parametrize("header", ["a,b,c,d,e,f", "price,when,what", ""])
def test_a_header_that_nobody_knows_gets_no_advice(tmp_path, header):
    file = tmp_path / "x.csv"
    file.write_text(lines(header, [("x", "y", "z")]))
    assert all(item.hint is None for item in check_file(file).findings)


def test_a_count_of_rows_without_a_name_is_no_time(tmp_path):
    file = tmp_path / "TEST_H1.csv"
    file.write_text(
        lines(",timestamp,open,high,low,close,volume", [(n, *row) for n, row in enumerate(bars())])
    )
    assert check_file(file).accepted
    file.write_text(lines(",when,open,high,low,close,volume", [(n, *row) for n, row in enumerate(bars())]))
    assert check_file(file).findings[0].hint is None


PAGE = Path(__file__).parents[3] / "docs" / "how_to" / "bring_your_data.md"
ROWS = {
    "pandas wrote": "pandas writes its index without a name",
    "a Binance kline export": "a binance kline export with a header",
    "Binance kline files": "a binance kline file",
    "any file without": "a headerless file",
    "MetaTrader 4": "a headerless MT4 export",
    "`Date,Time": "date and time in two columns",
}


@pytest.mark.slow
@pytest.mark.parametrize("start", ROWS)
def test_the_lines_of_the_page_help_as_they_are_written(tmp_path, start):
    [row] = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {start}")]
    _, _, says, helps, _ = row.split("|")
    (tmp_path / "FILE").write_text(SAMPLES[ROWS[start]][0])
    if "the same" not in says:
        assert SAMPLES[ROWS[start]][1].startswith(says.strip().strip("`").partition("…")[0])
    command = helps.split("`")[1]
    made = re.split(" > | --out ", command)[-1]
    command = command.replace("foldward data", f"{sys.executable} -m foldward.cli data")
    subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, check=True, timeout=60, capture_output=True)
    assert check_file(tmp_path / made, utc="--utc" in helps).accepted


def test_the_page_has_the_feather_line_of_the_finding(tmp_path):
    frame().write_ipc(tmp_path / "FILE")
    [finding] = check_file(tmp_path / "FILE").findings
    [row] = [line for line in PAGE.read_text().splitlines() if line.startswith("| Feather")]
    assert finding.hint.partition("' ")[0] in row
