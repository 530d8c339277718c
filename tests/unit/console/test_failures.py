"""What failed: crashes of children from the event file beside the failed steps of the rows."""

import json

import pytest

from foldward.console.failures import crashes, failures

S = 1_000_000
T0 = 1_700_000_000 * S  # 2023-11-14T22:13:20Z
STEP = {"count": 2, "requests": 1, "last_at_us": T0, "last_error": "late"}


class Rows:
    """The groups that a reader would give."""

    def __init__(self, *rows):
        self.rows = rows

    def failures(self, since_us, by):
        return [dict(row) for row in self.rows]


def line(at, child, reason, code, supervisor="workers", event="supervisor.child_terminated"):
    data = {"supervisor": supervisor, "child": child, "reason": reason, "restarts": 0, "code": code}
    return json.dumps(
        {"timestamp": f"2023-11-14T22:{at}.000Z", "event_type": event, "data": data}, separators=(",", ":")
    )


@pytest.fixture
def telemetry(tmp_path):
    file = tmp_path / "telemetry.jsonl"
    killed, bug = "supervision.process_killed", "internal"
    file.with_name("telemetry.jsonl.1").write_text(
        line("13:19", "worker-1", "killed by SIGKILL", killed) + "\n"
    )
    file.write_text(
        line("13:21", "worker-1", "killed by SIGKILL", killed)
        + "\n"
        + line("13:22", "oos_queue", "KeyError: 'x'", bug, supervisor="work")
        + "\n"
        + line("13:23", "worker-2", "shutdown", None)
        + "\n"
        + line("13:23", "worker-2", "killed by SIGKILL", None, event="supervisor.child_restarted")
        + '\n{"event_type":"supervisor.child_terminated","timestamp":7}\n'
        + line("13:24", "worker-2", "killed by SIGKILL", killed)[:90]
    )
    return file


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("event", [("supervisor.child_terminated", 2)]),
        ("reason", [("KeyError: 'x'", 1), ("killed by SIGKILL", 1)]),
        ("code", [("internal", 1), ("supervision.process_killed", 1)]),
        ("worker", [("worker-1", 1)]),
        ("strategy", []),
        ("kind", []),
    ],
)
def test_crashes_since_then_are_counted_where_they_have_a_group(telemetry, by, groups):
    rows = failures(Rows(), telemetry, T0, by)
    assert [(row[by], row["count"]) for row in rows] == groups
    assert {row["requests"] for row in rows} <= {0}


def test_a_crash_joins_the_group_that_the_rows_have_and_the_newest_error_is_shown(telemetry):
    rows = failures(Rows({"worker": "worker-1", **STEP}, {"worker": None, **STEP}), telemetry, T0, "worker")
    assert rows == [
        {
            "worker": "worker-1",
            "count": 3,
            "requests": 1,
            "last_at_us": T0 + S,
            "last_error": "worker-1: killed by SIGKILL",
        },
        {"worker": None, **STEP},
    ]


def test_older_files_are_read_as_far_as_the_time_reaches(telemetry):
    found = [(at_us - T0, crash.child) for at_us, crash in crashes(telemetry, T0 - 60 * S)]
    assert found == [(2 * S, "oos_queue"), (S, "worker-1"), (-S, "worker-1")]


def test_without_an_event_file_the_rows_speak_alone(tmp_path):
    assert failures(Rows({"code": "engine.failed", **STEP}), tmp_path / "none.jsonl", T0, "code") == [
        {"code": "engine.failed", **STEP}
    ]
