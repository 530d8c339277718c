"""The summary line, the metrics page and the snapshots' content."""

from prometheus_client.parser import text_string_to_metric_families

from actors._snapshots import Due, lasting, memory, tree_figures
from actors.figures import COUNTERS, status_text, summary_line
from actors.metrics import metrics_text

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


STATUS = {
    "core": {"running": True, "uptime_s": 5.0, "paused": True},
    "queue": {"pending": 6, "sent": 1, "retry": 2, "error": 0, "cancelled": 0, "oldest_age_s": 12.7},
    "counters": {"sent": 10, "success": 7, "telemetry_fail": 0},
    "dead_letters": METRICS["dead_letters"],
    "latency": METRICS["latency"],
    "workers": [{"id": "worker-1", "state": "running"}, {"id": "worker-2", "state": "backoff"}],
    "breakers": [{"name": "w1", "state": "open"}],
    "supervision": {"restarts": 3, "zombies": 0},
    "ranks": {"B": 4},
}


def page(status):
    return {family.name: family for family in text_string_to_metric_families(metrics_text(status))}


def values(family):
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_the_metrics_page_is_valid_and_in_base_units():
    found = page(STATUS)
    assert all(name.startswith("foldward_") for name in found)
    assert found["foldward_sent"].samples[0].value == 10
    assert found["foldward_paused"].samples[0].value == 1
    assert found["foldward_supervisor_restarts"].samples[0].value == 3
    assert found["foldward_oldest_request_seconds"].samples[0].value == 12.7
    assert values(found["foldward_requests"])["pending",] == 6
    assert values(found["foldward_worker_up"]) == {("worker-1",): 1, ("worker-2",): 0}
    assert values(found["foldward_breaker_open"]) == {("w1",): 1}
    assert values(found["foldward_dead_letters"]) == {("schema",): 2}
    assert values(found["foldward_strategies"]) == {("B",): 4}


def test_latencies_are_histograms_with_running_counts():
    samples = page(STATUS)["foldward_request_latency_seconds"].samples
    buckets = {s.labels["le"]: s.value for s in samples if s.name.endswith("_bucket")}
    assert buckets == {"0.1": 2, "1.0": 2, "+Inf": 3}
    assert {s.value for s in samples if s.name.endswith("_sum")} == {1.5}


def test_what_is_not_known_is_left_out_of_the_metrics():
    found = page({"queue": {"oldest_age_s": None}, "core": {"running": False, "uptime_s": None}})
    assert "foldward_oldest_request_seconds" not in found
    assert "foldward_core_uptime_seconds" not in found
    assert found["foldward_core_running"].samples[0].value == 0


def test_labels_with_quotes_and_newlines_stay_valid():
    found = page({"dead_letters": {"by_reason": {'a"b\nc\\': 1}}})
    assert values(found["foldward_dead_letters"]) == {('a"b\nc\\',): 1}


def test_a_snapshot_is_written_when_its_content_changes_and_else_once_a_minute():
    due = Due(2.0, 60.0)
    assert due.wants({"n": 1}, 0.0)
    due.written({"n": 1}, 0.0)
    assert not due.wants({"n": 1}, 59.9)
    assert due.wants({"n": 1}, 60.0)
    assert not due.wants({"n": 2}, 1.9)
    assert due.wants({"n": 2}, 2.0)
    assert due.wants({"n": 1}, -100.0)


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
