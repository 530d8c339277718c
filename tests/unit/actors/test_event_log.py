"""Telemetry's core: nothing raises, everything is counted."""

import json
import os

import pytest

from actors._event_log import EventLog, plain_line, read_tail
from foldward.contracts.events import EVENTS, envelope
from foldward.contracts.messages import Emit

AT = 1_770_120_000_123_456


def emit(event_type="db.backup", data=None, **fields):
    return Emit(event_type=event_type, data={"path": "/b"} if data is None else data, at_us=AT, **fields)


@pytest.fixture
def log(tmp_path):
    log = EventLog(tmp_path / "telemetry.jsonl", max_bytes=1_000_000, keep=5)
    log.open()
    yield log
    log.close()


def test_events_become_lines_in_order(log):
    assert log.record([emit(data={"path": "/1"}), emit(data={"path": "/2"})]) == 0
    lines = log.path.read_text().splitlines()
    assert [json.loads(line)["data"]["path"] for line in lines] == ["/1", "/2"]
    assert [event["data"]["path"] for event in log.tail(1)] == ["/2"]
    assert [event["data"]["path"] for event in read_tail(log.path, 5, wanted="/1")] == ["/1"]


def test_what_does_not_fit_the_table_is_written_and_counted(log):
    log.record([emit(data={}), emit(data={"path": "/b", "extra": 1}), emit("no.such")])
    assert log.written == 3
    assert log.failed == 0
    assert dict(log.misfits) == {
        "db.backup:missing:path": 1,
        "db.backup:unknown:extra": 1,
        "no.such:type": 1,
    }


def test_a_number_that_json_has_not_becomes_null(log):
    log.record([emit(data={"path": float("nan")})])
    assert log.tail(1)[0]["data"] == {"path": None}


def test_an_event_that_cannot_be_encoded_is_lost_counted_and_takes_nobody_with_it(log):
    class Odd(dict):
        def get(self, *_):
            raise RuntimeError("broken")

    assert log.record([emit(data=Odd(path=1)), emit()]) == 1
    assert (log.written, log.failed, log.lost) == (1, 1, 1)
    assert "broken" in log.last_error


def test_an_object_is_written_as_its_text(log):
    log.record([emit(data={"path": log.path})])
    assert log.tail(1)[0]["data"] == {"path": str(log.path)}


def test_a_huge_event_is_shortened(log):
    log.record([emit(data={"path": "x" * 2_000_000})])
    assert log.path.stat().st_size < 10_000
    assert log.tail(1)[0]["data"]["oversize"] > 2_000_000


def test_what_the_disk_refuses_goes_to_the_fallback_and_is_counted(log, monkeypatch):
    real = os.write
    first = log._file

    def refusing(fd, data):
        if fd == first._fd:
            raise OSError(28, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", refusing)
    assert log.record([emit(), emit()]) == 2
    monkeypatch.undo()
    assert (log.failed, log.lost) == (2, 0)
    fallback = log.path.with_name("telemetry.jsonl.fallback")
    assert len(fallback.read_text().splitlines()) == 2
    assert log.record([emit()]) == 0
    assert len(log.tail(10)) == 1


def test_with_no_disk_at_all_events_are_counted_as_lost(tmp_path):
    (tmp_path / "file").write_text("")
    log = EventLog(tmp_path / "file" / "telemetry.jsonl", max_bytes=1_000, keep=1)
    log.open()
    assert log.record([emit(), emit()]) == 2
    assert (log.failed, log.lost) == (2, 2)
    assert log.figures()["telemetry_fail_count"] == 2


def careful(event):
    return json.dumps(envelope(event), separators=(",", ":"), ensure_ascii=False).encode()


def result_event(**data):
    known = dict.fromkeys(EVENTS["oos.result"].keys)
    known.update(data)
    return emit("oos.result", known, correlation_id="r-1", service="oos_queue")


@pytest.mark.parametrize(
    "data",
    [{}, {"strategy": "sma-1", "sharpe": 0.61, "trades": 42}, {"status": 'a "quoted"\n line'}],
)
def test_a_plain_event_is_the_same_line_the_quick_way(data):
    event = result_event(**data)
    assert plain_line(event) == careful(event)


@pytest.mark.parametrize(
    "data",
    [
        {"strategy": "api_key=abc123"},
        {"strategy": "TOKEN: x"},
        {"strategy": "redis://user:pw@host/0"},
        {"strategy": "Basic abcdefgh"},
        {"strategy": "pa\u017f\u017fword=x"},
        {"sharpe": [1.0]},
        {"extra": 1},
    ],
)
def test_an_event_that_needs_care_does_not_go_the_quick_way(data):
    assert plain_line(result_event(**data)) is None


def test_secrets_are_masked_whichever_way_an_event_goes(log):
    log.record([result_event(strategy="api_key=abc123"), result_event(strategy="sma-1")])
    assert [event["data"]["strategy"] for event in log.tail(2)] == ["api_key=***", "sma-1"]
