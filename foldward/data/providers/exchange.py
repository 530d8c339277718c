"""Candles of crypto exchanges through ccxt (optional: `pip install foldward[exchanges]`)."""

from __future__ import annotations

import csv
import importlib
import io
import json
from typing import Any

from foldward.contracts.errors import FoldwardError, suggestion
from foldward.contracts.timeframe import MONTH
from foldward.data.providers._download import Query
from foldward.data.providers._errors import ProviderRefused, failed
from foldward.data.providers._json import COLUMNS, seconds

_PAGE = 500
# Branches of ccxt's tree of errors (and of Python's own) that another try may mend: the network, limits,
# maintenance, and answers that cannot be read.
_PASSING = {"OperationFailed", "NetworkError", "OSError"}
_UNITS = ((10_080, "w"), (1440, "d"), (60, "h"), (1, "m"))


class CcxtProvider:
    """One exchange. `exchange` is a ccxt exchange object; `CcxtProvider.named("kraken")` makes one.

    Pages of at most `page` candles are asked for until the query's end; bars outside the query are left out
    (an exchange sends the unfinished one too).
    """

    def __init__(self, exchange: Any, *, page: int = _PAGE) -> None:
        self.name = f"ccxt-{getattr(exchange, 'id', 'exchange')}"
        self._exchange = exchange
        self._page = page

    @classmethod
    def named(
        cls, exchange: str, *, timeout: float = 30.0, page: int = _PAGE, **settings: Any
    ) -> CcxtProvider:
        """A provider by ccxt's name of the exchange; `settings` go to ccxt (apiKey, secret …)."""
        try:
            ccxt = importlib.import_module("ccxt")
        except ImportError as error:
            raise ProviderRefused(
                "exchanges need the package ccxt", hint="pip install 'foldward[exchanges]'"
            ) from error
        if exchange not in ccxt.exchanges:
            raise ProviderRefused(f"no exchange {exchange}; {suggestion(exchange, ccxt.exchanges)}")
        options = {"enableRateLimit": True, "timeout": int(timeout * 1000), **settings}
        made = getattr(ccxt, exchange)(options)
        if not getattr(made, "has", {"fetchOHLCV": True}).get("fetchOHLCV"):
            raise ProviderRefused(f"{exchange} has no candles to fetch")
        return cls(made, page=page)

    def fetch(self, query: Query) -> bytes:
        """All pages. Raises ProviderError `provider.failed` (worth another try) or ProviderRefused."""
        label = _label(query.timeframe)
        known = getattr(self._exchange, "timeframes", None) or {}
        if known and label not in known:
            raise ProviderRefused(f"{self.name} has no candles of {label}; it has {', '.join(known)}")
        start, end = query.start * 1000, query.end * 1000
        rows: list[list[Any]] = []
        since = start
        while since <= end:
            page = self._ask(query.symbol, label, since)
            fresh = [row for row in page if row and int(row[0]) >= since]
            rows += [row for row in fresh if int(row[0]) <= end]
            if not fresh:
                break
            since = int(fresh[-1][0]) + 1
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([seconds(str(int(row[0])), "ms"), *row[1:6]])
        return buffer.getvalue().encode()

    def _ask(self, symbol: str, label: str, since: int) -> list[list[Any]]:
        try:
            answer = self._exchange.fetch_ohlcv(symbol, label, since=since, limit=self._page)
        except FoldwardError:
            raise
        except Exception as error:  # ccxt has a tree of its own; which branch decides whether to try again
            kinds = {kind.__name__ for kind in type(error).__mro__}
            said = f"{self.name}: {type(error).__name__}: {str(error)[:200]}"
            if kinds & _PASSING:
                raise failed(said) from error
            raise ProviderRefused(said) from error
        if not isinstance(answer, list):
            raise failed(f"{self.name}: the answer is no list of candles")
        if not answer and not self._readable():
            raise failed(f"{self.name}: the answer is no JSON: a page of maintenance, or a proxy's")
        return answer

    def _readable(self) -> bool:
        """Whether the server's last words were JSON.

        ccxt takes anything else for a list without candles, which would end the series here.
        """
        said = getattr(self._exchange, "last_http_response", None)
        if not isinstance(said, str) or not said.strip():
            return said is None
        try:
            json.loads(said)
        except ValueError:
            return False
        return True


def _label(timeframe: int) -> str:
    if timeframe == MONTH:
        return "1M"
    for size, letter in _UNITS:
        if timeframe % size == 0:
            return f"{timeframe // size}{letter}"
    raise ProviderRefused(f"no exchange has a timeframe of {timeframe} minutes")
