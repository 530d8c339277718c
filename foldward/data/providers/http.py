"""Candles by HTTP(S): one GET of a URL template, CSV or JSON, with the standard library alone."""

from __future__ import annotations

import http.client
import ssl
import string
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from foldward.contracts import clock
from foldward.contracts.errors import ConfigError, FoldwardError, suggestion
from foldward.contracts.timeframe import timeframe_label
from foldward.data.providers._download import Query
from foldward.data.providers._errors import ProviderRefused, failed
from foldward.data.providers._json import COLUMNS, TimeUnit, csv_of_json
from foldward.resilience import retry_after_seconds

PLACES = ("symbol", "timeframe", "minutes", "seconds", "start", "end", "start_ms", "end_ms")
MAX_BYTES = 512 * 1024 * 1024
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})


class HttpProvider:
    """A provider behind a URL template such as `https://host/candles?s={symbol}&tf={timeframe}&from={start}`.

    Places: symbol, timeframe (label), minutes, seconds, start, end (Unix seconds), start_ms, end_ms; all are
    percent-encoded. format: csv or json, or by the answer's content type when None. path: the dotted place of
    the rows in JSON. columns: the meaning of list items in JSON rows. time_unit: of times in JSON.
    timeout: seconds without a byte. headers may hold credentials: they never follow a redirect to another
    host, and no error names them or the query part of the URL.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "http",
        format: Literal["csv", "json"] | None = None,
        path: str = "",
        columns: Sequence[str] = COLUMNS,
        time_unit: TimeUnit = "s",
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.name = name
        self._url = _checked(url)
        self._format = format
        self._path = path
        self._columns = tuple(columns)
        self._time_unit: TimeUnit = time_unit
        self._headers = {"User-Agent": "foldward", "Accept": "text/csv, application/json", **(headers or {})}
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._opener = _opener()

    def fetch(self, query: Query) -> bytes:
        """One GET. Raises ProviderError `provider.failed` (worth another try) or ProviderRefused."""
        url = self._fill(query)
        where = _shown(url)
        request = urllib.request.Request(url, headers=self._headers)
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                body: bytes = answer.read(self._max_bytes + 1)
                kind = str(answer.headers.get_content_type())
                length = answer.headers.get("Content-Length")
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error, where) from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise ProviderRefused(f"{where}: {error.reason.verify_message}", url=where) from error
            raise failed(f"{where}: {error.reason}", url=where) from error
        except (OSError, http.client.HTTPException) as error:
            raise failed(f"{where}: {type(error).__name__}: {error}", url=where) from error
        if len(body) > self._max_bytes:
            raise ProviderRefused(f"{where}: more than {self._max_bytes} bytes", url=where)
        if length is not None and length.isdigit() and len(body) < int(length):
            raise failed(f"{where}: {len(body)} of {length} bytes arrived", url=where)
        if (self._format or ("json" if kind.endswith("json") else "csv")) == "csv":
            return body
        return csv_of_json(body, self._path, self._columns, self._time_unit, where)

    def _fill(self, query: Query) -> str:
        values: dict[str, Any] = {
            "symbol": query.symbol,
            "timeframe": timeframe_label(query.timeframe),
            "minutes": query.timeframe,
            "seconds": query.timeframe * 60,
            "start": query.start,
            "end": query.end,
            "start_ms": query.start * 1000,
            "end_ms": query.end * 1000,
        }
        return self._url.format_map(
            {name: urllib.parse.quote(str(value), safe="") for name, value in values.items()}
        )


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect, but takes credentials along only to the same scheme, host and port."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        after = super().redirect_request(req, fp, code, msg, headers, newurl)
        if after is not None:
            old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
            if new.scheme not in ("http", "https") or (old.scheme, new.scheme) == ("https", "http"):
                raise urllib.error.HTTPError(req.full_url, code, "redirect to a weaker scheme", headers, fp)
            if (old.scheme, old.netloc) != (new.scheme, new.netloc):
                after.headers = {
                    name: value for name, value in after.headers.items() if name in ("User-agent", "Accept")
                }
        return after


def _opener() -> urllib.request.OpenerDirector:
    # Built by hand: build_opener would also answer file:, ftp: and data: URLs.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _SameHost(),
    ):
        opener.add_handler(handler)
    return opener


def _checked(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError("config.invalid", f"{_shown(url)} is not an http or https URL", field="url")
    try:
        named = [name for _, name, _, _ in string.Formatter().parse(url) if name is not None]
    except ValueError as error:
        raise ConfigError("config.invalid", f"URL template: {error}", field="url") from error
    for name in named:
        if name not in PLACES:
            raise ConfigError(
                "config.invalid", f"URL template: no {{{name}}}; {suggestion(name, PLACES)}", field="url"
            )
    if "{" in parts.netloc:
        raise ConfigError("config.invalid", "URL template: the host cannot be a place", field="url")
    return url


def _refusal(error: urllib.error.HTTPError, where: str) -> FoldwardError:
    said = f"{where}: HTTP {error.code} {error.reason}"
    if error.code not in _RETRYABLE and error.code < 500:
        return ProviderRefused(said, url=where, status=error.code)
    wait = retry_after_seconds(error.headers.get("Retry-After"), clock.utcnow())
    return failed(said, retry_after=wait, url=where, status=error.code)


def _shown(url: str) -> str:
    """Scheme, host and path: user, password and query may be secret."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
