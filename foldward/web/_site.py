"""What all handlers share: the home, the rules of access, the templates, and how a page is rendered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse

from foldward.console import Client
from foldward.contracts import clock
from foldward.contracts.errors import FoldwardError
from foldward.settings import Home
from foldward.web import _format
from foldward.web._access import Access
from storage.reads.pages import PageReader

StatusSource = Callable[[], dict[str, Any]]
_T = TypeVar("_T")
CALL_S = 75.0  # a verb's own patience is 60 s


@functools.cache
def _templates() -> Environment:
    """Compiled once a process; autoescape is on for every template, whatever its name."""
    jinja = Environment(
        loader=PackageLoader("foldward.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters.update(_format.FILTERS)
    jinja.globals["query"] = _format.query
    return jinja


class Viewer(msgspec.Struct, frozen=True):
    """Who looks: whether signed in, and what forms of this session carry."""

    signed_in: bool
    csrf: str
    core: dict[str, Any]
    read_only: bool
    held: int = 0

    @property
    def can_act(self) -> bool:
        """Whether buttons do something."""
        return self.signed_in and not self.read_only and bool(self.core["running"])


class Site:
    """One dashboard. `collect` gives the status document (handed in: web knows no app)."""

    def __init__(self, home: Home, collect: StatusSource, access: Access) -> None:
        self.home = home
        self.collect = collect
        self.access = access

    def tree(self) -> dict[str, Any]:
        """{root, error}: core's tree, or why there is none."""
        try:
            return {"root": Client(self.home, timeout=2).tree(), "error": None}
        except FoldwardError as error:
            return {"root": None, "error": error.as_dict()}

    def call(self, verb: str, **arguments: Any) -> Any:
        """Ask core. Raises FoldwardError."""
        return Client(self.home, timeout=CALL_S).call(verb, **arguments)

    def read(self, question: Callable[[PageReader], _T]) -> _T | None:
        """The answer of the database, opened for this question; None where there is no database yet."""
        if not self.home.database.exists():
            return None
        with PageReader(self.home.database) as reader:
            return question(reader)

    def viewer(self, request: HTTPConnection) -> Viewer:
        """Who asks, and how core is: cheap, for every page."""
        cookie = request.cookies.get(self.access.cookie)
        signed_in = self.access.session_fits(cookie)
        holder = self.home.holder()
        try:
            known = self.read(_of_every_page) or (False, 0)
        except FoldwardError:  # the page itself says what is wrong with the database
            known = (False, 0)
        return Viewer(
            signed_in=signed_in,
            csrf=self.access.form_token(cookie) if signed_in and cookie else "",
            core={"running": holder is not None, "pid": (holder or {}).get("pid"), "paused": known[0]},
            read_only=self.access.read_only,
            held=known[1],
        )

    def render(self, template: str, **values: Any) -> str:
        """A template as text."""
        return _templates().get_template(template).render(**values)

    async def page(
        self, request: Request, template: str, here: str, *, code: int = 200, **values: Any
    ) -> HTMLResponse:
        """A whole page."""
        viewer = await run_in_threadpool(self.viewer, request)
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        now = clock.iso_ms(clock.utc_us())
        html = self.render(
            template, here=here, viewer=viewer, path=path, now=now, home=str(self.home.root), **values
        )
        return HTMLResponse(html, status_code=code)


def _of_every_page(reader: PageReader) -> tuple[bool, int]:
    return reader.meta("paused") == "1", reader.dead_counts()["held"]
