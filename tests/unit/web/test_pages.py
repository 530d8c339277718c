"""The pages over a home: whole without core, escaped, with strict headers and honest empty states."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from actors.metrics import metrics_text
from foldward.app.status import status
from foldward.settings import Home
from foldward.web import views
from foldward.web.app import make_app


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    home = Home(tmp_path / "home")
    return TestClient(make_app(home, lambda: status(home, timeout=0.2)))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/", "Core is not running. Start it:"),
        ("/tree", "No tree: no core is running"),
        ("/strategies", "There is no database yet."),
        ("/queue", "No requests yet."),
        ("/dead", "None are held"),
    ],
)
def test_every_page_says_what_is_missing_and_what_to_do(client: TestClient, path: str, says: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert says in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert "<style" not in answer.text
    assert "style=" not in answer.text


def test_health_is_this_process_and_readiness_is_core(client: TestClient) -> None:
    assert client.get("/healthz").text == "ok\n"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.text) == (503, "supervision.core_down\n")


def test_static_files_come_from_the_package(client: TestClient) -> None:
    assert client.get("/static/foldward.css").status_code == 200
    assert client.get("/static/../app.py").status_code == 404


def test_a_name_with_markup_is_shown_as_text(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    row: dict[str, Any] = dict.fromkeys(("oos_sharpe", "dsr", "pbo"))
    row |= {"strategy": "<script>alert(1)</script>", "kind": "sma", "place": "X H1", "verdict": "FAIL"}
    row |= {"rank": "B", "is_sharpe": 1.0, "trades": 3, "reasons": ["<b>"]}
    monkeypatch.setattr(views, "strategies", lambda _: [row])
    html = client.get("/strategies").text
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_the_metrics_have_names_types_and_values(tmp_path: Path) -> None:
    found: dict[str, Any] = status(Home(tmp_path), timeout=0.2)
    found["counters"]["success"] = 41
    found["dead_letters"] = {"held": 2, "by_reason": {"schema": 2}}
    text = metrics_text(found)
    assert "# TYPE foldward_success_total counter" in text or "# TYPE foldward_success counter" in text
    assert "foldward_success_total 41.0" in text
    assert 'foldward_dead_letters{reason="schema"} 2.0' in text
    assert "foldward_core_running 0.0" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.4119, "0.412 s"), (61.0, "61 s"), (600.0, "10 min"), (90_000.0, "25 h")],
)
def test_durations_are_short_and_have_a_unit(value: float | None, shown: str) -> None:
    assert views.seconds(value) == shown
