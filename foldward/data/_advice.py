"""What to do with a file as people have them: the exact command that makes it one of ours.

Nothing here reads a file differently: a spelling that the contract does not name stays refused, with a way
out. `FILE` stands for the file (the report puts its name in), `NEW` for the one to write (`SYMBOL_TF.csv`).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from foldward.data._times import parse_time, unit_of

NAMES = ("timestamp", "open", "high", "low", "close", "volume")

# Names that exports use and the contract does not know, and what they stand for.
FOREIGN = {
    "open_time": "timestamp",
    "open time": "timestamp",
    "opentime": "timestamp",
    "start_time": "timestamp",
    "gmt time": "timestamp",
    "time (utc)": "timestamp",
    "date (utc)": "timestamp",
    "unix": "timestamp",
    "ts": "timestamp",
    "ts_event": "timestamp",
    "index": "timestamp",
    "unnamed: 0": "timestamp",
    "__index_level_0__": "timestamp",
    "1. open": "open",
    "open_price": "open",
    "2. high": "high",
    "high_price": "high",
    "3. low": "low",
    "low_price": "low",
    "4. close": "close",
    "close_price": "close",
    "close/last": "close",
    "5. volume": "volume",
    "tick_volume": "volume",
    "base_volume": "volume",
}
_MT5 = {
    "date": "<DATE>",
    "time": "<TIME>",
    "open": "<OPEN>",
    "high": "<HIGH>",
    "low": "<LOW>",
    "close": "<CLOSE>",
    "volume": "<VOL>",
    "vol": "<VOL>",
}
_THEN_REPAIR = "; its times are no seconds: then foldward data repair NEW --out ANOTHER"
_KLINE = (*NAMES, "close_time", "quote_volume", "count", "taker_base", "taker_quote", "ignore")

_SCRIPT = "python3 -c 'import csv, json, sys; {}' FILE > NEW ({})"
JSON_ARRAYS = _SCRIPT.format(
    'w = csv.writer(sys.stdout); w.writerow("timestamp open high low close volume".split());'
    " w.writerows([r[0] // 1000, *r[1:6]] for r in json.load(open(sys.argv[1])))",
    "rows of [milliseconds, open, high, low, close, volume], as freqtrade and ccxt write them",
)
JSON_OBJECTS = _SCRIPT.format(
    "rows = json.load(open(sys.argv[1])); w = csv.DictWriter(sys.stdout, rows[0]); w.writeheader();"
    " w.writerows(rows)",
    "an array of objects with one key a column",
)
_PARQUET = (
    ".venv/bin/python -c 'import polars as pl, sys; {read}.write_parquet(sys.argv[2])' FILE NEW.parquet"
)
_IPC = _PARQUET.format(read="pl.read_ipc(sys.argv[1])")

# What a file is by its first bytes: (bytes, what it is, what to do).
_KINDS = (
    (b"\x1f\x8b", "compressed (gzip); unpack it first", "gunzip -k FILE"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd); unpack it first", "zstd -d FILE"),
    (b"ARROW1", "Feather (Arrow IPC), not CSV or Parquet", _IPC),
    (
        b"FEA1",
        "Feather of version 1",
        "write it as Parquet with the program that made it: df.to_parquet(...)",
    ),
    (b"\x89HDF", "HDF5, not CSV or Parquet", "pandas.read_hdf(FILE).to_parquet(NEW.parquet)"),
    (
        b"SQLite format 3",
        "an SQLite database, not CSV or Parquet",
        'sqlite3 -header -csv FILE "SELECT …" > NEW',
    ),
)


def kind_of(data: bytes) -> tuple[str, str] | None:
    """What a file is that is neither text nor Parquet, and how to convert it; None for what can be read."""
    if data.startswith(b"PK\x03\x04"):
        if b"[Content_Types].xml" in data[:4096] or b"xl/" in data[:4096]:
            return "an Excel workbook, not CSV or Parquet", "save the sheet as CSV (UTF-8)"
        return "compressed (zip); unpack it first", "unzip FILE"
    head = data[:200].lstrip()
    if head.startswith(b"["):
        rows = head[1:].lstrip()
        return "JSON, not CSV or Parquet", JSON_OBJECTS if rows.startswith(b"{") else JSON_ARRAYS
    if head.startswith(b"{"):
        return "JSON, not CSV or Parquet", f"take the array of candles out of it, then: {JSON_OBJECTS}"
    return next(((what, how) for magic, what, how in _KINDS if data.startswith(magic)), None)


def is_data(cells: Sequence[str]) -> bool:
    """Whether the first line of a file is a row: at least four numbers, or three and a time."""
    numbers = sum(_is_number(cell) for cell in cells)
    return numbers >= 4 or (numbers >= 3 and any(_is_time(cell) for cell in cells))


def headerless(cells: Sequence[str], delimiter: str) -> str:
    """How to give a header to a file whose first line is a row."""
    bare = [_bare(cell) for cell in cells]
    if len(bare) == 12 and _in_small_units(bare[0]) and _in_small_units(bare[6]):
        return f"a Binance kline file: {_insert(_KLINE, delimiter)}{_THEN_REPAIR}"
    if len(bare) > 5 and _is_date(bare[0]) and ":" in bare[1] and _is_candle(bare[2:6]):
        mt5 = ("<DATE>", "<TIME>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<VOL>")
        rest = tuple(f"extra{n}" for n in range(1, len(bare) - 6))
        change = _insert((*mt5[: len(bare)], *rest), delimiter)
        return f"date and time in two columns: {change}; then --utc, if that is so"
    if len(bare) > 4 and _is_time(bare[0]) and _is_candle(bare[1:5]):
        rest = tuple(f"extra{n}" for n in range(1, len(bare) - 5))
        names = (*NAMES[: len(bare)], *rest)
        then = _THEN_REPAIR if _in_small_units(bare[0]) else ""
        return f"if its columns are {', '.join(names)}: {_insert(names, delimiter)}{then}"
    return f"put a header over it that names its {len(bare)} columns: {_insert(NAMES, delimiter)}"


def header(cells: Sequence[str], delimiter: str, line: int, rows: Sequence[Sequence[str]]) -> str | None:
    """How to rename a header with foreign names; None when what is missing is not there under another name.

    rows: the lines after it, as far as they are known.
    """
    named = [_bare(cell).lower() for cell in cells]
    if named[:1] == ["price"] and [_bare(row[0]).lower() for row in rows[:2]] == ["ticker", "date"]:
        new = ["timestamp", *named[1:]]
        change = _change(new, delimiter, line, "")
        return f"yfinance's three header lines: sed '{line + 1},{line + 2}d' FILE | {change}"
    first = [_bare(cell) for cell in rows[0]] if rows and len(rows[0]) == len(named) else None
    if {"date", "time"} <= set(named) and named.count("date") == named.count("time") == 1:
        new = [_MT5.get(name, name) for name in named]
        change = _change(new, delimiter, line)
        return f"date and time in two columns are read by MT5's names: {change}; then --utc, if that is so"
    known = {"timestamp": {"timestamp", "time", "t", "date", "datetime"}, "volume": {"volume", "v", "vol"}}
    known |= {name: {name, name[0]} for name in ("open", "high", "low", "close")}
    new, renamed = list(named), []
    for meaning in NAMES:
        if known[meaning] & set(named):
            continue
        at = next(
            (
                i
                for i, name in enumerate(named)
                if (FOREIGN.get(name) == meaning or (meaning == "timestamp" and not name and i == 0))
                and (meaning != "timestamp" or first is None or _is_time(first[i]))
            ),
            None,
        )
        if at is not None:
            new[at] = meaning
            renamed.append(f"{named[at] or 'the first column, which has no name,'} is {meaning}")
    if not renamed:
        return None
    small = first is not None and any(
        name == "timestamp" and _in_small_units(cell) for name, cell in zip(new, first, strict=True)
    )
    then = _THEN_REPAIR if small else ""
    return f"if {' and '.join(renamed)}: {_change(new, delimiter, line)}{then}"


def columns(names: Sequence[str]) -> str | None:
    """The same for Parquet's columns."""
    found = {name: FOREIGN[name.lower()] for name in names if name.lower() in FOREIGN}
    if not found:
        return None
    pairs = ", ".join(f'"{old}": "{new}"' for old, new in found.items())
    return _PARQUET.format(read=f"pl.read_parquet(sys.argv[1]).rename({{{pairs}}})")


def _change(names: Sequence[str], delimiter: str, line: int, file: str = "FILE ") -> str:
    return f"sed {shlex.quote(f'{line}c {_joined(names, delimiter)}')} {file}> NEW"


def _insert(names: Sequence[str], delimiter: str) -> str:
    return f"sed {shlex.quote(f'1i {_joined(names, delimiter)}')} FILE > NEW"


def _joined(names: Sequence[str], delimiter: str) -> str:
    return ("\\t" if delimiter == "\t" else delimiter).join(names)


def _bare(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _is_number(cell: str) -> bool:
    try:
        float(_bare(cell))
    except ValueError:
        return False
    return True


def _is_time(cell: str) -> bool:
    """Whether it can be meant as a time; a number of rows or bars is not."""
    text = _bare(cell)
    return bool(parse_time(text).told) and not (text.isdigit() and len(text) < 9)


def _is_date(cell: str) -> bool:
    return not cell.isdigit() and _is_time(cell)


def _in_small_units(cell: str) -> bool:
    return cell.isascii() and cell.isdigit() and len(cell) < 20 and unit_of(int(cell)) != "seconds"


def _is_candle(cells: Sequence[str]) -> bool:
    """Whether four cells are an open, a high, a low and a close."""
    if not all(map(_is_number, cells)):
        return False
    opened, high, low, close = (float(cell) for cell in cells)
    return low <= min(opened, close) and max(opened, close) <= high
