"""What retry, cancel and retire could not do stands in one error line, with the nearest that is known."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from foldward.cli._app import run
from foldward.cli._context import Context
from foldward.contracts.facts import (
    AdmitRequest,
    CancelRequests,
    ImportStrategies,
    RequeueRequest,
    RetireStrategies,
)
from foldward.contracts.jobs import Backtest, Strategy
from foldward.settings import StorageTable
from foldward.wire import dumps
from storage import open_writer

NAMES = ("alpha", "beta", "gamma")
IDS = (
    "01980000-1111-7000-8000-000000000001",
    "01980000-2222-7000-8000-000000000002",
    "01980000-3333-7000-8000-000000000003",
)
SLIP = "01980000-1111-7000-8000-00000000000l"
NOBODY = "99990000-0000-7000-8000-000000000000"

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """A home with three strategies, two with an open request, one with a cancelled one; and a core."""
    home = tmp_path / "home"
    home.mkdir()
    writer = open_writer(home / "foldward.db", StorageTable(synchronous="NORMAL"))
    strategies = tuple(Strategy(name=name, kind="sma", symbol="X", timeframe=60) for name in NAMES)
    writer.apply([ImportStrategies(strategies=strategies, at_us=1)])
    for one, strategy in zip(IDS, strategies, strict=True):
        job = Backtest(request_id=one, strategy=strategy, phase="oos")
        admit = AdmitRequest(
            request_id=one, name=strategy.name, kind="oos", digest=f"sha256:{one}", payload=dumps(job),
            requested_us=2, due_us=2,
        )  # fmt: skip
        writer.apply([admit])
    writer.apply([CancelRequests(request_ids=IDS[2:], why="operator", at_us=3)])

    def call(verb: str, request_ids: list[str], **_: Any) -> dict[str, Any]:
        if verb == "cancel":
            fact = CancelRequests(request_ids=tuple(request_ids), why="operator", at_us=4)
            return {"request_ids": writer.apply([fact])[0].value}
        facts = [RequeueRequest(request_id=one, due_us=4, at_us=4) for one in request_ids]
        done = [outcome.value for outcome in writer.apply(facts)]
        return {"outcomes": dict(zip(request_ids, done, strict=True))}

    monkeypatch.setattr(Context, "client", lambda *_, **__: SimpleNamespace(core={}, call=call))

    def through(_home: object, _snapshot: object, names: list[str]) -> list[str]:
        return list(writer.apply([RetireStrategies(names=tuple(names), at_us=5)])[0].value)

    monkeypatch.setattr("foldward.app.admin.retire_strategies", through)

    def said(*line: str) -> tuple[int, str, str]:
        exit_code = run([*line, "--home", str(home)])
        caught = capsys.readouterr()
        return exit_code, caught.out, caught.err

    return said


@pytest.mark.parametrize("verb", [("retry",), ("oos", "cancel")])
def test_an_unknown_id_is_named_with_the_one_that_was_meant(say: Say, verb: tuple[str, ...]) -> None:
    exit_code, out, err = say(*verb, SLIP)
    assert (exit_code, out) == (4, "")
    assert err == (
        f"error request.unknown_id: no request {SLIP}: did you mean '{IDS[0]}'? — hint: foldward oos list\n"
    )


@pytest.mark.parametrize(
    ("verb", "document"),
    [
        (("retry",), {NOBODY: False}),
        (("oos", "cancel"), {"cancelled": [], "not_open": [NOBODY]}),
    ],
)
def test_with_json_stdout_has_the_outcomes_and_stderr_the_line(
    say: Say, verb: tuple[str, ...], document: dict[str, Any]
) -> None:
    exit_code, out, err = say(*verb, NOBODY, "--json")
    assert (exit_code, json.loads(out)) == (4, document)
    assert err == f"error request.unknown_id: no request {NOBODY} — hint: foldward oos list\n"


def test_a_request_in_another_state_is_told_by_its_state(say: Say) -> None:
    exit_code, out, err = say("oos", "cancel", IDS[2])
    assert (exit_code, out) == (4, "")
    assert err == (
        f"error request.not_possible: request {IDS[2]} is 'cancelled': only an open one can be cancelled"
        f" — hint: foldward why {IDS[2]}\n"
    )
    exit_code, out, err = say("retry", IDS[0])
    assert (exit_code, out) == (4, "")
    assert err.startswith(f"error request.not_possible: request {IDS[0]} is 'pending': only one that waits")


def test_what_could_be_done_is_done_and_the_rest_is_named(say: Say) -> None:
    exit_code, out, err = say("oos", "cancel", IDS[0], NOBODY, IDS[2])
    assert (exit_code, out) == (6, "")
    first, second = err.splitlines()
    assert first == "1 of 3 cancelled"
    assert second.startswith(
        f"error request.unknown_id: no request {NOBODY}; request {IDS[2]} is 'cancelled'"
    )


def test_of_many_three_are_named(say: Say) -> None:
    exit_code, _, err = say("retry", *(f"9999000{n}" for n in range(5)))
    assert exit_code == 4
    assert err == (
        "error request.unknown_id: no request 99990000; no request 99990001; no request 99990002; and 2 more"
        " — hint: foldward oos list\n"
    )


def test_a_beginning_and_a_repetition_mean_the_one_request(say: Say) -> None:
    assert say("oos", "cancel", IDS[0][:13], IDS[0], "--json") == (
        0,
        f'{{"cancelled":["{IDS[0]}"],"not_open":[]}}\n',
        "",
    )
    assert say("retry", IDS[0][:13], IDS[0]) == (0, "", "1 of 1 due now\n")


def test_a_beginning_that_many_have_is_refused(say: Say) -> None:
    exit_code, _, err = say("oos", "cancel", "01980000")
    assert exit_code == 4
    assert err.startswith("error request.unknown_id: 01980000 is the beginning of 3 ids — hint: for example ")


def test_an_unknown_strategy_is_named_with_the_one_that_was_meant(say: Say) -> None:
    exit_code, out, err = say("strategies", "retire", "alhpa")
    assert (exit_code, out) == (4, "")
    assert err == (
        "error request.unknown_strategy: no strategy 'alhpa': did you mean 'alpha'?"
        " — hint: foldward strategies list\n"
    )
    exit_code, out, err = say("strategies", "retire", "alpha", "alpha", "delta", "--json")
    assert (exit_code, json.loads(out)) == (6, {"retired": ["alpha"], "unchanged": ["delta"]})
    assert err.startswith("error request.unknown_strategy: no strategy 'delta'")


def test_a_strategy_is_retired_once(say: Say) -> None:
    assert say("strategies", "retire", "alpha") == (0, "", "1 of 1 retired\n")
    exit_code, out, err = say("strategies", "retire", "alpha")
    assert (exit_code, out) == (4, "")
    assert err.startswith("error request.retired: strategy 'alpha' was retired before — hint: ")


def _answering(monkeypatch: pytest.MonkeyPatch, *items: dict[str, Any]) -> None:
    def call(verb: str, **_: Any) -> dict[str, Any]:
        assert verb == "submit"
        return {"items": list(items), "trace_id": None}

    monkeypatch.setattr(Context, "client", lambda *_, **__: SimpleNamespace(core={}, call=call))


def _unknown(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "status": "refused",
        "code": "request.unknown_strategy",
        "message": f"no strategy is named '{name}'",
        "hint": "foldward strategies list",
    }


@pytest.mark.parametrize("verb", [("oos", "submit"), ("wfv", "start"), ("cpcv", "start")])
@pytest.mark.parametrize("flag", [(), ("--json",)])
def test_a_name_that_is_not_admitted_is_told_on_stderr_too(
    say: Say, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...], flag: tuple[str, ...]
) -> None:
    _answering(monkeypatch, _unknown("delta"))
    exit_code, out, err = say(*verb, "delta", *flag)
    assert exit_code == 4
    assert "request.unknown_strategy" in out
    assert err == (
        "error request.unknown_strategy: no strategy is named 'delta' — hint: foldward strategies list\n"
    )


def test_of_many_that_are_not_admitted_three_are_named(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("d1", "d2", "d3", "d4")
    good = {"name": "alpha", "status": "queued"}
    _answering(monkeypatch, *map(_unknown, names), good)
    exit_code, _, err = say("oos", "submit", *names, "alpha")
    assert exit_code == 6
    assert err == (
        "error request.unknown_strategy: no strategy is named 'd1'; no strategy is named 'd2'; "
        "no strategy is named 'd3'; and 1 more — hint: foldward strategies list\n"
    )


def test_a_refusal_keeps_the_code_of_its_family(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    gap = {"name": "alpha", "status": "refused", "code": "data.gap", "message": "coverage 90 %"}
    _answering(monkeypatch, gap)
    exit_code, _, err = say("oos", "submit", "alpha")
    assert exit_code == 7
    assert err.startswith("error data.gap: coverage 90 %")
