"""From a provider to the cache: ask with retry and breaker, keep the file, pass the contract."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from foldward.contracts import clock as _clock
from foldward.contracts.errors import RequestError
from foldward.contracts.timeframe import timeframe_label
from foldward.data._names import symbol_key
from foldward.data.cache import Cache
from foldward.data.entries import Entry
from foldward.files import atomic_write, fsync_dir
from foldward.resilience import CircuitBreaker, RetryPolicy, retry

DEFAULT_POLICY = RetryPolicy(attempts=5, base=1.0, cap=30.0, deadline=300.0, attempt_timeout=120.0)


class Query(NamedTuple):
    """Candles wanted: timeframe in minutes, start and end as Unix seconds (first and last bar, inclusive)."""

    symbol: str
    timeframe: int
    start: int
    end: int


class Provider(Protocol):
    """A source of candles. `fetch` makes one attempt and raises ProviderError when it fails."""

    name: str

    def fetch(self, query: Query) -> bytes:
        """A CSV file as the contract reads it, unchecked."""
        ...


def finished_until(timeframe: int, now_us: int) -> int:
    """Unix seconds of the opening of the last bar that is finished: what a query may end with."""
    step = timeframe * 60
    return now_us // _clock.US // step * step - step


def download(
    provider: Provider,
    query: Query,
    cache: Cache,
    folder: str | Path,
    *,
    policy: RetryPolicy = DEFAULT_POLICY,
    breaker: CircuitBreaker | None = None,
    utc: bool = False,
    allow: Collection[str] = (),
    synthetic: bool = False,
    clock: Callable[[], float] = _clock.now,
    sleep: Callable[[float], Any] = time.sleep,
    rng: random.Random | None = None,
) -> Entry:
    """Fetch candles, keep them as `<folder>/<provider>/<SYMBOL>_<TF>.csv`, check and cache them.

    A file that the contract refuses stays as `….refused.csv` beside the last good one and the DataError
    `data.refused` is raised: it is never fetched again for that, since the provider did answer. Raises
    ProviderError when the provider fails (after the retries of `policy`) or refuses, BreakerOpen when it is
    left alone for a while, RequestError `request.bad_window` for a query that ends before it starts.
    """
    from foldward.data.contract import check_file

    if query.start > query.end:
        raise RequestError(
            "request.bad_window",
            f"the query ends ({query.end}) before it starts ({query.start})",
            field="end",
        )
    guard = breaker if breaker is not None else CircuitBreaker(clock=clock, name=provider.name)
    data = retry(policy, lambda: guard.call(provider.fetch, query), clock=clock, sleep=sleep, rng=rng)
    stem = f"{symbol_key(query.symbol)}_{timeframe_label(query.timeframe)}"
    home = Path(folder) / symbol_key(provider.name)
    arrived = home / f"{stem}.refused.csv"
    atomic_write(arrived, data)
    terms: dict[str, Any] = {
        "symbol": query.symbol,
        "utc": utc,
        "allow": allow,
        "synthetic": synthetic,
    }
    refusal = check_file(arrived, query.timeframe, **terms).refusal()
    if refusal is not None:
        raise refusal
    kept = home / f"{stem}.csv"
    os.replace(arrived, kept)
    fsync_dir(home)
    return cache.ensure(kept, query.timeframe, **terms)
