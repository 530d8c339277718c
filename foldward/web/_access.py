"""Who may do what: the token, sessions, and the checks that keep other sites' pages out. Pure decisions.

A session is a signed text in a cookie (HttpOnly, SameSite=Strict): nothing is stored, so a restart with the
same token keeps everybody signed in and a new token signs everybody out. Every comparison of secrets takes
the same time whatever differs (hmac.compare_digest). Sources: OWASP cheat sheets on CSRF prevention (origin
check and a token bound to the session) and on DNS rebinding (a list of the names we answer to).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from foldward.contracts import clock
from foldward.contracts.errors import ConfigError
from foldward.settings import WebTable

SESSION_S = 12 * 3600
LOCAL = ("127.0.0.1", "localhost", "::1")


def is_loopback(host: str) -> bool:
    """Whether an address to bind is reachable from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_binding(settings: WebTable) -> None:
    """Refuse to be reachable from other machines without a token. Raises config.invalid."""
    if not is_loopback(settings.host) and not settings.token.get_secret_value():
        raise ConfigError(
            "config.invalid",
            f"web.host {settings.host} is reachable from other machines and web.token is not set",
            hint="set web.token, or bind 127.0.0.1",
        )


class Access:
    """The rules of one dashboard. token: the secret that signs in; without one it is made at random."""

    def __init__(self, settings: WebTable, token: str | None = None) -> None:
        configured = settings.token.get_secret_value()
        self.token = token or configured or secrets.token_urlsafe(24)
        self.generated = not configured
        self.read_only = settings.read_only
        self._hosts = {_bare(name) for name in (*LOCAL, settings.host, *settings.hosts)}
        self._local = is_loopback(settings.host)
        self.guarded = not self._local or bool(settings.hosts)
        self.cookie = f"foldward_{settings.port}"  # cookies know no ports: two dashboards, two names
        self._key = hashlib.sha256(b"foldward web session\0" + self.token.encode()).digest()

    def knows_host(self, host: str | None) -> bool:
        """Whether a Host header names us; a foreign name that resolves here is DNS rebinding.

        Bound beyond this machine every name is taken: there every page needs a session, which a foreign
        name's pages cannot have.
        """
        if not self._local:
            return True
        return host is not None and _bare(host) in self._hosts

    def token_fits(self, given: str) -> bool:
        """Constant time, and independent of the length of what is given."""
        return hmac.compare_digest(_hash(given), _hash(self.token))

    def new_session(self) -> str:
        """The value of the cookie of somebody who has shown the token."""
        ends = int(clock.utcnow().timestamp()) + SESSION_S
        plain = f"{ends}.{secrets.token_urlsafe(12)}"
        return f"{plain}.{self._sign(plain)}"

    def session_fits(self, cookie: str | None) -> bool:
        """Whether a cookie was made here and has not ended."""
        if not cookie or not cookie.isascii():
            return False
        plain, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature, self._sign(plain)):
            return False
        return int(plain.partition(".")[0]) > clock.utcnow().timestamp()

    def form_token(self, cookie: str) -> str:
        """What every form of this session carries in its field `csrf`."""
        return self._sign(f"form {cookie}")

    def form_fits(self, cookie: str, given: str) -> bool:
        """Whether a form was made for this session."""
        return given.isascii() and hmac.compare_digest(given, self.form_token(cookie))

    def bearer_fits(self, headers: Mapping[str, str]) -> bool:
        """`Authorization: Bearer TOKEN`, for scripts and Prometheus; no page of another site can send it."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.token_fits(given.strip())

    def _sign(self, plain: str) -> str:
        return hmac.new(self._key, plain.encode(), hashlib.sha256).hexdigest()


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a page of ours sent it: Origin is our Host; without one, what the browser says."""
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    return headers.get("sec-fetch-site") == "same-origin"


def local_path(given: str) -> str:
    """Where to go after signing in: a path of ours, never another site."""
    if given.startswith("/") and not given.startswith(("//", "/\\")) and given.isprintable():
        return given
    return "/"


def _bare(host: str) -> str:
    """A host without its port and brackets, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
