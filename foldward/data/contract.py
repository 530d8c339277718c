"""The contract at the border: one check for every way in, one canonical table out.

`check_file` answers with a report of all findings; `examine` gives the accepted table too. Nothing is
repaired, guessed or filled in: what is not clearly right is a finding with its line.
"""

from __future__ import annotations

import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any

from foldward.contracts import clock
from foldward.contracts.errors import RequestError
from foldward.contracts.timeframe import parse_timeframe
from foldward.data._advice import kind_of
from foldward.data._csv_read import read_csv
from foldward.data._judge import COVERAGE_MIN, Checked, Terms, judge
from foldward.data._names import series_name, shown
from foldward.data._parquet import read_parquet
from foldward.data._table import Findings, Table
from foldward.data._whole import read_whole
from foldward.data.findings import Place, Report, check_allow

__all__ = [
    "COVERAGE_MIN",
    "Checked",
    "Terms",
    "check_file",
    "examine",
    "read_bytes",
    "read_table",
    "repair",
    "terms",
]


def terms(
    path: str | Path,
    timeframe: int | str | None = None,
    *,
    symbol: str | None = None,
    utc: bool = False,
    allow: Collection[str] = (),
    synthetic: bool = False,
    coverage_min: float = COVERAGE_MIN,
) -> Terms:
    """What holds for a file: what is said, else what its name says (`<SYMBOL>_<TF>.csv`).

    Raises RequestError `request.bad_param` for a timeframe, an allowed code or a coverage that cannot be.
    """
    named_symbol, named_timeframe = series_name(path)
    if not 0.0 <= coverage_min <= 1.0:
        raise RequestError(
            "request.bad_param", f"coverage_min is {coverage_min}; a ratio from 0 to 1", field="coverage_min"
        )
    return Terms(
        named_timeframe if timeframe is None else parse_timeframe(timeframe),
        named_symbol if symbol is None else symbol,
        utc,
        check_allow(allow),
        "synthetic" if synthetic else "real",
        coverage_min,
    )


def check_file(
    path: str | Path,
    timeframe: int | str | None = None,
    *,
    symbol: str | None = None,
    utc: bool = False,
    allow: Collection[str] = (),
    synthetic: bool = False,
    now_us: int | None = None,
    coverage_min: float = COVERAGE_MIN,
) -> Report:
    """Check a file of candles (CSV, MT5 export or Parquet) and report every finding.

    timeframe: minutes or a label; None takes it from the file's name, else from the rows. utc: declares
    that times without a zone are UTC. allow: codes to accept (see `ALLOWABLE`). now_us: the time against
    which the last bar is unfinished, the clock when None. A bad file raises nothing; a bad argument raises
    RequestError.
    """
    said = terms(
        path,
        timeframe,
        symbol=symbol,
        utc=utc,
        allow=allow,
        synthetic=synthetic,
        coverage_min=coverage_min,
    )
    found = Findings()
    data = read_bytes(path, found)
    return examine(shown(path), data, said, clock.utc_us() if now_us is None else now_us, found).report


def repair(path: str | Path, out: str | Path, **said: Any) -> dict[str, Any]:
    """`foldward.data.repair.repair`, under the name of the contract that it helps to meet."""
    from foldward.data.repair import repair as repair_file

    return repair_file(path, out, **said)


def read_bytes(path: str | Path, found: Findings) -> bytes | None:
    """The bytes of a regular, readable, non-empty file; otherwise None and the finding."""
    try:
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            found.add("data.not_a_file", Place(None, None, f"it is {kind}"))
            return None
        data = read_whole(path)
    except (FileNotFoundError, NotADirectoryError):
        found.add("data.missing_file", Place(None, None, "no such file"))
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        found.add("data.unreadable", Place(None, None, str(getattr(error, "strerror", None) or error)))
        return None
    if not data:
        found.add("data.empty", Place(None, None, "0 bytes"))
        return None
    return data


def examine(
    file: str, data: bytes | None, said: Terms, now_us: int, found: Findings | None = None
) -> Checked:
    """Check the bytes of a file and build the bars when they are accepted."""
    found = Findings() if found is None else found
    table, rows = (None, 0) if data is None else read_table(data, said.utc, found)
    return judge(file, table, rows, said, now_us, found)


def read_table(data: bytes, utc: bool, found: Findings, convert: bool = False) -> tuple[Table | None, int]:
    """The rows of a file as they are (None when there is no reading them), and how many it has."""
    if data.startswith(b"PAR1"):
        return read_parquet(data, utc, found, convert)
    kind = kind_of(data)
    if kind is not None:
        found.add("data.unreadable", Place(None, None, f"it is {kind[0]}"))
        found.hints["data.unreadable"] = kind[1]
        return None, 0
    return read_csv(data, utc, found, convert)
