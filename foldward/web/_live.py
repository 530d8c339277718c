"""Server-sent events: one look a second for everybody who watches, rendered for each of them.

    event: health      data: "<section …>"      (JSON text: the HTML of the element with that id)

An event is sent when its HTML changed. Nobody looks while nobody watches.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from loguru import logger
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from foldward.contracts import clock
from foldward.contracts.errors import FoldwardError
from foldward.web import _health, _trace
from foldward.web._site import Site, Viewer
from storage.reads.pages import PageReader
from storage.rows import EventRow

EVERY_S = 1.0
SHARE = 4  # a look that takes long is followed by a rest of so many times that
ALIVE_EVERY = 15  # looks without a change until a comment keeps proxies from closing the stream
MOST = 32  # streams at once
EVENTS = 12
PARTS = {"health": "_health.html", "figures": "_figures.html", "tree": "_tree.html", "events": "_events.html"}


def overview_facts(site: Site) -> dict[str, Any]:
    """What the live parts show: {status, tree, health, events, unwell, last_result}."""
    status = site.collect()
    # A core that did not answer one question will not answer the next: one wait is enough.
    silent = status["core"].get("error")
    tree = {"root": None, "error": silent} if silent else site.tree()
    try:
        stored = site.read(_stored) or _nothing()
    except FoldwardError:  # a restore puts another file in its place: the next look sees it
        stored = _nothing()
    return {
        "status": status,
        "tree": tree,
        "health": _health.judge(status, tree["root"], stored["stuck"]),
        "events": stored["events"],
        "last_result": stored["last_result"],
        "unwell": _health.unwell(tree["root"]),
    }


def _stored(reader: PageReader) -> dict[str, Any]:
    return {
        "stuck": len(reader.stuck(clock.utc_us())),
        "events": _events(reader),
        "last_result": reader.last_result_us(),
    }


def _nothing() -> dict[str, Any]:
    return {"stuck": 0, "events": [], "last_result": None}


def _events(reader: PageReader) -> list[dict[str, Any]]:
    rows = list(reversed(reader.events_tail(EVENTS)))
    about = reader.about(row.request_id for row in rows)
    return [_line(row, *about.get(row.request_id, ("", ""))) for row in rows]


def _line(row: EventRow, name: str, kind: str) -> dict[str, Any]:
    data = row.data
    said = data.get("error") or data.get("reason") or ""
    return {
        "id": row.id,
        "at": row.at,
        "event": row.event,
        "of": row.request_id,
        "strategy": name or data.get("strategy") or "",
        "kind": kind,
        "said": said or (f"Sharpe {data['sharpe']:.2f}" if data.get("sharpe") is not None else ""),
        "tone": _trace.tone(row.event, "error" if row.code else "info"),
    }


class Live:
    """The handler of /live."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._watching = 0
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._facts: dict[str, Any] | None = None
        self._look = 0

    async def live(self, request: Request) -> Response:
        """The stream; `parts` names what is wanted, separated by commas."""
        wanted = request.query_params.get("parts", ",".join(PARTS)).split(",")
        parts = [name for name in PARTS if name in wanted]
        viewer = await run_in_threadpool(self._site.viewer, request)
        stream = self._stream(request, viewer, parts)
        # A proxy that collects the stream would hold everything back.
        return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def _stream(self, request: Request, viewer: Viewer, parts: list[str]) -> AsyncIterator[str]:
        self._watching += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._looking())
        sent: dict[str, str] = {}
        seen, quiet = self._look, 0
        try:
            if self._watching > MOST:
                yield "retry: 30000\n\n"  # the browser comes again later
                return
            yield "retry: 2000\n\n"
            while not await request.is_disconnected():
                async with self._changed:
                    await self._changed.wait_for(lambda seen=seen: self._look != seen)  # type: ignore[misc]
                    seen, facts = self._look, self._facts
                if facts is None:
                    continue
                core = {**viewer.core, **_core_of(facts["status"])}
                held = facts["status"]["dead_letters"]["held"]
                now = Viewer(viewer.signed_in, viewer.csrf, core, viewer.read_only, held)
                chunk = ""
                for name in parts:
                    html = self._site.render(PARTS[name], viewer=now, **facts)
                    if sent.get(name) != html:
                        sent[name] = html
                        chunk += f"event: {name}\ndata: {json.dumps(html)}\n\n"
                quiet = 0 if chunk else quiet + 1
                if chunk or quiet % ALIVE_EVERY == 0:
                    yield chunk or ": alive\n\n"
        finally:
            self._watching -= 1

    async def _looking(self) -> None:
        while self._watching:
            facts, began = None, clock.now()
            try:
                facts = await run_in_threadpool(overview_facts, self._site)
            except Exception as error:  # whatever it is, those who watch wait for the next look
                logger.opt(exception=error).warning("a look at core failed")
            async with self._changed:
                self._facts = facts
                self._look += 1
                self._changed.notify_all()
            await asyncio.sleep(max(EVERY_S, SHARE * (clock.now() - began)))


def _core_of(status: dict[str, Any]) -> dict[str, Any]:
    core = status["core"]
    return {"running": core["running"], "pid": core["pid"], "paused": core["paused"]}
