"""What every request passes first: the Host header, the session where reading needs one, safe headers."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foldward.web._access import Access

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not no-referrer: it would make the Origin of our own forms "null", which the check refuses.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
OPEN_PATHS = ("/healthz", "/readyz", "/login")
Refused = Callable[[int, str, str], Response]


class Guard:
    """ASGI middleware over the whole application."""

    def __init__(self, app: ASGIApp, access: Access, refused: Refused) -> None:
        self._app = app
        self._access = access
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        # Static files may be kept when the server says they have not changed; pages are of this moment.
        kept = b"no-cache" if path.startswith("/static/") else b"no-store"

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS, (b"cache-control", kept)]
            await send(message)

        answer = self._refusal(scope, path)
        await (answer or self._app)(scope, receive, sending)

    def _refusal(self, scope: Scope, path: str) -> Response | None:
        headers = Headers(scope=scope)
        access = self._access
        if not access.knows_host(headers.get("host")):
            return self._refused(
                421,
                "This is not a name of this dashboard",
                "Open it by its address, or add the name to web.hosts in foldward.toml.",
            )
        if not access.guarded or path in OPEN_PATHS or path.startswith("/static/"):
            return None
        cookie = HTTPConnection(scope).cookies.get(access.cookie)
        if access.session_fits(cookie) or access.bearer_fits(headers):
            return None
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            query = scope["query_string"].decode("latin-1")
            target = path + (f"?{query}" if query else "")
            return RedirectResponse(f"/login?next={_quoted(target)}", status_code=303)
        return PlainTextResponse(
            "sign in, or send the header Authorization: Bearer TOKEN\n",
            status_code=401,
            headers={"www-authenticate": "Bearer"},
        )


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
