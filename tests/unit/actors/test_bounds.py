"""What is remembered is bounded, and what comes late or for nobody changes nothing."""

from types import SimpleNamespace
from typing import Any

import pytest

from actors import _asked, _beats, _event_log, _notices
from actors._asked import Asked
from actors._beats import Beat, Beats
from actors._event_log import EventLog, plain_line, read_tail
from actors._evidence import EvidenceDesk
from actors._gates import Judgement
from actors._ladder import steps
from actors._notices import Notices
from actors._schedule import parts
from actors._verdict_desk import ANSWER_S, STORE_S, VerdictDesk
from foldward.contracts.facts import RecordVerdict
from foldward.contracts.messages import Emit, Notify, Settled, Written

# --- bounds ------------------------------------------------------------------------------------------------


def test_peers_beyond_the_bound_are_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_beats, "_MAX_PEERS", 2)
    beats = Beats(30.0)
    for number in range(4):
        beats.heard(Beat(f"w{number}", "id", "WORKER", "ok", float(number)))
    assert [lost.peer for lost in beats.overdue(100.0)] == ["w2", "w3"]
    for number in range(4, 8):
        beats.heard(Beat(f"w{number}", "id", "WORKER", "ok", 100.0))
        beats.overdue(200.0)
    assert beats.figures(200.0)["lost"] == ["w6", "w7"]


def test_ended_requests_beyond_the_bound_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_asked, "_REMEMBERED", 2)
    asked = Asked()
    for number in range(4):
        asked.settled(Settled(request_id=f"r{number}", name="a", kind="oos", state="applied", origin="rank"))
    assert list(asked._settled) == ["r2", "r3"]


def test_keys_of_notices_beyond_the_bound_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_notices, "_MAX_KEYS", 2)
    notices = Notices(0.0, lambda: 0.5)
    for number in range(4):
        notices.offer(Notify(key=f"k{number}", title="t", body="b"), float(number))
    notices.offer(Notify(key="k0", title="t", body="b"), 5.0)  # forgotten, so it is news again
    assert notices.suppressed == 0
    notices.offer(Notify(key="k0", title="t", body="b"), 6.0)
    assert notices.suppressed == 1


def test_names_of_misfits_beyond_the_bound_are_counted_together(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_event_log, "_MAX_MISFITS", 2)
    log = EventLog(tmp_path / "t.jsonl", max_bytes=10_000, keep=1)
    log.open()
    log.record([Emit(event_type=f"odd.{number}", data={}, at_us=0) for number in range(5)])
    log.close()
    assert log.misfits["others"] == 3
    assert log.written == 5


def test_a_text_that_may_hold_a_secret_goes_the_careful_way() -> None:
    def line(path: str) -> bytes | None:
        return plain_line(Emit(event_type="db.backup", data={"path": path}, at_us=0, correlation_id="c"))

    assert line("/var/plain.db") is not None
    for text in (
        "https://user:pass@host/x",
        "Bearer abc",
        "basic abc",
        "the secret",
        "naïve",
        "token=1",
        "pwd",
    ):
        careful = line(text)
        assert careful is None or text in careful.decode(), text
    assert line("https://user:pass@host/x") is None


def test_a_plain_event_that_is_huge_goes_the_careful_way() -> None:
    huge = Emit(event_type="db.backup", data={"path": "x" * 2_000_000}, at_us=0, correlation_id="c")
    assert plain_line(huge) is None


def test_lines_that_are_no_events_are_passed_over_in_the_tail(tmp_path: Any) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text('{"event_type":"a"}\nnot json\n[1]\n{"event_type":"b"}\n')
    assert [event["event_type"] for event in read_tail(file, 10)] == ["a", "b"]


# --- ranks and reports -------------------------------------------------------------------------------------


def test_a_rank_that_nobody_knows_is_one_move() -> None:
    assert steps("mystery", "A") == [("mystery", "A")]
    assert steps("A", "A") == []


def test_a_report_without_folds_may_still_have_both_halves() -> None:
    assert parts({"is_sharpe": 1.0, "oos_sharpe": 0.5}) == [("IS", 1.0), ("OOS", 0.5)]
    assert parts({}) == []


# --- verdicts under way ------------------------------------------------------------------------------------

FAIL = Judgement(
    stage="backtest",
    verdict="FAIL",
    gates=(),
    reasons=("too little",),
    ranks={"B": "fail", "A": "fail", "S": "fail"},
    numbers={},
)
ROW = SimpleNamespace(name="s", rank="incubator", verdict=None, stage=None, reasons=(), gates=(), numbers={})


def record(desk: VerdictDesk, now: float) -> list[Any]:
    return list(desk.record(ROW, FAIL, pending=False, now=now, now_us=round(now * 1e6)))


def answer(effect: Any, ok: bool, value: Any = True, code: str | None = None) -> Written:
    assert isinstance(effect.fact, RecordVerdict)
    return Written(tag=effect.tag, fact=effect.fact, ok=ok, value=value, code=code)


def test_a_second_judgement_waits_for_the_answer_to_the_first() -> None:
    desk = VerdictDesk("run")
    (write,) = record(desk, 0.0)
    assert record(desk, 1.0) == []
    name, told = desk.written(answer(write, True), 2.0)
    assert name == "s"  # to be looked at again
    assert told
    assert not desk.busy


def test_a_verdict_that_the_store_refused_is_due_after_five_seconds() -> None:
    desk = VerdictDesk("run")
    (write,) = record(desk, 0.0)
    assert desk.written(answer(write, False, code="storage.disk_full"), 10.0) == ("s", [])
    assert desk.due(10.0 + STORE_S - 0.1) == []
    assert desk.due(10.0 + STORE_S) == ["s"]
    assert desk.due(1e9) == []


def test_a_verdict_about_a_strategy_that_is_gone_is_not_tried_again() -> None:
    desk = VerdictDesk("run")
    (write,) = record(desk, 0.0)
    assert desk.written(answer(write, False, code="request.unknown_strategy"), 1.0) == ("s", [])
    assert not desk.busy


def test_a_verdict_that_nobody_answers_for_is_judged_again_after_a_minute() -> None:
    desk = VerdictDesk("run")
    (write,) = record(desk, 0.0)
    assert desk.due(ANSWER_S - 1) == []
    assert desk.due(ANSWER_S) == ["s"]
    assert desk.written(answer(write, True), ANSWER_S + 1) == (None, [])  # too late: it was given up
    assert len(record(desk, ANSWER_S + 2)) == 1


def test_an_answer_that_changed_nothing_is_told_to_nobody() -> None:
    desk = VerdictDesk("run")
    (write,) = record(desk, 0.0)
    assert desk.written(answer(write, True, value=False), 1.0) == (None, [])


# --- evidence ----------------------------------------------------------------------------------------------


def test_evidence_of_a_dropped_strategy_is_neither_waited_for_nor_known() -> None:
    evidence = EvidenceDesk(strict=True)
    evidence.wait("a", "f1")
    evidence.knows("b", "f1", 3.0)
    evidence.drop("a")
    evidence.drop("b")
    assert evidence.waiting == {}
    assert evidence.learn(SimpleNamespace(strategies=lambda **_: []))
    assert evidence.ready(lambda _: set()) == {}


def test_a_result_that_went_away_while_it_was_read_is_no_trial() -> None:
    row = SimpleNamespace(name="a", revision=7)
    known = SimpleNamespace(
        verdict="OK",
        fingerprint="f1",
        request_id="r",
        digest="d",
        work="w",
        engine="foldward-4",
        name="a",
        params={},
        sharpe=1.0,
        window_start=0,
        window_end=9,
        window_bars=9,
    )
    rows = SimpleNamespace(
        strategies=lambda revision_gt, limit: [row] if revision_gt < 7 else [],
        results_of=lambda *_, **__: [known],
        result=lambda _: None,
    )
    evidence = EvidenceDesk(strict=True)
    evidence.wait("a", "f1")
    assert evidence.learn(rows)
    assert not evidence.learn(rows)  # nothing more to learn
    assert evidence.ready(lambda _: {"evidence"}) == {}  # closed for it: it waits no longer
    assert evidence.waiting == {}
