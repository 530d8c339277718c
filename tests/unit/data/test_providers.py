"""Providers: what they answer becomes checked candles, and their failures say whether to try again."""

import contextlib
import http.server
import threading
import types

import pytest

from foldward.contracts.errors import ConfigError, DataError, ProviderError, RequestError
from foldward.data.cache import Cache
from foldward.data.providers import CcxtProvider, HttpProvider, ProviderRefused, Query, download
from foldward.data.providers._download import finished_until
from foldward.resilience import BreakerOpen, CircuitBreaker, RetryPolicy

CSV = b"t,o,h,l,c,v\n1704067200,1,3,1,2,9\n1704070800,2,3,1,2,9\n"
QUERY = Query("EUR/USD", 60, 1_704_067_200, 1_704_070_800)
QUICK = RetryPolicy(attempts=3, base=1, cap=4, jitter=None, deadline=60)


class Server:
    """A server on loopback that gives the answers it was given, one a request, and remembers the requests."""

    def __init__(self):
        self.answers = []
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.seen.append((self.path, dict(self.headers)))
                status, headers, body = outer.answers.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, format, *args):
                return None

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def fetch(tmp_path):
    """Download into a fresh cache without ever sleeping; the waits are kept."""
    waits = []

    def _fetch(provider, **said):
        return download(
            provider,
            QUERY,
            Cache(tmp_path / "cache"),
            tmp_path / "downloads",
            policy=QUICK,
            sleep=waits.append,
            **said,
        )

    _fetch.waits = waits
    return _fetch


def test_csv_is_kept_checked_and_cached(server, fetch, tmp_path):
    server.answers = [(200, {"Content-Type": "text/csv"}, CSV)]
    provider = HttpProvider(server.url + "/c?s={symbol}&tf={timeframe}&a={start}&b={end_ms}", name="test")
    entry = fetch(provider)
    assert (entry.symbol, entry.timeframe, entry.rows) == ("EUR/USD", 60, 2)
    assert server.seen[0][0] == "/c?s=EUR%2FUSD&tf=H1&a=1704067200&b=1704070800000"
    assert (tmp_path / "downloads" / "test" / "EUR%2FUSD_H1.csv").read_bytes() == CSV
    assert fetch.waits == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[[1704067200,1,3,1,2,9],[1704070800,2,3,1,2,9]]", {}),
        (
            b'{"data":{"rows":[[1704067200000,1,3,1,2,9],[1704070800000,2,3,1,2,9]]}}',
            {"path": "data.rows", "time_unit": "ms"},
        ),
        (
            b'[{"t":1704067200,"o":1,"h":3,"l":1,"c":2,"v":9},{"t":1704070800,"o":2.0,"h":3,"l":1,"c":2,"v":9}]',
            {},
        ),
        (b'{"t":[1704067200,1704070800],"o":[1,2],"h":[3,3],"l":[1,1],"c":[2,2],"v":["9","9"]}', {}),
        (
            b"[[1704067200,1,1,3,2,9],[1704070800,2,1,3,2,9]]",
            {"columns": ("timestamp", "open", "low", "high", "close", "volume")},
        ),
    ],
    ids=["lists", "path and ms", "objects", "columns", "other order"],
)
def test_json_of_every_shape_gives_the_same_candles(server, fetch, check, body, said):
    server.answers = [(200, {"Content-Type": "application/json"}, body)]
    assert fetch(HttpProvider(server.url + "/", **said)).fingerprint == check(CSV).fingerprint


def test_numbers_of_json_are_kept_digit_by_digit(server):
    server.answers = [(200, {}, b"[[1704067200,0.1234567890123456789,1e3,null,NaN,true]]")]
    body = HttpProvider(server.url + "/", format="json").fetch(QUERY)
    assert body.splitlines()[1] == b"1704067200,0.1234567890123456789,1e3,,NaN,true"


def test_what_the_contract_refuses_is_not_cached_and_the_last_good_file_stays(server, fetch, tmp_path):
    bad = CSV.replace(b"2,3,1,2,9", b"2,1,1,2,9")
    server.answers = [(200, {}, CSV), (200, {}, bad)]
    provider = HttpProvider(server.url + "/")
    good = fetch(provider)
    with pytest.raises(DataError) as caught:
        fetch(provider)
    assert caught.value.context["cause"] == "data.geometry"
    assert (tmp_path / "downloads" / "http" / "EUR%2FUSD_H1.csv").read_bytes() == CSV
    assert (tmp_path / "downloads" / "http" / "EUR%2FUSD_H1.refused.csv").read_bytes() == bad
    assert Cache(tmp_path / "cache").find("EUR/USD", 60) == [good]
    assert len(server.seen) == 2


def test_a_busy_server_is_asked_again_after_the_time_it_names(server, fetch):
    server.answers = [(429, {"Retry-After": "7"}, b""), (503, {}, b""), (200, {}, CSV)]
    assert fetch(HttpProvider(server.url + "/")).rows == 2
    assert fetch.waits == [7.0, 2.0]


def test_a_server_that_keeps_failing_is_given_up(server, fetch):
    server.answers = [(500, {}, b"")] * 3
    with pytest.raises(ProviderError, match="HTTP 500") as caught:
        fetch(HttpProvider(server.url + "/"))
    assert caught.value.code == "provider.failed"
    assert len(server.seen) == 3


def test_a_refusal_is_final_and_shows_no_secret(server, fetch):
    server.answers = [(401, {}, b"")]
    provider = HttpProvider(server.url + "/v1?key=SECRET", headers={"Authorization": "Bearer SECRET"})
    with pytest.raises(ProviderRefused) as caught:
        fetch(provider)
    assert caught.value.message == f"{server.url}/v1: HTTP 401 Unauthorized"
    assert "SECRET" not in repr(caught.value.as_dict())
    assert len(server.seen) == 1


def test_a_cut_answer_is_worth_another_try(server, fetch):
    server.answers = [(200, {"Content-Length": "5000"}, CSV), (200, {}, CSV)]
    assert fetch(HttpProvider(server.url + "/")).rows == 2
    server.answers = [(200, {}, b"[[1704067200,1,3,1,2,9],[17040"), (200, {}, b"[[1704067200,1,3,1,2,9]]")]
    assert fetch(HttpProvider(server.url + "/", format="json")).rows == 1


def test_an_answer_that_is_too_long_is_refused(server):
    server.answers = [(200, {}, CSV)]
    with pytest.raises(ProviderRefused, match="more than 10 bytes"):
        HttpProvider(server.url + "/", max_bytes=10).fetch(QUERY)


def test_nobody_at_the_address_is_a_failure(fetch):
    with pytest.raises(ProviderError) as caught:
        fetch(HttpProvider("http://127.0.0.1:9/"))
    assert caught.value.code == "provider.failed"


def test_credentials_do_not_follow_a_redirect_to_another_host(server):
    server.answers = [
        (302, {"Location": f"http://localhost:{server.server.server_port}/x"}, b""),
        (200, {}, CSV),
    ]
    HttpProvider(server.url + "/", headers={"Authorization": "Bearer SECRET"}).fetch(QUERY)
    assert server.seen[0][1]["Authorization"] == "Bearer SECRET"
    assert "Authorization" not in server.seen[1][1]


def test_a_redirect_to_a_file_is_refused(server):
    server.answers = [(302, {"Location": "file:///etc/passwd"}, b"")]
    with pytest.raises(ProviderRefused):
        HttpProvider(server.url + "/").fetch(QUERY)


def test_the_breaker_opens_on_failures_and_rejections_are_not_retried(server, fetch):
    server.answers = [(500, {}, b"")] * 2
    breaker = CircuitBreaker(threshold=2, recovery=60, clock=lambda: 100.0, name="test")
    with pytest.raises(BreakerOpen) as caught:
        fetch(HttpProvider(server.url + "/"), breaker=breaker, clock=lambda: 100.0)
    assert caught.value.retry_at == 160.0
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "not an http or https URL"),
        ("https://", "not an http or https URL"),
        ("https://host/{simbol}", "did you mean 'symbol'"),
        ("https://host/{", "URL template"),
        ("https://{symbol}/x", "host cannot be a place"),
    ],
)
def test_a_url_that_cannot_be_is_refused_before_any_work(url, why):
    with pytest.raises(ConfigError, match=why):
        HttpProvider(url)


def test_rows_that_are_not_where_they_should_be_are_refused(server):
    for body, path in ((b'{"a":1}', "b"), (b'{"a":[1,2]}', "a"), (b'{"t":[1],"o":[]}', ""), (b"3", "")):
        server.answers = [(200, {}, body)]
        with pytest.raises(ProviderRefused):
            HttpProvider(server.url + "/", format="json", path=path).fetch(QUERY)


def test_a_query_that_ends_before_it_starts_is_a_request_error(fetch, tmp_path):
    with pytest.raises(RequestError, match="before it starts"):
        download(HttpProvider("http://127.0.0.1:9/"), Query("X", 60, 5, 4), Cache(tmp_path), tmp_path)


def test_the_last_finished_bar():
    assert finished_until(60, 1_704_070_799_999_999) == 1_704_063_600
    assert finished_until(60, 1_704_070_800_000_000) == 1_704_067_200


class Exchange:
    """An exchange as ccxt shows it: two candles a page, and one unfinished bar after the query."""

    id = "fake"

    def __init__(self, rows, errors=()):
        self.rows = rows
        self.errors = list(errors)
        self.asked = []

    def fetch_ohlcv(self, symbol, timeframe, since, limit):
        self.asked.append((symbol, timeframe, since, limit))
        if self.errors:
            raise self.errors.pop(0)
        return [row for row in self.rows if row[0] >= since][:limit]


class NetworkError(Exception):
    """As ccxt names it."""


ROWS = [[1_704_067_200_000 + 3_600_000 * i, 1, 3, 1, 2, 9.5] for i in range(6)]


def test_an_exchange_is_read_page_by_page_up_to_the_end_of_the_query():
    exchange = Exchange(ROWS)
    body = CcxtProvider(exchange, page=2).fetch(
        Query("BTC/USDT", 60, 1_704_067_200, 1_704_067_200 + 4 * 3600)
    )
    assert body.decode().splitlines() == [
        "timestamp,open,high,low,close,volume",
        *(f"{1_704_067_200 + 3600 * i},1,3,1,2,9.5" for i in range(5)),
    ]
    assert [asked[1:] for asked in exchange.asked] == [
        ("1h", 1_704_067_200_000, 2),
        ("1h", 1_704_070_800_001, 2),
        ("1h", 1_704_078_000_001, 2),
    ]


def test_an_exchange_that_stops_answering_more_ends_the_fetch():
    body = CcxtProvider(Exchange(ROWS[:3]), page=2).fetch(Query("X", 60, 1_704_067_200, 1_800_000_000))
    assert len(body.splitlines()) == 4


def test_a_network_error_of_an_exchange_is_retried_and_another_is_not(fetch):
    exchange = Exchange(ROWS[:2], [NetworkError("reset")])
    assert fetch(CcxtProvider(exchange)).rows == 2
    with pytest.raises(ProviderRefused, match="bad symbol"):
        fetch(CcxtProvider(Exchange(ROWS, [ValueError("bad symbol")])))


def test_a_timeframe_that_no_exchange_has_is_written_in_its_largest_unit():
    exchange = Exchange([])
    for minutes, label in ((1, "1m"), (240, "4h"), (1440, "1d"), (10_080, "1w"), (43_200, "1M")):
        CcxtProvider(exchange).fetch(Query("X", minutes, 0, 1))
        assert exchange.asked[-1][1] == label


def test_an_exchange_by_name_needs_ccxt_and_a_known_name(monkeypatch):
    fake = types.SimpleNamespace(exchanges=["kraken"], kraken=lambda options: Exchange(ROWS))
    monkeypatch.setitem(__import__("sys").modules, "ccxt", fake)
    assert CcxtProvider.named("kraken").name == "ccxt-fake"
    with pytest.raises(ProviderRefused, match="did you mean 'kraken'"):
        CcxtProvider.named("krakn")
    monkeypatch.setitem(__import__("sys").modules, "ccxt", None)
    with pytest.raises(ProviderRefused, match="ccxt") as caught:
        CcxtProvider.named("kraken")
    assert caught.value.hint == "pip install 'foldward[exchanges]'"
