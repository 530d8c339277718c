"""Names of series: `<SYMBOL>_<TF>.csv`, and symbols as folder names that can be read back."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote

from foldward.contracts.errors import FoldwardError, RequestError
from foldward.contracts.timeframe import parse_timeframe

MAX_SYMBOL = 64


def series_name(path: str | Path) -> tuple[str, int | None]:
    """What a file's name states: ("EURUSD", 60) for EURUSD_H1.csv, ("x", None) for x.csv."""
    stem = Path(shown(path)).name
    for suffix in (".csv", ".tsv", ".txt", ".parquet"):
        if stem.lower().endswith(suffix):
            stem = stem[: -len(suffix)]
            break
    symbol, _, label = stem.rpartition("_")
    if symbol and label and not label.isdigit():
        try:
            return symbol, parse_timeframe(label)
        except FoldwardError:
            return stem, None
    return stem, None


def shown(path: str | Path) -> str:
    """A path as valid text: bytes of its name that are not UTF-8 become backslash escapes."""
    return os.fsencode(path).decode(errors="backslashreplace")


def symbol_key(symbol: str) -> str:
    """A folder name for a symbol: percent-encoded, reversible, never a path.

    Raises RequestError `request.bad_param` for an empty symbol or one longer than 64 characters.
    """
    if not symbol or len(symbol) > MAX_SYMBOL:
        raise RequestError(
            "request.bad_param",
            f"symbol {symbol[:80]!r} has not 1 to {MAX_SYMBOL} characters",
            field="symbol",
        )
    try:
        key = quote(symbol, safe="")
    except UnicodeEncodeError as error:
        raise RequestError(
            "request.bad_param", f"symbol {symbol!r} is not valid text", field="symbol"
        ) from error
    return "%2E" + key[1:] if key.startswith(".") else key


def symbol_of(key: str) -> str:
    """The symbol of a folder name: the inverse of `symbol_key`."""
    return unquote(key)
