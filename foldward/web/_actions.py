"""The buttons: each POST is checked, becomes one verb of core, and answers with what came of it.

Checked in this order: read-only mode, the token (a session's cookie, or a bearer header), the page it came
from (Origin, and the form's own token). With htmx only the outcome is sent; without script a whole page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from foldward.contracts.errors import FoldwardError
from foldward.web import _dead_view
from foldward.web._access import SESSION_S, local_path, same_origin
from foldward.web._forms import Form, first, read_form
from foldward.web._site import Site
from storage.reads.pages import PageReader

RATE = 200.0  # letters a second of a replay by hand
SLOW_AFTER = 3  # wrong tokens until each further one costs a second

Outcome = dict[str, Any]


class Actions:
    """Everything that changes something, and signing in."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._wrong = 0
        self._slow = asyncio.Lock()
        self._verbs: dict[str, Callable[[Form], Outcome]] = {
            "pause": lambda _: self._said("pause", "Paused. Nothing is sent until you resume."),
            "resume": lambda _: self._said("resume", "Sending again."),
            "drain": lambda _: self._said("drain", "Draining. Nothing is admitted or sent until you resume."),
            "restart": self._restart,
            "retry": self._retry,
            "cancel": self._cancel,
            "dead-replay": self._replay,
            "dead-drop": self._drop,
        }

    async def login_page(self, request: Request) -> Response:
        """Where the token is typed; a token after # in the address is taken by the page's script."""
        return await self._login(request, local_path(request.query_params.get("next", "/")))

    async def _login(self, request: Request, target: str, wrong: bool = False) -> Response:
        return await self._site.page(
            request,
            "login.html",
            "login",
            code=401 if wrong else 200,
            target=target,
            wrong=wrong,
            generated=self._site.access.generated,
        )

    async def login(self, request: Request) -> Response:
        """Exchange the token for a session."""
        if not same_origin(request.headers):
            raise HTTPException(403, "This form was not sent by a page of this dashboard")
        form = await read_form(request)
        target = local_path(first(form, "next", "/"))
        if not self._site.access.token_fits(first(form, "token").strip()):
            async with self._slow:  # one after the other: trying many at once gains nothing
                self._wrong += 1
                await asyncio.sleep(1.0 if self._wrong > SLOW_AFTER else 0.0)
            return await self._login(request, target, wrong=True)
        self._wrong = 0
        answer = RedirectResponse(target, status_code=303)
        answer.set_cookie(
            self._site.access.cookie,
            self._site.access.new_session(),
            max_age=SESSION_S,
            path="/",
            httponly=True,
            samesite="strict",
            secure=request.headers.get("x-forwarded-proto") == "https",
        )
        return answer

    async def logout(self, request: Request) -> Response:
        """End the session of this browser."""
        form = await read_form(request)
        self._must_be_ours(request, form)
        answer = RedirectResponse("/", status_code=303)
        answer.delete_cookie(self._site.access.cookie, path="/", httponly=True, samesite="strict")
        return answer

    async def act(self, request: Request) -> Response:
        """One verb."""
        verb = self._verbs.get(request.path_params["verb"])
        if verb is None:
            raise HTTPException(404, "There is no such action")
        form = await read_form(request)
        if self._site.access.read_only:
            raise HTTPException(403, "This dashboard is read-only: web.read_only is set in its settings")
        self._must_be_ours(request, form)
        try:
            outcome = await run_in_threadpool(verb, form)
            code = 200
        except FoldwardError as error:
            outcome = {
                "tone": "bad",
                "title": error.message,
                "code": error.code,
                "hint": error.hint,
                "items": (),
            }
            code = 503 if error.code.startswith("supervision.") else 409
        back = local_path(first(form, "back", "/"))
        if request.headers.get("hx-request") == "true":
            html = self._site.render("_outcome.html", outcome=outcome)
            # The lists of the page listen for this and read themselves again.
            return HTMLResponse(html, status_code=code, headers={"hx-trigger": "foldward:changed"})
        return await self._site.page(request, "outcome.html", "", code=code, outcome=outcome, back=back)

    def _must_be_ours(self, request: Request, form: Form) -> None:
        access = self._site.access
        if access.bearer_fits(request.headers):
            return
        cookie = request.cookies.get(access.cookie)
        if not access.session_fits(cookie) or cookie is None:
            raise HTTPException(401, "Sign in first: this needs the dashboard's token")
        if not same_origin(request.headers) or not access.form_fits(cookie, first(form, "csrf")):
            raise HTTPException(403, "This form was not made by a page of this session: load the page again")

    def _said(self, verb: str, said: str) -> Outcome:
        self._site.call(verb)
        return _outcome("good", said)

    def _restart(self, form: Form) -> Outcome:
        child = first(form, "id")
        if not child:
            raise HTTPException(400, "Which child?")
        try:
            answer = self._site.call("restart", id=child)
        except FoldwardError as error:
            if child == "console" and error.code in ("supervision.core_down", "supervision.no_answer"):
                # It answers on the very socket that its restart closes.
                return _outcome("good", "console is being restarted.")
            raise
        life = f", life {answer['incarnation']}" if answer.get("incarnation") else ""
        return _outcome("good", f"{child} was restarted{life}.")

    def _retry(self, form: Form) -> Outcome:
        outcomes = self._site.call("retry", request_ids=_ids(form))["outcomes"]
        items = [
            {
                "id": key,
                "href": "request",
                "good": good,
                "outcome": "due now" if good else "not waiting any more",
            }
            for key, good in outcomes.items()
        ]
        return _counted(items, "due now")

    def _cancel(self, form: Form) -> Outcome:
        wanted = _ids(form)
        done = set(self._site.call("cancel", request_ids=wanted)["request_ids"])
        items = [
            {
                "id": key,
                "href": "request",
                "good": key in done,
                "outcome": "cancelled" if key in done else "not open",
            }
            for key in wanted
        ]
        return _counted(items, "cancelled")

    def _replay(self, form: Form) -> Outcome:
        given = _selection(form)
        if given is None:
            return _outcome("warn", "No letter was chosen.")
        dry = first(form, "dry") == "1"
        done = self._site.call(
            "dead_replay",
            rate=RATE,
            limit=_dead_view.BULK,
            dry_run=dry,
            note=first(form, "note")[:500],
            **given,
        )
        outcome = _letters(done, "replayed")
        if dry:
            outcome |= {
                "tone": "plain",
                "title": f"{len(outcome['items']):,} would be replayed. Nothing was done.",
            }
        return self._rest(outcome, given, dry)

    def _rest(self, outcome: Outcome, given: dict[str, Any], dry: bool) -> Outcome:
        if not given.get("ids") and len(outcome["items"]) >= _dead_view.BULK and not dry:
            outcome["hint"] = f"At most {_dead_view.BULK} at once: press again for the next ones that fit."
        return outcome

    def _drop(self, form: Form) -> Outcome:
        given = _selection(form)
        if given is None:
            return _outcome("warn", "No letter was chosen.")
        ids = given.get("ids") or self._site.read(lambda reader: _fitting(reader, given)) or []
        if not ids:
            return _outcome("warn", "No letter fits.")
        done = self._site.call("dead_drop", ids=ids, note=first(form, "note")[:500] or "dropped by hand")
        return self._rest(_letters(done, "dropped"), given, False)


def _selection(form: Form) -> dict[str, Any] | None:
    """Which letters: those ticked, or all that fit the filter of the page."""
    if first(form, "scope") != "filter":
        ids = [
            int(text) for text in form.get("id", []) if text.isascii() and text.isdigit() and len(text) < 19
        ]
        return {"ids": ids} if ids else None
    reason, strategy = first(form, "reason") or None, first(form, "strategy") or None
    return {"all": reason is None and strategy is None, "reason": reason, "strategy": strategy}


def _fitting(reader: PageReader, given: dict[str, Any]) -> list[int]:
    rows = _dead_view.fitting(reader, given["reason"], given["strategy"], _dead_view.BULK)
    return [row.id for row in rows]


def _letters(done: dict[str, Any], word: str) -> Outcome:
    items = [
        {
            "id": item["id"],
            "href": "dead",
            "good": not item.get("error"),
            "outcome": item["outcome"].replace("_", " ")
            + (f": {item['error']}" if item.get("error") else ""),
        }
        for item in done["items"]
    ]
    tone = "bad" if done["failed"] and not done["replayed"] else "warn" if done["failed"] else "good"
    title = f"{done['replayed']:,} {word}, {done['failed']:,} failed, {done['skipped']:,} skipped."
    return {**_outcome(tone, title), "items": items}


def _ids(form: Form) -> list[str]:
    ids = [text for text in form.get("id", []) if text]
    if not ids:
        raise HTTPException(400, "No request was chosen")
    return ids


def _counted(items: list[dict[str, Any]], word: str) -> Outcome:
    good = sum(item["good"] for item in items)
    tone = "good" if good == len(items) else "warn" if good else "bad"
    return {**_outcome(tone, f"{good:,} of {len(items):,} {word}."), "items": items}


def _outcome(tone: str, title: str) -> Outcome:
    return {"tone": tone, "title": title, "code": "", "hint": "", "items": ()}
