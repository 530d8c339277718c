"""Verbs check what they are given, ask one actor, and hand back plain data."""

import re
from pathlib import Path
from typing import Any

import pytest

from foldward.console._arguments import (
    DropArguments,
    IdArguments,
    ImportArguments,
    Nothing,
    ReplayArguments,
    SubmitArguments,
)
from foldward.console._arguments import read as read_arguments
from foldward.console.verbs import Verbs, child_rows, worker_rows
from foldward.contracts import messages
from foldward.contracts.errors import FoldwardError, InternalError, RequestError, SupervisionError
from supervision import inspect

CORE = {"run_id": "run", "seed": 1, "config_snapshot": {}}


class Handle:
    """Answers each message with what the test says."""

    def __init__(self, answer: Any, takes: bool = True) -> None:
        self.told: list[Any] = []
        self._answer = answer
        self._takes = takes

    def tell(self, message: Any) -> bool:
        self.told.append(message)
        reply_to = getattr(message, "reply_to", None)
        if self._takes and reply_to is not None:
            reply_to.tell(self._answer)
        return self._takes


class Root:
    """Only what verbs ask of the tree's root."""

    def __init__(self, **handles: Handle) -> None:
        self._handles = handles

    def handle(self, name: str) -> Handle:
        return self._handles[name]


def verbs(**handles: Handle) -> dict[str, Any]:
    return Verbs(Root(**handles), CORE).table()  # type: ignore[arg-type]


def test_draining_asks_the_dispatcher_alone() -> None:
    handle = Handle(messages.Ack(tag=None, value={"in_flight": 3}))
    assert verbs(dispatcher=handle)["drain"]({}) == {"ok": True, "value": {"in_flight": 3}}
    assert isinstance(handle.told[0], messages.Drain)


def test_a_rank_cycle_is_a_look_and_a_tick() -> None:
    handle = Handle(None)
    assert verbs(rank_evaluator=handle)["rank_cycle"]({}) == {"ok": True}
    assert [type(message) for message in handle.told] == [messages.Refresh, messages.Tick]


def test_an_actor_that_takes_no_messages_is_said_at_once() -> None:
    with pytest.raises(SupervisionError) as caught:
        verbs(rank_evaluator=Handle(None, takes=False))["rank_cycle"]({})
    assert caught.value.code == "supervision.no_answer"


def test_a_core_without_a_way_to_its_settings_refuses_a_reload() -> None:
    with pytest.raises(SupervisionError, match="without a way to its settings"):
        verbs()["reload"]({})


def test_a_reload_hands_back_what_came_of_it() -> None:
    table = Verbs(Root(), CORE, lambda: {"ok": True, "changed": []}).table()  # type: ignore[arg-type]
    assert table["reload"]({}) == {"ok": True, "changed": []}


@pytest.mark.parametrize(
    ("verb", "given"),
    [
        ("submit", {}),
        ("submit", {"names": []}),
        ("submit", {"names": "one"}),
        ("submit", {"names": [1]}),
        ("submit", {"names": ["a"], "kind": "oss"}),
        ("cancel", {"request_ids": [""]}),
        ("retry", {"request_ids": None}),
        ("dead_replay", {"ids": [1], "rate": 0}),
        ("import_strategies", {}),
        ("retire_strategies", {"fact": {"names": 1}}),
    ],
)
def test_wrong_arguments_are_refused_at_the_border(verb: str, given: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        verbs()[verb](given)


def test_a_backup_that_was_made_becomes_an_event() -> None:
    handle = Handle(None)
    assert verbs(telemetry=handle)["backed_up"]({"path": "/b.db"}) == {"ok": True}
    (told,) = handle.told
    assert (told.event_type, told.data, told.run_id) == ("db.backup", {"path": "/b.db"}, "run")


def test_what_an_operator_asks_for_goes_out_first() -> None:
    item = messages.SubmitOutcome(name="a", status="queued", request_id="r")
    handle = Handle(messages.Submitted(tag=None, kind="oos", items=(item,)))
    verbs(oos_queue=handle)["submit"]({"names": ["a"]})
    assert handle.told[0].priority == 1 > messages.Submit(names=("a",)).priority


def test_running_replays_can_be_ended() -> None:
    asked = verbs(dead_letter=Handle(messages.Ack(tag=None, value={"cancelled": 2})))
    assert asked["dead_cancel"]({}) == {"cancelled": 2}


def test_an_edit_is_handed_on_and_must_be_an_object() -> None:
    assert read_arguments({"ids": [1], "edit": {"seed": 3}}, ReplayArguments).edit == {"seed": 3}
    with pytest.raises(RequestError, match="edit"):
        read_arguments({"ids": [1], "edit": [3]}, ReplayArguments)


def test_an_answer_of_another_type_is_a_bug_that_is_named() -> None:
    with pytest.raises(InternalError, match="dispatcher answered with Cancelled"):
        verbs(dispatcher=Handle(messages.Cancelled(tag=None, request_ids=())))["pause"]({})


def test_a_refused_write_keeps_its_code() -> None:
    answer = messages.Written(
        fact=None, tag=None, ok=False, value=None, code="storage.disk_full", error="full"
    )
    fact = {"names": ["a"], "at_us": 1}
    with pytest.raises(FoldwardError) as caught:
        verbs(db_writer=Handle(answer))["retire_strategies"]({"fact": fact})
    assert caught.value.code == "storage.disk_full"


def test_the_parts_below_the_supervisors_are_listed_with_their_restarts_and_mailboxes() -> None:
    leaf = {"id": "reporter", "kind": "worker", "state": "running", "restarts": 2, "mailbox": 3, "handled": 9}
    tree = {
        "id": "root",
        "kind": "supervisor",
        "children": [{"id": "watch", "kind": "supervisor", "children": [leaf]}],
    }
    assert child_rows(tree) == [
        {"id": "reporter", "kind": "worker", "state": "running", "restarts": 2, "mailbox": 3}
    ]


def test_a_worker_on_another_host_with_the_same_pid_is_another_worker() -> None:
    tree = {"id": "root", "children": [{"id": "worker-1", "kind": "process", "state": "running", "pid": 7}]}
    peers = [{"id": "worker-1", "pid": 7, "busy": 1}, {"id": "far", "pid": 7, "busy": 2}]
    assert [(row["id"], row["busy"]) for row in worker_rows(tree, peers)] == [("worker-1", 1), ("far", 2)]


def test_workers_that_connect_from_elsewhere_stand_after_our_own() -> None:
    tree = {"id": "root", "children": [{"id": "worker-1", "kind": "process", "state": "running", "pid": 7}]}
    peers = [{"id": "far", "pid": 9, "busy": 2}, {"id": "worker-1", "pid": 7, "busy": 1}]
    assert worker_rows(tree, peers) == [
        {"id": "worker-1", "state": "running", "pid": 7, "busy": 1},
        {"id": "far", "state": "running", "pid": 9, "busy": 2},
    ]


PAGE = Path(__file__).parents[3] / "docs/INTERFACES.md"


def test_the_page_of_interfaces_names_every_verb_and_every_argument() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## The console")[2]
    named: dict[str, set[str]] = {}
    for line in section.splitlines():
        cells = line.split("|")
        if len(cells) == 5 and "`" in cells[1]:
            for verb in re.findall(r"`(\w+)`", cells[1]):
                named[verb] = set(re.findall(r"`(\w+)`", cells[2]))
    assert set(named) == set(inspect.Server(Root(), "/nowhere", verbs()).verbs)  # type: ignore[arg-type]
    for verb, kind in {
        "submit": SubmitArguments,
        "cancel": IdArguments,
        "dead_replay": ReplayArguments,
        "dead_drop": DropArguments,
        "import_strategies": ImportArguments,
        "pause": Nothing,
    }.items():
        hidden = {"now"} if verb == "cancel" else set()  # retry's, which has one value today
        assert named[verb] == set(kind.__struct_fields__) - hidden


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"names": ["a", ""]}, "names[1]", "length >= 1"),
        ({"names": ["a"], "plan": {"grid": {"x": [1, 10**30]}}}, "plan.grid.x[1]", "more than 64 bits"),
        ({"names": ["a"], "plan": {"train": float("inf")}}, "plan.train", "finite"),
        ({"names": ["\ud800"]}, "names[0]", "UTF-8"),
        ({"names": ["a"], "nwo": True}, "nwo", "did you mean 'now'?"),
    ],
)
def test_a_refused_argument_names_its_place(given: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(RequestError, match=re.escape(words)) as caught:
        verbs()["submit"](given)
    assert (caught.value.code, caught.value.context["field"]) == ("request.bad_param", field)


def test_names_whose_candles_cannot_carry_a_plan_are_not_passed_on() -> None:
    """The answer keeps the order asked, refused ones among the others."""
    item = messages.SubmitOutcome(name="b", status="queued", request_id="r")
    scheduler = Handle(messages.Submitted(tag=None, kind="wfv", items=(item,)))
    refusal = messages.SubmitOutcome(name="a", status="refused", code="request.bad_plan", message="too long")
    root = Root(wfv_scheduler=scheduler)
    table = Verbs(root, CORE, None, lambda kind, names, plan: {"a": refusal}).table()  # type: ignore[arg-type]
    answer = table["submit"]({"names": ["a", "b"], "kind": "wfv", "plan": {"train": 9, "test": 3}})
    assert [(one["name"], one["status"]) for one in answer["items"]] == [("a", "refused"), ("b", "queued")]
    assert scheduler.told[0].names == ("b",)
