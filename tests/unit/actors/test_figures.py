"""The summary line and the snapshots' content."""

from actors._snapshots import Due, lasting, memory, tree_figures
from actors.figures import COUNTERS, status_text, summary_line

METRICS = {
    **dict.fromkeys(COUNTERS, 0),
    "sent": 10,
    "retry": 2,
    "success": 7,
    "failure": 1,
    "data_invalid": 3,
    "send_failure": 4,
    "db_error": 5,
    "pending": 6,
    "in_flight": 1,
    "waiting_retry": 2,
    "oldest_age_s": 12.7,
    "latency": {
        "count": 3,
        "mean_s": 0.5,
        "p50_s": 0.1,
        "p95_s": 0.25,
        "p99_s": 1.0,
        "histogram": [{"le_s": 0.1, "count": 2}, {"le_s": 1, "count": 0}, {"le_s": None, "count": 1}],
    },
    "dead_letters": {"held": 2, "by_reason": {"schema": 2}},
}


def test_the_summary_line_is_exactly_this():
    assert summary_line(METRICS) == (
        "OOS sent: 10 retry: 2 success: 7 failure: 1 pending: 6 oldest: 12s"
        " (data 3 send 4 db 5) latency p50/p95/p99: 0.100/0.250/1.000 s"
    )


def test_before_the_first_result_no_latency_is_invented():
    nothing = {**METRICS, "latency": {"count": 0, "p50_s": None}, "oldest_age_s": None}
    assert summary_line(nothing).endswith("oldest: 0s (data 3 send 4 db 5) latency p50/p95/p99: -/-/- s")


def test_the_status_file_says_when_and_why():
    assert status_text("OOS sent: 1", 1_770_120_000_123_456, "result") == (
        "OOS sent: 1\nupdated: 2026-02-03T12:00:00.123Z reason: result\n"
    )


def test_a_snapshot_is_written_when_its_content_changes_and_else_once_a_minute():
    due = Due(2.0, 60.0)
    assert due.wants({"n": 1}, 0.0)
    due.written({"n": 1}, 0.0)
    assert not due.wants({"n": 1}, 59.9)
    assert due.wants({"n": 1}, 60.0)
    assert not due.wants({"n": 2}, 1.9)
    assert due.wants({"n": 2}, 2.0)
    assert due.wants({"n": 1}, -100.0)
    assert (due.behind({"n": 1}), due.behind({"n": 2})) == (False, True)


def test_ages_and_times_are_no_change():
    assert lasting({"n": 1, "timestamp": "a", "queue": {"oldest_age_s": 1}}) == lasting(
        {"n": 1, "timestamp": "b", "queue": {"oldest_age_s": 2}}
    )


def test_the_memory_of_this_process_is_known():
    rss, heap = memory()
    assert rss > 1_000_000
    assert heap is None or heap > 1_000_000


def test_a_tree_is_summed_up():
    tree = {
        "kind": "supervisor",
        "restarts": 1,
        "children": [
            {"id": "a", "kind": "worker", "state": "running", "restarts": 2, "mailbox": 3},
            {"id": "b", "kind": "process", "state": "backoff", "restarts": 1, "mailbox": None},
        ],
    }
    assert tree_figures(tree) == {"actors": 1, "mailboxes": {"a": 3}, "restarts": 4}
    assert tree_figures(None) == {"actors": 0, "mailboxes": {}, "restarts": 0}
