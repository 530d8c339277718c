"""What `foldward top` says: what is wrong first, in lines that fit eighty columns."""

import json

from status_sample import sample

from foldward.cli._top_view import (
    Seen,
    Trouble,
    event_line,
    figure_text,
    label,
    routine,
    trouble_text,
    troubles,
)

STUCK = {"request_id": "0198", "age_s": 840.0, "why": "due and not sent"}


def well():
    status = sample()
    status["core"] |= {"paused": False}
    status["workers"] = [{"id": "worker-1", "state": "running", "pid": 8, "busy": 2}]
    status["breakers"] = []
    status["dead_letters"] = {"held": 0, "by_reason": {}}
    status["counters"]["nondeterministic"] = 0
    return status


def node(**fields):
    return {"id": "a", "kind": "worker", "state": "running", "restarts": 0, **fields}


def whats(seen):
    return [trouble.what for trouble in troubles(seen)]


def test_when_all_is_well_it_says_so():
    assert troubles(Seen(well(), node(id="root", kind="supervisor", children=[node()]))) == []
    assert trouble_text([], 76).plain == "nothing is wrong"


def test_a_core_that_is_down_or_silent_comes_first():
    status = well()
    status["core"] |= {"running": False}
    assert whats(Seen(status))[0].startswith("core is not running")
    status["core"] |= {"running": True, "error": {"message": "no answer"}}
    assert whats(Seen(status, stuck=[STUCK]))[0] == "core does not answer: no answer"


def test_every_sign_of_trouble_is_told_the_grave_ones_first():
    status = sample()
    status["workers"] = [{"id": "worker-1", "state": "backoff"}]
    tree = node(
        id="root",
        kind="supervisor",
        budget={"used": 3, "max": 3},
        children=[
            node(id="db_writer", mailbox=5_000),
            node(id="reporter", state="hung", last_error={"code": "x", "message": "stuck in a read"}),
            node(id="queue", busy_s=60.0, current="Tick"),
        ],
    )
    found = troubles(Seen(status, tree, [STUCK]))
    assert [trouble.what for trouble in found] == [
        "root has spent its budget of restarts",
        "reporter is hung: stuck in a read",
        "no worker runs: requests wait",
        "the breaker of worker-1 is open",
        "1 stuck, the longest 14 min: due and not sent",
        "db_writer has 5,000 messages waiting",
        "queue is busy with one Tick for 60 s",
        "sending is paused: r resumes",
        "2 dead letters held: 2 schema",
        "15 requests had two different answers",
    ]
    assert [trouble.grave for trouble in found] == [True] * 5 + [False] * 5
    assert all(trouble.command.startswith(("foldward ", "python -m supervision")) for trouble in found)


def test_a_database_that_cannot_be_read_is_told():
    assert whats(Seen(well(), error="error storage.corrupt: damaged")) == ["error storage.corrupt: damaged"]


def test_troubles_fit_the_width_and_the_rest_is_counted():
    many = [Trouble(f"trouble {number} " + "x" * 90, "foldward status") for number in range(6)]
    lines = trouble_text(many, 76).plain.splitlines()
    assert len(lines) == 4
    assert all(len(line) <= 76 for line in lines)
    assert lines[-1].strip() == "and 3 more: foldward status, foldward tree"
    short = trouble_text([Trouble("short", "foldward dead list")], 76).plain
    assert short.startswith("! short ")
    assert short.endswith("  foldward dead list")
    assert len(short) == 76


def test_the_figures_are_three_lines_of_at_most_78_columns():
    status = well()
    status["core"] |= {"pid": 1_234_567, "uptime_s": 90_000.0}
    status["queue"] |= {"pending": 98_765, "sent": 500, "error": 1_234, "oldest_age_s": 86_400.0}
    status["counters"] |= {"success": 1_000_000, "failure": 12_345}
    lines = figure_text(Seen(status)).plain.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 90
    lines = figure_text(Seen(sample())).plain.splitlines()
    assert max(map(len, lines)) <= 78
    assert lines[1] == "queue 8 waiting  1 out  0 given up  oldest 13 s  3 applied  4 failed"
    assert lines[2] == "times p50 2.0 s  p95 9.0 s  p99 60.0 s   wait p95 9.0 s  run p95 9.0 s"


def test_figures_of_a_core_that_is_down_are_there_too():
    status = well()
    status["core"] |= {"running": False, "pid": None, "uptime_s": None}
    status["latency"] = {"count": 0}
    assert figure_text(Seen(status)).plain.splitlines()[0] == "core down"
    assert figure_text(Seen(status)).plain.endswith("no result yet")
    status["core"] |= {"running": True, "pid": 7, "error": {"message": "no answer"}}
    assert figure_text(Seen(status)).plain.splitlines()[0] == "core silent  pid 7"


def test_a_child_shows_what_stands_out():
    assert label(node(id="reporter")).plain == "● reporter"
    bad = node(id="w", state="backoff", restarts=3, mailbox=4, busy_s=20.0, last_error={"code": "x.y"})
    assert label(bad).plain == "○ w backoff ↻3 ✉4 busy 20 s x.y"


def event(event_type, **data):
    plain = {
        "timestamp": "2026-02-03T12:00:00.123Z",
        "event_type": event_type,
        "severity": "info",
        "data": data,
    }
    return json.dumps(plain, separators=(",", ":")).encode()


def test_an_event_tells_what_matters_first_and_shortens_ids():
    line = event(
        "oos.retry",
        request_id="01a1fe89-229e-79a0-9a1f-a99744cb06ee",
        code="engine.failed",
        strategy="s",
        folds=[1, 2],
        x=None,
        latency_sec=0.123456,
    )
    assert event_line(line).plain == (
        "12:00:00 oos.retry strategy=s code=engine.failed request_id=…44cb06ee folds=[2] latency_sec=0.1235"
    )


def test_a_line_that_is_no_event_is_shown_as_it_is():
    assert event_line(b"half a li").plain == "half a li"
    assert event_line(b"[1]").plain == "[1]"
    assert event_line(b'{"data": 3}').plain == '{"data": 3}'


def test_what_comes_all_the_time_is_told_from_news():
    assert routine(event("heartbeat.sent"))
    assert routine(event("status.snapshot"))
    assert not routine(event("oos.retry"))
    assert not routine(b"nothing")
