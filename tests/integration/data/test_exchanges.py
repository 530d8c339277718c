"""The installed ccxt itself, without a network: what an exchange's server says is put in its mouth."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlparse

import ccxt
import pytest
import requests

from foldward.contracts.errors import ProviderError
from foldward.data.cache import Cache
from foldward.data.providers import CcxtProvider, Query, download
from foldward.data.providers._errors import ProviderRefused

pytestmark = pytest.mark.slow

FIRST = 1_704_067_200
PAIRS = {
    "XXBTZUSD": {
        "altname": "XBTUSD", "wsname": "XBT/USD", "aclass_base": "currency", "base": "XXBT",
        "aclass_quote": "currency", "quote": "ZUSD", "pair_decimals": 1, "lot_decimals": 8,
        "cost_decimals": 5, "lot_multiplier": 1, "leverage_buy": [], "leverage_sell": [],
        "fees": [[0, 0.4]], "fees_maker": [[0, 0.25]], "ordermin": "0.0001", "costmin": "0.5",
        "tick_size": "0.1", "status": "online", "margin_call": 80, "margin_stop": 40,
    }
}  # fmt: skip
ASSETS = {
    name: {"aclass": "currency", "altname": short, "decimals": 8, "display_decimals": 5, "status": "enabled"}
    for name, short in (("XXBT", "XBT"), ("ZUSD", "USD"))
}


class Server(requests.Session):
    """Kraken's public REST interface over twelve hourly candles, three a page.

    says: answers to the first questions for candles: (status, text), or an error of the connection to raise.
    """

    def __init__(self, says: list[Any] | None = None) -> None:
        super().__init__()
        self.says = says or []
        self.asked: list[dict[str, list[str]]] = []

    def request(self, method: str, url: str, **_more: Any) -> requests.Response:
        parts = urlparse(url)
        result: Any = {"AssetPairs": PAIRS, "Assets": ASSETS}.get(parts.path.rpartition("/")[2])
        if result is None:
            query = parse_qs(parts.query)
            self.asked.append(query)
            if self.says:
                said = self.says.pop(0)
                if isinstance(said, Exception):
                    raise said
                return response(url, *said)
            result = self._candles(int(query["since"][0]))
        return response(url, 200, json.dumps({"error": [], "result": result}))

    def _candles(self, since: int) -> dict[str, Any]:
        rows = [
            [FIRST + 3600 * i, f"{42000 + i}.1", "43000.0", "41000.0", f"{42001 + i}.5", "42000", "12.5", 7]
            for i in range(12)
        ]  # fmt: skip
        page = [row for row in rows if row[0] > since][:3]
        return {"XXBTZUSD": page, "last": page[-1][0] if page else since}


def response(url: str, status: int, text: str) -> requests.Response:
    made = requests.Response()
    made.status_code, made.url, made._content = status, url, text.encode()
    made.reason = "as the test says"
    return made


def provider(says: list[Any] | None = None) -> tuple[CcxtProvider, Server]:
    made = CcxtProvider.named("kraken", page=3, enableRateLimit=False)
    server = made._exchange.session = Server(says)
    return made, server


QUERY = Query("BTC/USD", 60, FIRST, FIRST + 7 * 3600)


def test_a_real_exchange_class_is_read_page_by_page():
    made, server = provider()
    lines = made.fetch(QUERY).decode().splitlines()
    assert made.name == "ccxt-kraken"
    assert lines[0] == "timestamp,open,high,low,close,volume"
    assert lines[1] == f"{FIRST},42000.1,43000.0,41000.0,42001.5,12.5"
    assert [int(line.partition(",")[0]) for line in lines[1:]] == [FIRST + 3600 * i for i in range(8)]
    assert {query["interval"][0] for query in server.asked} == {"60"}
    assert len(server.asked) >= 3


def test_what_it_sends_passes_the_contract(tmp_path):
    made, _ = provider()
    entry = download(made, QUERY, Cache(tmp_path / "cache"), tmp_path, sleep=lambda _s: None)
    assert (entry.symbol, entry.timeframe, entry.rows) == ("BTC/USD", 60, 8)
    assert (entry.first, entry.last) == (FIRST, FIRST + 7 * 3600)


PASSING = {
    "the connection fails": requests.exceptions.ConnectionError("refused"),
    "the time is over": requests.exceptions.Timeout("30 s"),
    "the server is overloaded": (503, "busy"),
    "too many questions": (429, "slow down"),
    "the exchange is away": (200, '{"error": ["EService:Unavailable"]}'),
    "the exchange limits": (200, '{"error": ["EAPI:Rate limit exceeded"]}'),
    "no answer that can be read": (200, "<html>maintenance</html>"),
}


@pytest.mark.parametrize("what", PASSING)
def test_what_may_pass_is_worth_another_try(tmp_path, what):
    made, _ = provider([PASSING[what]])
    with pytest.raises(ProviderError) as caught:
        made.fetch(QUERY)
    assert caught.value.code == "provider.failed", caught.value
    made, server = provider([PASSING[what]])
    entry = download(made, QUERY, Cache(tmp_path / "cache"), tmp_path, sleep=lambda _s: None)
    assert entry.rows == 8
    assert len(server.asked) > 3


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ('{"error": ["EQuery:Unknown asset pair"]}', "ExchangeError"),
        ('{"error": ["EGeneral:Permission denied"]}', "PermissionDenied"),
        ('{"error": ["EGeneral:Invalid arguments"]}', "BadRequest"),
    ],
)
def test_a_no_is_not_asked_again(said, name):
    made, server = provider([(200, said)])
    with pytest.raises(ProviderRefused, match=f"ccxt-kraken: {name}: "):
        made.fetch(QUERY)
    assert len(server.asked) == 1


def test_a_symbol_or_timeframe_that_it_has_not_is_refused_with_what_it_has():
    made, server = provider()
    with pytest.raises(ProviderRefused, match="BadSymbol"):
        made.fetch(QUERY._replace(symbol="BTC/EURO"))
    with pytest.raises(ProviderRefused, match="kraken has no candles of 7m; it has 1m, 5m, 15m"):
        made.fetch(QUERY._replace(timeframe=7))
    assert server.asked == []


def test_an_exchange_without_candles_is_refused_by_name():
    without = next(name for name in ccxt.exchanges if not getattr(ccxt, name)().has.get("fetchOHLCV"))
    with pytest.raises(ProviderRefused, match=f"{without} has no candles"):
        CcxtProvider.named(without)


def test_every_exchange_that_has_candles_names_timeframes_that_we_can_ask_for():
    odd = {}
    for name in ccxt.exchanges:
        exchange = getattr(ccxt, name)()
        if exchange.has.get("fetchOHLCV") and exchange.timeframes:
            known = set(exchange.timeframes) & {"1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"}
            if not known:
                odd[name] = list(exchange.timeframes)
    assert odd == {}
