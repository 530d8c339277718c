"""The dashboard: reads the database read-only and core's socket, changes nothing by itself.

Every page works while core is down, and says so. The live parts come by server-sent events and replace
elements by id; without script the pages are whole all the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.metrics import metrics_text
from foldward.console import Client
from foldward.contracts import clock
from foldward.contracts.errors import FoldwardError
from foldward.settings import Home
from foldward.web import views

LIVE_EVERY_S = 1.0
HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]

StatusSource = Callable[[], dict[str, Any]]


class SafeHeaders:
    """Adds the security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)


class Pages:
    """The handlers, over one home. `collect` gives the status document (handed in: web knows no app)."""

    def __init__(self, home: Home, collect: StatusSource) -> None:
        self._home = home
        self._collect = collect
        self._jinja = Environment(
            loader=PackageLoader("foldward.web"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
        )
        self._jinja.filters.update(views.FILTERS)

    def routes(self) -> list[Route | Mount]:
        """All paths."""
        return [
            Route("/", self.overview),
            Route("/tree", self.tree_page),
            Route("/strategies", self.strategies),
            Route("/queue", self.queue),
            Route("/dead", self.dead),
            Route("/live", self.live),
            Route("/api/status", self.api_status),
            Route("/api/tree", self.api_tree),
            Route("/metrics", self.metrics),
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Mount("/static", StaticFiles(packages=[("foldward.web", "static")])),
        ]

    def _tree(self) -> dict[str, Any]:
        try:
            return {"root": Client(self._home, timeout=2).tree(), "error": None}
        except FoldwardError as error:
            return {"root": None, "error": error.as_dict()}

    def _page(self, name: str, here: str, **values: Any) -> HTMLResponse:
        template = self._jinja.get_template(name)
        return HTMLResponse(template.render(here=here, now=clock.iso_ms(clock.utc_us()), **values))

    async def overview(self, _: Request) -> Response:
        status = await run_in_threadpool(self._collect)
        tree = await run_in_threadpool(self._tree)
        return self._page("overview.html", "overview", status=status, tree=tree)

    async def tree_page(self, _: Request) -> Response:
        return self._page("tree.html", "tree", tree=await run_in_threadpool(self._tree))

    async def strategies(self, _: Request) -> Response:
        rows = await run_in_threadpool(views.strategies, self._home)
        return self._page("strategies.html", "strategies", rows=rows)

    async def queue(self, _: Request) -> Response:
        rows = await run_in_threadpool(views.requests, self._home)
        return self._page("queue.html", "queue", rows=rows)

    async def dead(self, _: Request) -> Response:
        rows = await run_in_threadpool(views.dead_letters, self._home)
        return self._page("dead.html", "dead", rows=rows)

    async def live(self, request: Request) -> Response:
        """Server-sent events: the status tiles and the tree, whenever they changed."""

        async def stream() -> AsyncIterator[str]:
            last: dict[str, str] = {}
            yield "retry: 2000\n\n"
            while not await request.is_disconnected():
                status = await run_in_threadpool(self._collect)
                tree = await run_in_threadpool(self._tree)
                parts = {
                    "status": self._jinja.get_template("_status.html").render(status=status),
                    "tree": self._jinja.get_template("_tree.html").render(tree=tree),
                }
                for name, html in parts.items():
                    if last.get(name) != html:
                        last[name] = html
                        yield f"event: {name}\ndata: {json.dumps(html)}\n\n"
                yield ": alive\n\n"
                await asyncio.sleep(LIVE_EVERY_S)

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def api_status(self, _: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._collect))

    async def api_tree(self, _: Request) -> Response:
        tree = await run_in_threadpool(self._tree)
        return JSONResponse(tree["root"] or tree["error"], status_code=200 if tree["root"] else 503)

    async def metrics(self, _: Request) -> Response:
        text = metrics_text(await run_in_threadpool(self._collect))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def healthz(self, _: Request) -> Response:
        """This process answers."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _: Request) -> Response:
        """Core runs and answers."""
        tree = await run_in_threadpool(self._tree)
        if tree["root"]:
            return PlainTextResponse("ready\n")
        return PlainTextResponse(f"{tree['error']['code']}\n", status_code=503)


def make_app(home: Home, collect: StatusSource) -> Starlette:
    """The ASGI application of one home."""
    return Starlette(routes=Pages(home, collect).routes(), middleware=[Middleware(SafeHeaders)])
