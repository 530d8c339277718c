"""The pages over a home: whole without core, escaped, with strict headers and honest empty states."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from actors.metrics import metrics_text
from foldward.app.status import status
from foldward.contracts import clock
from foldward.contracts.facts import HoldDeadLetter, ImportStrategies
from foldward.contracts.jobs import Strategy
from foldward.settings import Home, StorageTable, WebTable
from foldward.web import serve
from foldward.web._access import Access
from foldward.web.app import make_app
from storage import open_writer

TOKEN = "correct horse"
NAME = "<script>alert(1)</script> & 'quoted' \"name\""
HERE = "http://127.0.0.1:8710"
PAGES = ("/", "/tree", "/strategies", "/queue", "/dead", "/latency", "/daily", "/login")


def app_client(home: Home, **settings: Any) -> TestClient:
    table = WebTable(token=TOKEN, **settings)
    app = make_app(home, lambda: status(home, timeout=0.2), table)
    return TestClient(app, base_url=HERE, follow_redirects=False)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return app_client(Home(tmp_path / "home"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A strategy with a dangerous name and two dead letters."""
    home = Home(tmp_path_factory.mktemp("web") / "home").make()
    writer = open_writer(home.database, StorageTable(synchronous="NORMAL"))
    bad = HoldDeadLetter(
        reason="unparseable",
        code="wire.unparseable",
        error="byte 3: <b>",
        payload=b"{<b>\xff",
        at_us=clock.utc_us(),
    )
    held = HoldDeadLetter(
        reason="schema",
        code="wire.missing_field",
        error="no sharpe",
        payload=b'{"a": 1}',
        at_us=clock.utc_us(),
    )
    writer.apply(
        [ImportStrategies(strategies=(Strategy(name=NAME, kind="sma", symbol="AAPL"),), at_us=1), bad, held]
    )
    writer.close()
    return home


def sign_in(client: TestClient) -> str:
    """The session's form token."""
    answer = client.post("/login", data={"token": TOKEN, "next": "/tree"}, headers={"origin": HERE})
    assert (answer.status_code, answer.headers["location"]) == (303, "/tree")
    page = client.get("/tree").text
    return page.partition('name="csrf" value="')[2].partition('"')[0]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/", "Core is not running"),
        ("/tree", "There is no tree to show: no core is running"),
        ("/strategies", "There is no database yet."),
        ("/queue", "There is no database yet."),
        ("/dead", "There is no database yet."),
        ("/latency", "Nothing was measured yet."),
        ("/daily", "There is no database yet."),
    ],
)
def test_every_page_says_what_is_missing_and_what_to_do(client: TestClient, path: str, says: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert says in answer.text
    assert "foldward core --home" in answer.text


@pytest.mark.parametrize(
    "path", [*PAGES, "/nowhere", "/dead/1", "/static/foldward.js", "/api/status", "/metrics"]
)
def test_every_answer_has_the_strict_headers(client: TestClient, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")


@pytest.mark.parametrize("path", [*PAGES, "/nowhere"])
def test_no_page_has_a_style_or_a_script_of_its_own(client: TestClient, path: str) -> None:
    html = client.get(path).text
    for forbidden in ("<style", "style=", "onclick", "onload", "javascript:", "http://", "https://"):
        assert forbidden not in html
    assert "<script>" not in html


@pytest.mark.parametrize(
    "path", ["/strategies", "/", f"/strategy?name={NAME.replace('&', '%26')}", "/dead", "/dead/1"]
)
def test_what_others_wrote_is_shown_as_text(filled: Home, path: str) -> None:
    client = app_client(filled)
    html = client.get(path).text
    assert "<script>alert" not in html
    assert "<b>\xff" not in html
    assert "byte 3: <b>" not in html
    if "dead" not in path:
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#39;quoted&#39; &#34;name&#34;" in html


def test_a_letter_shows_its_bytes_as_text_and_as_hex(filled: Home) -> None:
    client = app_client(filled)
    html = client.get("/dead/1").text
    assert "{&lt;b&gt;\\xff" in html
    assert "00000000  7b 3c 62 3e ff" in html
    payload = client.get("/dead/1/payload")
    assert payload.content == b"{<b>\xff"
    assert payload.headers["content-disposition"] == 'attachment; filename="dead-letter-1.bin"'
    assert client.get("/dead/99").status_code == 404


def test_lists_are_filtered_and_a_filter_that_is_none_shows_all(filled: Home) -> None:
    client = app_client(filled)
    assert ">schema<" not in client.get("/dead?reason=unparseable").text.partition("<table")[2]
    assert "wire.missing_field" in client.get("/dead?state=nonsense&before=x").text
    assert "No letters that fit." in client.get("/dead?strategy=unknown").text
    assert client.get("/queue?status=nonsense&kind=nonsense&after=nonsense").status_code == 200
    assert "No strategies that fit." in client.get("/strategies?name=zzz&from=x").text


@pytest.mark.parametrize(
    ("typed", "leads"),
    [(NAME, "/strategy?name=%3Cscript"), ("abc", "/strategies?name=abc"), ("", "/strategies")],
)
def test_what_is_typed_leads_somewhere(filled: Home, typed: str, leads: str) -> None:
    answer = app_client(filled).get("/find", params={"q": typed})
    assert (answer.status_code, answer.headers["location"][: len(leads)]) == (303, leads)


@pytest.mark.parametrize(
    "path", ["/request?id=unknown", "/strategy?name=unknown", "/daily?day=2020-01-01", "/nowhere"]
)
def test_what_is_not_there_has_a_page_too(filled: Home, path: str) -> None:
    answer = app_client(filled).get(path)
    assert answer.status_code == 404
    assert "Not found" in answer.text


def test_a_database_that_cannot_be_read_is_said_with_its_code(tmp_path: Path) -> None:
    home = Home(tmp_path).make()
    home.database.write_bytes(b"not a database" * 100)
    answer = app_client(home).get("/queue")
    assert answer.status_code == 503
    assert "<code>storage." in answer.text
    assert app_client(home).get("/api/stuck").json()["code"].startswith("storage.")


def test_health_is_this_process_and_readiness_is_core(client: TestClient) -> None:
    assert client.get("/healthz").text == "ok\n"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.text) == (503, "supervision.core_down\n")


def test_static_files_come_from_the_package(client: TestClient) -> None:
    for name in ("foldward.css", "foldward.js", "charts.js", "favicon.svg", "vendor/htmx-4.0.1.min.js"):
        assert client.get(f"/static/{name}").status_code == 200
    assert client.get("/static/../app.py").status_code == 404


def test_the_figures_of_the_api_are_those_of_the_command_line(filled: Home) -> None:
    client = app_client(filled)
    for figures in (client.get("/api/status").json(), client.get("/api/report").json()):
        assert figures["dead_letters"]["by_reason"] == {"schema": 1, "unparseable": 1}
    letters = client.get("/api/dead").json()
    assert [(row["id"], row["reason"], row["size"]) for row in letters] == [
        (1, "unparseable", 5),
        (2, "schema", 8),
    ]
    assert client.get("/api/dead/1").json()["payload_base64"] == "ezxiPv8="
    assert client.get("/api/stuck").json() == []
    assert client.get("/api/latency").json()["count"] == 0
    assert client.get("/api/why?id=x").json()["code"] == "request.unknown_id"
    assert client.get("/api/failures?since=oops").json()["code"] == "request.bad_param"
    assert client.get("/api/requests?limit=0").status_code == 400
    assert client.get("/api/tree").status_code == 503


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


def test_a_read_only_dashboard_refuses_even_the_token(tmp_path: Path) -> None:
    client = app_client(Home(tmp_path / "home"), read_only=True)
    answer = client.post("/act/pause", data={"a": "b"}, headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 403
    assert "read-only" in answer.text
    assert "read-only" in client.get("/tree").text


def test_beyond_this_machine_reading_needs_the_token_too(tmp_path: Path) -> None:
    client = app_client(Home(tmp_path / "home"), host="0.0.0.0")
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


def test_what_a_button_does_is_reported_item_by_item(filled: Home, monkeypatch: pytest.MonkeyPatch) -> None:
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
    client = app_client(filled)
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


def test_the_metrics_have_names_types_and_values(tmp_path: Path) -> None:
    found: dict[str, Any] = status(Home(tmp_path), timeout=0.2)
    found["counters"]["success"] = 41
    found["dead_letters"] = {"held": 2, "by_reason": {"schema": 2}}
    text = metrics_text(found)
    assert "foldward_success_total 41.0" in text
    assert 'foldward_dead_letters{reason="schema"} 2.0' in text
    assert "foldward_core_running 0.0" in text
