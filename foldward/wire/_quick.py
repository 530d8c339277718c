"""The quick way to read JSON in our own spelling: one typed decode, then the checks that a type cannot make.

None means "look closer": the careful way finds the alias, or the field that is at fault. Whatever is read
here reads the same there (tests/property/wire holds the two against each other).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from foldward.contracts.jobs import Backtest, Result
from foldward.wire._limits import LARGEST
from foldward.wire._messages import check_request
from foldward.wire._misfit import Misfit
from foldward.wire._results import complete

RESULT_HEAD = b'{"type":"BACKTEST_RESULT",'
REQUEST_HEAD = b'{"action":"BACKTEST",'
# Twenty digits in a row may be an integer that 64 bits do not hold; seeds have twenty, so they are looked at.
# A pattern that finds them takes longer than decoding.
_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG = b"0" * 20


class _Envelope(msgspec.Struct):
    type: Literal["BACKTEST_RESULT"]
    result: Result


class _Request(
    Backtest, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="action", tag="BACKTEST"
):
    """A Backtest that refuses fields which the careful way would have to name."""


_envelope = msgspec.json.Decoder(_Envelope).decode
_request = msgspec.json.Decoder(_Request).decode
_FIELDS = tuple(field.name for field in msgspec.structs.fields(Backtest))


def quick_result(raw: bytes) -> Result | None:
    """The result of a BACKTEST_RESULT envelope."""
    if beyond_64_bits(raw):
        return None
    try:
        result = _envelope(raw).result
        if result.error is not None:
            return None  # numbers beside an error mean nothing, and the error must be a text
        complete(result)
    except (ValueError, RecursionError, Misfit):
        return None
    return result


def quick_request(raw: bytes, *, ours: bool = False) -> Backtest | None:
    """The request of a BACKTEST. ours: the candles' fields are known to bear our names."""
    if beyond_64_bits(raw):
        return None
    try:
        found = _request(raw)
        job = Backtest(**dict(zip(_FIELDS, msgspec.structs.astuple(found), strict=True)))
        check_request(job)
    except (ValueError, RecursionError, Misfit):
        return None
    strategy = job.strategy
    # One that is given serves for both, and which one is given cannot be seen any more.
    if strategy.timeframe != job.timeframe or strategy.symbol != job.symbol:
        return None
    if not ours and (job.candles is not None or job.aux_candles is not None):
        return None
    return job


def beyond_64_bits(raw: bytes) -> bool:
    """Whether a run of digits in the bytes is, or may be, an integer beyond 64 bits."""
    zeros = raw.translate(_ZEROS)
    at = zeros.find(_LONG)
    while at >= 0:
        end = at + len(_LONG)
        if zeros[end : end + 1] == b"0" or raw[at - 1 : at] == b"-" or int(raw[at:end]) > LARGEST:
            return True
        at = zeros.find(_LONG, end)
    return False
