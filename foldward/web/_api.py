"""The same figures as the command line gives with --json: read-only, for programs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from actors.figures import report_oos_metrics
from actors.metrics import metrics_text
from foldward.console.failures import failures as count_failures
from foldward.console.league import league
from foldward.console.letters import find, letter
from foldward.console.spans import LONGEST_S, UNITS_S
from foldward.contracts import clock
from foldward.contracts.errors import FoldwardError, RequestError
from foldward.web import _dead_view, _queue_view, _times_view
from foldward.web._pages import CAUSES
from foldward.web._site import Site
from storage.reads.pages import PageReader

MOST = 1_000


class Api:
    """The handlers under /api, and those that other machines poll."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def status(self, _: Request) -> Response:
        """`foldward status`."""
        return _json(await run_in_threadpool(self._site.collect))

    async def tree(self, _: Request) -> Response:
        """`foldward tree`."""
        tree = await run_in_threadpool(self._site.tree)
        return _json(tree["root"] or tree["error"], 200 if tree["root"] else 503)

    async def stuck(self, _: Request) -> Response:
        """`foldward stuck`."""
        return await self._read(lambda reader: reader.stuck(clock.utc_us()), [])

    async def why(self, request: Request) -> Response:
        """`foldward why ID`."""
        wanted = request.query_params.get("id", "")
        return await self._read(lambda reader: _why(reader, wanted), [])

    async def failures(self, request: Request) -> Response:
        """`foldward failures --since --by`."""
        since, by = request.query_params.get("since", "24h"), request.query_params.get("by", "reason")
        match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smhdw])", since)
        if match is None or by not in CAUSES:
            raise RequestError(
                "request.bad_param", f"since={since[:40]!r} by={by[:40]!r}: since=24h&by=reason"
            )
        span = min(float(match[1]) * UNITS_S[match[2]], LONGEST_S)
        start = clock.utc_us() - int(span * 1e6)

        def ask(reader: PageReader) -> list[dict[str, Any]]:
            return [
                {**row, "last_at": clock.iso_ms(row["last_at_us"])}
                for row in count_failures(reader, self._site.home.telemetry, start, by)
            ]

        return await self._read(ask, [])

    async def verdicts(self, request: Request) -> Response:
        """`foldward verdicts`, with `passed=1` those that passed."""
        passed = request.query_params.get("passed") == "1"

        def ask(reader: PageReader) -> list[dict[str, Any]]:
            return [row for row in league(reader) if not passed or row["verdict"] == "PASS"]

        return await self._read(ask, [])

    async def latency(self, request: Request) -> Response:
        """`foldward latency --kind`."""
        kind = request.query_params.get("kind")
        return await self._read(lambda reader: reader.latency(kind), {"count": 0})

    async def requests(self, request: Request) -> Response:
        """`foldward oos list`: `status`, `kind`, `name`, `limit`."""
        given = request.query_params
        status, kind, limit = given.get("status"), given.get("kind"), given.get("limit", "200")
        if status not in (None, *_queue_view.STATUSES) or kind not in (None, *_queue_view.KINDS):
            raise RequestError("request.bad_param", "status or kind is none that exists")
        if not (limit.isascii() and limit.isdigit() and len(limit) < 9 and 0 < int(limit) <= MOST):
            raise RequestError("request.bad_param", f"limit is 1 to {MOST}")

        def ask(reader: PageReader) -> list[Any]:
            return reader.request_page(status, name=given.get("name"), kind=kind, limit=int(limit))[0]

        return await self._read(ask, [])

    async def dead(self, request: Request) -> Response:
        """`foldward dead list`: `state`, `reason`, `strategy`."""
        given = request.query_params
        state = given.get("state", "held")
        if state not in (*_dead_view.STATES, "all"):
            raise RequestError("request.bad_param", f"state is one of {', '.join(_dead_view.STATES)}, all")

        def ask(reader: PageReader) -> list[dict[str, Any]]:
            which = None if state == "all" else state
            reason, strategy = given.get("reason"), given.get("strategy")
            return [
                letter(row)
                for row in reader.dead_letters(which, reason=reason, strategy=strategy, limit=MOST)
            ]

        return await self._read(ask, [])

    async def letter(self, request: Request) -> Response:
        """`foldward dead show ID`."""
        dead_id = int(request.path_params["dead_id"])

        def ask(reader: PageReader) -> dict[str, Any]:
            row = find(reader, dead_id)
            if row is None:
                raise RequestError("request.unknown_id", f"no dead letter {dead_id}")
            return letter(row)

        return await self._read(ask, None)

    async def report(self, _: Request) -> Response:
        """`foldward report oos`."""
        return await self._read(report_oos_metrics, None)

    async def daily(self, request: Request) -> Response:
        """`foldward report daily` as core wrote it: `day`, else the newest."""
        days = _times_view.days(self._site.home)
        day = request.query_params.get("day") or (days[0] if days else "")
        file = _times_view.daily_file(self._site.home, day)
        if file is None:
            raise RequestError("request.unknown_id", f"there is no daily report of {day[:20]!r}")
        return Response(await run_in_threadpool(file.read_bytes), media_type="application/json")

    async def metrics(self, _: Request) -> Response:
        """Prometheus text."""
        text = await run_in_threadpool(self._metrics)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    def _metrics(self) -> str:
        times = self._site.read(PageReader.latency_by_kind)
        return metrics_text({**self._site.collect(), "latency_by_kind": times})

    async def healthz(self, _: Request) -> Response:
        """This process answers."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _: Request) -> Response:
        """Core runs and answers."""
        tree = await run_in_threadpool(self._site.tree)
        if tree["root"]:
            return PlainTextResponse("ready\n")
        return PlainTextResponse(f"{tree['error']['code']}\n", status_code=503)

    async def _read(self, ask: Callable[[PageReader], Any], empty: Any) -> Response:
        found = await run_in_threadpool(self._site.read, ask)
        return _json(empty if found is None else found)


def _why(reader: PageReader, wanted: str) -> list[dict[str, Any]]:
    steps = reader.timeline(wanted)
    if not steps and len(near := reader.find_requests(wanted, limit=2) if wanted else []) == 1:
        steps = reader.timeline(near[0])
    if not steps:
        raise RequestError("request.unknown_id", f"nobody knows a request {wanted[:80]!r}")
    return steps


def _json(value: Any, code: int = 200) -> Response:
    return Response(msgspec.json.encode(value, enc_hook=str), status_code=code, media_type="application/json")


def refused(error: FoldwardError) -> Response:
    """An error as JSON: its code, message and hint."""
    code = 404 if error.code == "request.unknown_id" else 400 if error.code.startswith("request.") else 503
    return _json(error.as_dict(), code)
