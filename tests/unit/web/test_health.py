"""What the first page says first."""

from typing import Any

import pytest

from foldward.web._health import judge, unwell


def status(**parts: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "home": "/srv/fw",
        "core": {
            "running": True,
            "pid": 7,
            "uptime_s": 65.0,
            "paused": False,
            "draining": False,
            "error": None,
        },
        "queue": {"pending": 3, "retry": 1, "error": 0},
        "dead_letters": {"held": 0, "by_reason": {}},
        "workers": [{"id": "worker-1", "state": "running"}, {"id": "worker-2", "state": "backoff"}],
        "breakers": [],
        "supervision": {"restarts": 0, "zombies": 0},
        "counters": {"db_error": 0, "telemetry_fail": 0},
    }
    for name, part in parts.items():
        found[name] = {**found[name], **part} if isinstance(part, dict) else part
    return found


def node(state: str, **more: Any) -> dict[str, Any]:
    return {"id": "x", "state": state, "children": [], **more}


def test_a_quiet_core_is_healthy() -> None:
    found = judge(status(), node("running"), 0)
    assert (found.level, found.title, found.problems) == ("good", "Healthy", ())
    assert found.line == "Core runs: pid 7, up 65 s. 1 of 2 workers ready."


def test_a_core_that_is_down_comes_first_with_the_command_that_starts_it() -> None:
    found = judge(
        status(core={"running": False}, dead_letters={"held": 2, "by_reason": {"schema": 2}}), None, 0
    )
    assert (found.level, found.title) == ("down", "Core is not running")
    assert found.problems[0].command == "foldward core --home /srv/fw"
    assert found.problems[1].what == "2 dead letters held"


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (status(core={"paused": True}), "Paused"),
        (status(core={"draining": True, "paused": True}), "Draining"),
        (status(core={"error": {"message": "slow", "hint": "wait"}}), "Core does not answer"),
        (status(queue={"error": 1}), "1 request given up"),
        (status(dead_letters={"held": 1, "by_reason": {"schema": 1}}), "1 dead letter held"),
        (status(breakers=[{"name": "native", "state": "open"}]), "Breaker native is open"),
        (status(supervision={"restarts": 1, "zombies": 2}), "2 hung threads left behind"),
        (status(counters={"db_error": 4}), "4 writes refused"),
        (status(counters={"telemetry_fail": 1}), "1 event not written"),
    ],
)
def test_one_problem_is_the_title(found: dict[str, Any], what: str) -> None:
    assert judge(found, node("running"), 0).title == what


def test_the_worst_comes_first_and_several_are_counted() -> None:
    tree = node("running", children=[node("backoff", id="worker-1"), node("hung", id="oos_queue")])
    found = judge(status(queue={"error": 1}), tree, 2)
    assert (found.level, found.title) == ("bad", "4 things need you")
    assert [item.what for item in found.problems] == [
        "2 requests stuck",
        "oos_queue is hung",
        "1 request given up",
        "worker-1 waits to be restarted",
    ]


def test_a_tree_that_is_not_known_has_nothing_unwell() -> None:
    assert unwell(None) == []
    assert [item["id"] for item in unwell(node("failed", id="root"))] == ["root"]


def test_a_supervisor_that_has_used_half_its_restarts_is_a_warning() -> None:
    budget = {"used": 3, "max": 5, "period_s": 60.0}
    tree = node("running", children=[node("running", id="work", budget=budget, children=[node("running")])])
    found = judge(status(), tree, 0)
    assert found.problems[0].what == "work restarts its children often"
    assert found.problems[0].why == "3 of 5 restarts within 60 s; then it gives up."
    budget["used"] = 2
    assert judge(status(), tree, 0).level == "good"


def test_a_list_of_stuck_ones_that_is_cut_says_so() -> None:
    assert judge(status(), None, 1).title == "1 request stuck"
    assert judge(status(), None, 100).title == "100 requests or more stuck"


def test_a_worker_that_runs_and_has_not_joined_is_a_warning_with_a_way_out() -> None:
    workers = [{"id": "worker-1", "state": "starting"}, {"id": "worker-2", "state": "running"}]
    tree = node("running", children=[node("running", id="worker-1", uptime_s=31.0)])
    found = judge({**status(), "workers": workers}, tree, 0)
    assert [(item.what, item.child) for item in found.problems] == [("worker-1 has not joined", "worker-1")]
    tree["children"][0]["uptime_s"] = 5.0
    assert judge({**status(), "workers": workers}, tree, 0).level == "good"
