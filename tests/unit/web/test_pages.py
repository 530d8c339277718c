"""The pages over a home: whole without core, escaped, with strict headers and honest empty states."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from actors.metrics import metrics_text
from foldward.app.status import status
from foldward.settings import Home

Open = Callable[..., TestClient]
NAME = "<script>alert(1)</script> & 'quoted' \"name\""
PAGES = ("/", "/tree", "/strategies", "/queue", "/dead", "/failures", "/latency", "/daily", "/login")


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
        ("/failures", "Nothing failed in the last 24h."),
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
def test_what_others_wrote_is_shown_as_text(open_app: Open, filled: Home, path: str) -> None:
    client = open_app(filled)
    html = client.get(path).text
    assert "<script>alert" not in html
    assert "<b>\xff" not in html
    assert "byte 3: <b>" not in html
    if "dead" not in path:
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#39;quoted&#39; &#34;name&#34;" in html


def test_a_letter_shows_its_bytes_as_text_and_as_hex(open_app: Open, filled: Home) -> None:
    client = open_app(filled)
    html = client.get("/dead/1").text
    assert "{&lt;b&gt;\\xff" in html
    assert "00000000  7b 3c 62 3e ff" in html
    payload = client.get("/dead/1/payload")
    assert payload.content == b"{<b>\xff"
    assert payload.headers["content-disposition"] == 'attachment; filename="dead-letter-1.bin"'
    assert client.get("/dead/99").status_code == 404


def test_lists_are_filtered_and_a_filter_that_is_none_shows_all(open_app: Open, filled: Home) -> None:
    client = open_app(filled)
    assert ">schema<" not in client.get("/dead?reason=unparseable").text.partition("<table")[2]
    assert "wire.missing_field" in client.get("/dead?state=nonsense&before=x").text
    assert "No letters that fit." in client.get("/dead?strategy=unknown").text
    assert client.get("/queue?status=nonsense&kind=nonsense&after=nonsense").status_code == 200
    assert "No strategies that fit." in client.get("/strategies?name=zzz&from=x").text


@pytest.mark.parametrize(
    ("typed", "leads"),
    [(NAME, "/strategy?name=%3Cscript"), ("abc", "/strategies?name=abc"), ("", "/strategies")],
)
def test_what_is_typed_leads_somewhere(open_app: Open, filled: Home, typed: str, leads: str) -> None:
    answer = open_app(filled).get("/find", params={"q": typed})
    assert (answer.status_code, answer.headers["location"][: len(leads)]) == (303, leads)


@pytest.mark.parametrize(
    "path", ["/request?id=unknown", "/strategy?name=unknown", "/daily?day=2020-01-01", "/nowhere"]
)
def test_what_is_not_there_has_a_page_too(open_app: Open, filled: Home, path: str) -> None:
    answer = open_app(filled).get(path)
    assert answer.status_code == 404
    assert "Not found" in answer.text


def test_a_database_that_cannot_be_read_is_said_with_its_code(open_app: Open, tmp_path: Path) -> None:
    home = Home(tmp_path).make()
    home.database.write_bytes(b"not a database" * 100)
    answer = open_app(home).get("/queue")
    assert answer.status_code == 503
    assert "<code>storage." in answer.text
    assert open_app(home).get("/api/stuck").json()["code"].startswith("storage.")


def test_an_unforeseen_error_has_a_page_and_the_same_headers(
    open_app: Open, filled: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("nobody saw this coming")

    monkeypatch.setattr("foldward.web._dead_view.page", broken)
    client = open_app(filled)
    with pytest.raises(ZeroDivisionError):
        client.get("/dead")
    quiet = TestClient(client.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    answer = quiet.get("/dead")
    assert answer.status_code == 500
    assert "Something broke here" in answer.text
    assert "nobody saw this coming" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'; script-src 'self'")


def test_more_letters_than_one_click_takes_are_said(
    open_app: Open, filled: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foldward.web._site.Viewer.can_act", True)
    assert ">Replay all 2</button>" in open_app(filled).get("/dead").text
    assert ">Drop all 1</button>" in open_app(filled).get("/dead?reason=schema").text
    monkeypatch.setattr("foldward.web._dead_view.BULK", 1)
    assert ">Replay the oldest 1 of 2</button>" in open_app(filled).get("/dead").text


def test_health_is_this_process_and_readiness_is_core(client: TestClient) -> None:
    assert client.get("/healthz").text == "ok\n"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.text) == (503, "supervision.core_down\n")


def test_static_files_come_from_the_package(client: TestClient) -> None:
    for name in ("foldward.css", "foldward.js", "charts.js", "favicon.svg", "vendor/htmx-4.0.1.min.js"):
        assert client.get(f"/static/{name}").status_code == 200
    assert client.get("/static/../app.py").status_code == 404


def test_the_figures_of_the_api_are_those_of_the_command_line(open_app: Open, filled: Home) -> None:
    client = open_app(filled)
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


def test_the_metrics_have_names_types_and_values(tmp_path: Path) -> None:
    found: dict[str, Any] = status(Home(tmp_path), timeout=0.2)
    found["counters"]["success"] = 41
    found["dead_letters"] = {"held": 2, "by_reason": {"schema": 2}}
    text = metrics_text(found)
    assert "foldward_success_total 41.0" in text
    assert 'foldward_dead_letters{reason="schema"} 2.0' in text
    assert "foldward_core_running 0.0" in text


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/dead/99999999999999999999", 404),
        ("/dead/99999999999999999999/payload", 404),
        ("/api/dead/99999999999999999999", 404),
        (f"/dead/{'9' * 5000}", 404),
        (f"/api/dead/{'9' * 5000}", 404),
        ("/api/failures?since=999999999w", 200),
        ("/api/failures?since=999999999w&by=event", 200),
        ("/api/requests?limit=000000001999999999999999999999999", 400),
        ("/api/requests?limit=1000", 200),
    ],
)
def test_a_number_too_large_for_the_database_is_no_error_of_ours(
    open_app: Open, filled: Home, path: str, code: int
) -> None:
    assert open_app(filled).get(path).status_code == code
