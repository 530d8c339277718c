"""The pages: each handler asks the database in a thread and renders what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from actors.figures import report_oos_metrics
from foldward.console.failures import failures as count_failures
from foldward.console.letters import find
from foldward.contracts import clock
from foldward.web import _dead_view, _health, _queue_view, _strategy_view, _times_view
from foldward.web._format import query
from foldward.web._live import overview_facts
from foldward.web._site import Site
from storage.reads.pages import PageReader

HOUR_US = 3_600 * clock.US
DAY_US = 24 * HOUR_US
STRIP = 56  # height of its bars, in pixels
MAX_TYPED = 200
SPANS = {"1h": 3600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000}
CAUSES = ("reason", "code", "strategy", "kind", "worker", "event")


class Pages:
    """Everything that is read with GET, as HTML."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def overview(self, request: Request) -> Response:
        """Is it healthy, what is wrong, what to do; then the figures."""
        facts = await run_in_threadpool(overview_facts, self._site)
        more = await run_in_threadpool(self._site.read, _overview)
        return await self._site.page(request, "overview.html", "overview", **facts, more=more)

    async def queue(self, request: Request) -> Response:
        """Lists of requests."""
        given = request.query_params
        status = _one_of(given.get("status"), (*_queue_view.STATUSES, "stuck"))
        kind = _one_of(given.get("kind"), _queue_view.KINDS)
        name, after = given.get("name") or None, given.get("after") or None

        def ask(reader: PageReader) -> dict[str, Any]:
            found = _queue_view.page(reader, status, name, kind, after)
            return {**found, "counts": _queue_view.counts(reader)}

        found = await run_in_threadpool(self._site.read, ask)
        return await self._site.page(
            request,
            "queue.html",
            "queue",
            found=found,
            status=status,
            name=name,
            kind=kind,
            after=after,
            kinds=_queue_view.KINDS,
            words=_queue_view.WORDS,
            order=_queue_view.ORDER[status],
        )

    async def request(self, request: Request) -> Response:
        """One request with every event of its trace."""
        wanted = request.query_params.get("id", "").strip()
        found = await run_in_threadpool(
            self._site.read, lambda reader: _queue_view.request(reader, self._site.home, wanted)
        )
        if found is None:
            raise HTTPException(404, f"Nobody knows a request {wanted[:80]!r}")
        return await self._site.page(request, "request.html", "queue", found=found)

    async def failures(self, request: Request) -> Response:
        """What failed, counted by cause."""
        given = request.query_params
        since = _one_of(given.get("since"), tuple(SPANS)) or "24h"
        by = _one_of(given.get("by"), CAUSES) or "reason"
        start = clock.utc_us() - SPANS[since] * clock.US
        telemetry = self._site.home.telemetry
        rows = await run_in_threadpool(
            self._site.read, lambda reader: count_failures(reader, telemetry, start, by)
        )
        return await self._site.page(
            request, "failures.html", "queue", rows=rows, since=since, by=by, spans=SPANS, causes=CAUSES
        )

    async def dead(self, request: Request) -> Response:
        """Lists of dead letters."""
        given = request.query_params
        state = _one_of(given.get("state"), (*_dead_view.STATES, "all")) or "held"
        reason, strategy = given.get("reason") or None, given.get("strategy") or None
        before = given.get("before", "")

        def ask(reader: PageReader) -> dict[str, Any]:
            which = None if state == "all" else state
            at = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
            return _dead_view.page(reader, which, reason, strategy, at)

        found = await run_in_threadpool(self._site.read, ask)
        return await self._site.page(
            request,
            "dead.html",
            "dead",
            found=found,
            state=state,
            reason=reason,
            strategy=strategy,
            before=before,
            bulk=_dead_view.BULK,
        )

    async def letter(self, request: Request) -> Response:
        """One dead letter with its bytes."""
        found = await run_in_threadpool(
            self._site.read, lambda reader: _dead_view.letter(reader, _id(request))
        )
        if found is None:
            raise HTTPException(404, f"There is no dead letter {_id(request)}")
        return await self._site.page(request, "letter.html", "dead", found=found)

    async def payload(self, request: Request) -> Response:
        """The exact bytes of a letter, to keep."""
        row = await run_in_threadpool(self._site.read, lambda reader: find(reader, _id(request)))
        if row is None:
            raise HTTPException(404, f"There is no dead letter {_id(request)}")
        name = f"dead-letter-{row.id}.bin"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(row.payload or b"", media_type="application/octet-stream", headers=headers)

    async def strategies(self, request: Request) -> Response:
        """The league table."""
        given = request.query_params
        verdict = _one_of(given.get("verdict"), _strategy_view.VERDICTS)
        begins = given.get("name", "").strip()
        text = given.get("from", "0")
        offset = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        found = await run_in_threadpool(
            self._site.read, lambda reader: _strategy_view.page(reader, verdict, begins, offset)
        )
        return await self._site.page(
            request,
            "strategies.html",
            "strategies",
            found=found,
            verdict=verdict,
            begins=begins,
            offset=offset,
            verdicts=_strategy_view.VERDICTS,
            step=_strategy_view.LIMIT,
        )

    async def strategy(self, request: Request) -> Response:
        """One strategy: verdict, gates, curves."""
        name = request.query_params.get("name", "")
        found = await run_in_threadpool(self._site.read, lambda reader: _strategy_view.strategy(reader, name))
        if found is None:
            raise HTTPException(404, f"There is no strategy {name[:80]!r}")
        shown = _strategy_view.TRADES
        return await self._site.page(request, "strategy.html", "strategies", found=found, shown=shown)

    async def tree(self, request: Request) -> Response:
        """The supervision tree, live."""
        tree = await run_in_threadpool(self._site.tree)
        unwell = _health.unwell(tree["root"])
        return await self._site.page(request, "tree.html", "tree", tree=tree, unwell=unwell)

    async def latency(self, request: Request) -> Response:
        """Percentiles and histograms."""
        kind = _one_of(request.query_params.get("kind"), _queue_view.KINDS)
        parts = await run_in_threadpool(self._site.read, lambda reader: _times_view.latency(reader, kind))
        return await self._site.page(
            request, "latency.html", "latency", parts=parts, kind=kind, kinds=_queue_view.KINDS
        )

    async def daily(self, request: Request) -> Response:
        """A day's report; without one, the figures of this moment."""
        days = await run_in_threadpool(_times_view.days, self._site.home)
        day = request.query_params.get("day") or (days[0] if days else "")
        file = _times_view.daily_file(self._site.home, day)
        if day and file is None:
            raise HTTPException(404, f"There is no daily report of {day[:20]!r}")
        report, metrics = None, None
        if file is not None:
            try:
                report = await run_in_threadpool(_times_view.daily, file)
            except (OSError, msgspec.DecodeError) as error:
                raise HTTPException(500, f"The report of {day} cannot be read: {error}") from error
        else:
            metrics = await run_in_threadpool(self._site.read, report_oos_metrics)
        forms = [
            suffix for suffix in (".md", ".html") if _times_view.daily_file(self._site.home, day, suffix)
        ]
        return await self._site.page(
            request, "daily.html", "daily", days=days, day=day, report=report, metrics=metrics, forms=forms
        )

    async def daily_form(self, request: Request) -> Response:
        """A form of a day's report to keep: its Markdown or its page."""
        day, suffix = request.path_params["day"], "." + request.path_params["form"]
        file = _times_view.daily_file(self._site.home, day, suffix)
        if file is None or suffix not in (".md", ".html"):
            raise HTTPException(404, f"There is no daily report of {day[:20]!r} in this form")
        # To keep, not to show: its page has styles of its own, which our policy would not let in.
        headers = {"content-disposition": f'attachment; filename="{file.name}"'}
        content = await run_in_threadpool(file.read_bytes)
        return Response(content, media_type="application/octet-stream", headers=headers)

    async def find(self, request: Request) -> Response:
        """Where what was typed leads: a request's id or its beginning, else a strategy's name."""
        text = request.query_params.get("q", "").strip()[:MAX_TYPED]

        def ask(reader: PageReader) -> str:
            if text and reader.strategy(text) is not None:
                return "/strategy" + query(name=text)
            if len(text) >= 6 and len(reader.find_requests(text, limit=2)) == 1:
                return "/request" + query(id=text)
            return "/strategies" + query(name=text)

        target = await run_in_threadpool(self._site.read, ask)
        return RedirectResponse(target or "/strategies", status_code=303)


def _overview(reader: PageReader) -> dict[str, Any]:
    now = clock.utc_us()
    start = (now - DAY_US) // HOUR_US * HOUR_US + HOUR_US
    return {
        "day": day_strip(start, reader.results_by_hour(start, now), reader.failures_by_hour(start, now)),
        "verdicts": reader.verdict_counts(),
        "best": _strategy_view.page(reader, None, "", 0)["rows"][:5],
        "failures": reader.failures(clock.utc_us() - DAY_US)[:5],
    }


def day_strip(start_us: int, done: Sequence[int], failed: Sequence[int]) -> dict[str, Any]:
    """{done, failed, most, bars: [{at, done, failed, done_px, failed_px}]}: a bar an hour up to now.

    One failed step is seen beside a million results: what is not zero has three pixels at least.
    """
    most = max((*done, *failed, 1))

    def pixels(count: int) -> int:
        return max(3, round(STRIP * count / most)) if count else 0

    bars = [
        {
            "at": clock.iso_ms(start_us + place * HOUR_US)[11:16],
            "done": good,
            "failed": bad,
            "done_px": pixels(good),
            "failed_px": pixels(bad),
        }
        for place, (good, bad) in enumerate(zip(done, failed, strict=False))
    ]
    return {"done": sum(done), "failed": sum(failed), "most": most, "height": STRIP, "bars": bars}


def _one_of(given: str | None, allowed: tuple[str, ...]) -> str | None:
    return given if given in allowed else None


def _id(request: Request) -> int:
    return int(request.path_params["dead_id"])
