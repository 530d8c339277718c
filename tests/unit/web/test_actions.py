"""The buttons: who may press them, what they ask of core, and how what came of it is told."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from foldward.settings import Home, WebTable
from foldward.web import serve
from foldward.web._access import Access

Open = Callable[..., TestClient]
TOKEN = "correct horse"
HERE = "http://127.0.0.1:8710"


def sign_in(client: TestClient) -> str:
    """The session's form token."""
    answer = client.post("/login", data={"token": TOKEN, "next": "/tree"}, headers={"origin": HERE})
    assert (answer.status_code, answer.headers["location"]) == (303, "/tree")
    page = client.get("/tree").text
    return page.partition('name="csrf" value="')[2].partition('"')[0]


def test_a_foreign_name_is_refused_before_anything_else(client: TestClient) -> None:
    answer = client.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert "not a name of this dashboard" in answer.text


def test_a_wrong_token_is_refused_with_a_page_that_says_where_the_right_one_is(client: TestClient) -> None:
    answer = client.post("/login", data={"token": "wrong"}, headers={"origin": HERE})
    assert answer.status_code == 401
    assert (
        "That is not this dashboard&#39;s token" in answer.text or "not this dashboard's token" in answer.text
    )
    assert "set-cookie" not in answer.headers


def test_the_session_is_for_this_site_alone(client: TestClient) -> None:
    answer = client.post("/login", data={"token": TOKEN}, headers={"origin": HERE})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie


@pytest.mark.parametrize(
    "verb", ["pause", "resume", "drain", "restart", "retry", "cancel", "dead-replay", "dead-drop"]
)
def test_nothing_happens_without_the_token(client: TestClient, verb: str) -> None:
    answer = client.post(f"/act/{verb}", data={"id": "1"}, headers={"origin": HERE})
    assert answer.status_code == 401
    assert "Sign in first" in answer.text


def test_a_form_of_another_site_or_session_is_refused(client: TestClient) -> None:
    csrf = sign_in(client)
    given = {"csrf": csrf}
    assert client.post("/act/pause", data=given, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post("/act/pause", data=given).status_code == 403
    assert client.post("/act/pause", data={"csrf": "x"}, headers={"origin": HERE}).status_code == 403
    assert (
        client.post("/login", data={"token": TOKEN}, headers={"origin": "http://evil.example"}).status_code
        == 403
    )
    # Everything is in order, so core is asked; it is down.
    done = client.post("/act/pause", data=given, headers={"origin": HERE})
    assert done.status_code == 503
    assert "no core is running" in done.text


def test_a_script_uses_the_token_as_bearer(client: TestClient) -> None:
    right, wrong = ({"authorization": f"Bearer {token}"} for token in (TOKEN, "wrong"))
    assert client.post("/act/pause", headers=wrong, data={"a": "b"}).status_code == 401
    assert client.post("/act/pause", headers=right, data={"a": "b"}).status_code == 503


def test_a_read_only_dashboard_refuses_even_the_token(open_app: Open, tmp_path: Path) -> None:
    client = open_app(Home(tmp_path / "home"), read_only=True)
    answer = client.post("/act/pause", data={"a": "b"}, headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 403
    assert "read-only" in answer.text
    assert "read-only" in client.get("/tree").text


def test_beyond_this_machine_reading_needs_the_token_too(open_app: Open, tmp_path: Path) -> None:
    client = open_app(Home(tmp_path / "home"), host="0.0.0.0")
    page = client.get("/queue?status=error", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2Fqueue%3Fstatus%3Derror")
    assert client.get("/metrics").status_code == 401
    assert client.get("/api/status").headers["www-authenticate"] == "Bearer"
    assert client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/healthz").status_code == 200
    assert client.get("/static/foldward.css").status_code == 200
    sign_in(client)
    assert client.get("/queue").status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"a=b", "text/plain", 415),
        (b"a=" + b"b" * 300_000, "application/x-www-form-urlencoded", 413),
        (b"a=\xff", "application/x-www-form-urlencoded", 400),
        (b"&".join([b"a=b"] * 3000), "application/x-www-form-urlencoded", 400),
    ],
)
def test_what_is_no_form_is_refused(client: TestClient, body: bytes, kind: str, code: int) -> None:
    headers = {"content-type": kind, "authorization": f"Bearer {TOKEN}"}
    assert client.post("/act/pause", content=body, headers=headers).status_code == code


def test_what_a_button_does_is_reported_item_by_item(
    open_app: Open, filled: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def call(_: Any, verb: str, **given: Any) -> Any:
        asked.append((verb, given))
        return {
            "replayed": 1,
            "failed": 1,
            "skipped": 0,
            "items": [{"id": 1, "outcome": "applied"}, {"id": 2, "outcome": "held", "error": "no sharpe"}],
        }

    monkeypatch.setattr("foldward.web._site.Site.call", call)
    client = open_app(filled)
    headers = {"authorization": f"Bearer {TOKEN}", "hx-request": "true"}
    answer = client.post("/act/dead-replay", data={"scope": "filter", "reason": "schema"}, headers=headers)
    assert "1 replayed, 1 failed, 0 skipped." in answer.text
    assert "held: no sharpe" in answer.text
    assert "<html" not in answer.text
    assert answer.headers["hx-trigger"] == "foldward:changed"
    assert asked[0][1]["reason"] == "schema"
    assert asked[0][1]["all"] is False
    chosen = client.post("/act/dead-drop", data={"scope": "ids", "id": ["2", "x", "1"]}, headers=headers)
    assert asked[1] == ("dead_drop", {"ids": [2, 1], "note": "dropped by hand"})
    assert "foldward:changed" in chosen.headers["hx-trigger"]
    client.post("/act/dead-drop", data={"scope": "filter", "reason": "schema"}, headers=headers)
    assert asked[2][1]["ids"] == [2]
    nothing = client.post("/act/dead-replay", data={"scope": "ids"}, headers=headers)
    assert "No letter was chosen." in nothing.text
    assert len(asked) == 3


def test_the_token_of_a_start_is_for_its_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    serve._tell(home, "http://127.0.0.1:1/", Access(WebTable(), token="made here"))
    file = home.run_dir / "web.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.run_dir.stat().st_mode) == 0o700
    assert serve.login_address(home, WebTable()) == "http://127.0.0.1:1/login#made here"
    serve._tell(home, "http://127.0.0.1:1/", Access(WebTable(token=TOKEN)))
    assert json.loads(file.read_text())["token"] == ""
    assert serve.login_address(home, WebTable(token="mine")) == "http://127.0.0.1:1/login#mine"
    serve._forget(home)
    assert not file.exists()
