"""What a report reads from the event file and from the reports before it."""

import json

from actors._day_sources import day_events, history

OLD, NEW = "2026-02-02T10:00:00.000Z", "2026-02-03T10:00:00.000Z"
SINCE = "2026-02-03T00:00:00.000Z"


def line(event_type, at=NEW, **data):
    return json.dumps({"timestamp": at, "event_type": event_type, "data": data}, separators=(",", ":")) + "\n"


def test_only_what_came_since_counts(tmp_path):
    file = tmp_path / "telemetry.jsonl"
    file.write_text(
        line("rank.changed", OLD, strategy="a", **{"from": "B", "to": "A"})
        + line("rank.changed", strategy="b", **{"from": "A", "to": "S"})
        + line("oos.result", request_id="1")
        + line("supervisor.child_restarted", child="worker-1", reason="killed")
        + line("supervisor.child_restarted", child="worker-1", reason="killed again")
        + line("supervisor.child_hung", child="reporter", reason="busy")
        + line("data.refused", file="x.csv", codes=["data.geometry", "data.order"])
        + line("breaker.opened", breaker="worker-1")
    )
    found = day_events(file, SINCE)
    assert found["complete"] is True
    assert found["moves"] == [{"at": NEW, "strategy": "b", "from": "A", "to": "S"}]
    assert found["restarts"] == [
        {"child": "worker-1", "count": 2, "reason": "killed again"},
        {"child": "reporter", "count": 0, "reason": "busy"},
    ]
    assert found["refused"] == [{"file": "x.csv", "codes": "data.geometry, data.order", "count": 1}]
    assert found["opened"] == [{"breaker": "worker-1", "count": 1}]
    assert found["counts"]["supervisor.child_restarted"] == 2
    assert "oos.result" not in found["counts"]


def test_older_files_are_read_until_one_reaches_back_far_enough(tmp_path):
    file = tmp_path / "telemetry.jsonl"
    file.write_text(line("heartbeat.lost"))
    (tmp_path / "telemetry.jsonl.1").write_text(line("oos.result", OLD) + line("heartbeat.lost"))
    (tmp_path / "telemetry.jsonl.2").write_text(line("heartbeat.lost") * 50)
    found = day_events(file, SINCE)
    assert found["counts"] == {"heartbeat.lost": 2}
    assert found["complete"] is True


def test_what_rotation_has_taken_is_said(tmp_path):
    file = tmp_path / "telemetry.jsonl"
    for name in ("telemetry.jsonl", "telemetry.jsonl.1", "telemetry.jsonl.2"):
        (tmp_path / name).write_text(line("heartbeat.lost"))
    assert day_events(file, SINCE, keep=2)["complete"] is False
    assert day_events(file, SINCE, keep=3)["complete"] is True


def test_half_a_line_and_foreign_lines_are_passed_over(tmp_path):
    file = tmp_path / "telemetry.jsonl"
    whole = line("heartbeat.lost").encode()
    foreign = b'{"event_type":"heartbeat.lost","data":3}\n\xff\xfe\n{"event_type":"rank.changed'
    file.write_bytes(whole + foreign)
    assert day_events(file, SINCE)["counts"] == {"heartbeat.lost": 1}


def test_without_a_file_nothing_happened(tmp_path):
    found = day_events(tmp_path / "none.jsonl", SINCE)
    assert (found["counts"], found["moves"], found["complete"]) == ({}, [], True)


def test_the_days_before_come_from_their_reports(tmp_path):
    for day, success in (("2026-02-01", 5), ("2026-02-02", 7), ("2026-02-03", 9)):
        kpis = {"success": success, "failure": 1, "success_rate": 0.5, "p95_s": None, "sent": 3}
        report = {"kpis": kpis, "dead_letters": {"held": 2}}
        (tmp_path / f"daily-{day}.json").write_text(json.dumps(report))
    (tmp_path / "daily-2026-01-31.json").write_text("{")
    (tmp_path / "daily-2026-01-30.json").write_text('{"day": "2026-01-30"}')
    assert history(tmp_path, "2026-02-03") == [
        {"day": "2026-02-01", "success": 5, "failure": 1, "success_rate": 0.5, "p95_s": None, "held": 2},
        {"day": "2026-02-02", "success": 7, "failure": 1, "success_rate": 0.5, "p95_s": None, "held": 2},
    ]
    assert [item["day"] for item in history(tmp_path, "2026-02-03", days=1)] == ["2026-02-02"]
