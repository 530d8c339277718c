"""Check sums of rows: what `integrity_check` cannot see, a changed byte inside a row that is still a row."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

# All but `conflicts`, which changes later.
RESULT_COLUMNS = (
    "request_id, name, kind, digest, result_digest, work, verdict, requested_us, sent_at, received_at,"
    " applied_at, latency_us, queue_us, run_us, sends, failures, attempt, run_id, trace_id, origin,"
    " group_id, parent_id, worker, peer, engine, profile, fingerprint, provenance, seed, window_start,"
    " window_end, window_bars, unverified, trades, wins, losses, pnl, sharpe, sortino, max_drawdown,"
    " win_rate, profit_factor"
)
_encode = msgspec.json.Encoder().encode


def result_crc(columns: tuple[Any, ...], detail: bytes) -> int:
    """The check sum of a result: RESULT_COLUMNS in order, each in its column's type, and the detail."""
    # SQLite keeps no sign with a zero.
    text = _encode(columns).replace(b"-0.0,", b"0.0,").replace(b"-0.0]", b"0.0]")
    return zlib.crc32(detail, zlib.crc32(text))
