"""The dashboard: reads the database read-only and core's socket; its buttons are verbs of core.

Every page works while core is down, and says so. The live parts come by server-sent events and replace
elements by id; without script the pages are whole all the same, and every button is a plain form.
"""

from __future__ import annotations

from typing import Any

from loguru import logger
from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from foldward.contracts.errors import FoldwardError
from foldward.settings import Home, WebTable
from foldward.web import _api
from foldward.web._access import Access
from foldward.web._actions import Actions
from foldward.web._api import Api
from foldward.web._guard import Guard
from foldward.web._live import Live
from foldward.web._pages import Pages
from foldward.web._site import Site, StatusSource

__all__ = ["StatusSource", "make_app"]

TITLES = {
    400: "This cannot be read",
    401: "Sign in first",
    403: "Refused",
    404: "Not found",
    405: "Not this way",
    413: "Too much",
    415: "Not a form",
    500: "Something broke here",
    503: "Not now",
}


class RowId(IntegerConvertor):
    """As many digits as an id of SQLite may have: int() itself refuses thousands of them with an error."""

    regex = "[0-9]{1,19}"


register_url_convertor("rowid", RowId())


def make_app(
    home: Home, collect: StatusSource, settings: WebTable | None = None, access: Access | None = None
) -> ASGIApp:
    """The ASGI application of one home. `collect` gives the document of `foldward status`."""
    settings = settings or WebTable()
    access = access or Access(settings)
    site = Site(home, collect, access)

    def refusal(code: int, title: str, message: str) -> Response:
        html = site.render("refused.html", title=title, message=message)
        return HTMLResponse(html, status_code=code)

    # Around everything, so that the page of an unforeseen error has the same headers.
    return Guard(Starlette(routes=_routes(site), exception_handlers=_handlers(site)), access, refusal)


def _routes(site: Site) -> list[Route | Mount]:
    pages, api, actions, live = Pages(site), Api(site), Actions(site), Live(site)
    return [
        Route("/", pages.overview),
        Route("/queue", pages.queue),
        Route("/failures", pages.failures),
        Route("/request", pages.request),
        Route("/dead", pages.dead),
        Route("/dead/{dead_id:rowid}", pages.letter),
        Route("/dead/{dead_id:rowid}/payload", pages.payload),
        Route("/strategies", pages.strategies),
        Route("/strategy", pages.strategy),
        Route("/tree", pages.tree),
        Route("/latency", pages.latency),
        Route("/daily", pages.daily),
        Route("/daily/{day}.{form}", pages.daily_form),
        Route("/find", pages.find),
        Route("/live", live.live),
        Route("/login", actions.login_page, methods=["GET"]),
        Route("/login", actions.login, methods=["POST"]),
        Route("/logout", actions.logout, methods=["POST"]),
        Route("/act/{verb}", actions.act, methods=["POST"]),
        Route("/api/status", api.status),
        Route("/api/tree", api.tree),
        Route("/api/stuck", api.stuck),
        Route("/api/why", api.why),
        Route("/api/failures", api.failures),
        Route("/api/verdicts", api.verdicts),
        Route("/api/latency", api.latency),
        Route("/api/requests", api.requests),
        Route("/api/dead", api.dead),
        Route("/api/dead/{dead_id:rowid}", api.letter),
        Route("/api/report", api.report),
        Route("/api/daily", api.daily),
        Route("/metrics", api.metrics),
        Route("/healthz", api.healthz),
        Route("/readyz", api.readyz),
        Mount("/static", StaticFiles(packages=[("foldward.web", "static")])),
    ]


def _handlers(site: Site) -> dict[Any, Any]:
    async def failed(request: Request, code: int, message: str, hint: str = "", name: str = "") -> Response:
        if request.headers.get("hx-request") == "true":
            outcome = {"tone": "bad", "title": message, "code": name, "hint": hint, "items": ()}
            return HTMLResponse(site.render("_outcome.html", outcome=outcome), status_code=code)
        title = TITLES.get(code, "Refused")
        return await site.page(
            request, "error.html", "", code=code, title=title, message=message, hint=hint, name=name
        )

    async def of_http(request: Request, error: HTTPException) -> Response:
        return await failed(request, error.status_code, error.detail)

    async def of_product(request: Request, error: FoldwardError) -> Response:
        if request.url.path.startswith("/api/"):
            return _api.refused(error)
        return await failed(request, 503, error.message, error.hint or "", error.code)

    async def unforeseen(request: Request, error: Exception) -> Response:
        logger.opt(exception=error).error("the dashboard failed at {}", request.url.path)
        return await failed(request, 500, "The log has the details.", "look into the log of foldward web")

    return {HTTPException: of_http, FoldwardError: of_product, Exception: unforeseen}
