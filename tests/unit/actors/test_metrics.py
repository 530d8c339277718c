"""The metrics page: what promtool would say of it, and what each figure becomes."""

import pytest
from promcheck import check
from prometheus_client.parser import text_string_to_metric_families
from status_sample import sample

from actors.metrics import metrics_text


def page(status):
    return {family.name: family for family in text_string_to_metric_families(metrics_text(status))}


def values(family):
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_promtool_would_find_nothing():
    text = metrics_text(sample())
    assert check(text) == []
    assert all(line.startswith(("#", "foldward_")) for line in text.splitlines())


@pytest.mark.parametrize("left_out", sorted(sample()))
def test_promtool_would_find_nothing_when_something_is_not_known(left_out):
    status = sample()
    del status[left_out]
    assert check(metrics_text(status)) == []


def test_a_home_without_core_and_database_has_a_page_too():
    text = metrics_text({"core": {"running": False}, "queue": {"oldest_age_s": None}})
    assert check(text) == []
    assert "foldward_core_running 0.0\n" in text
    assert "foldward_core_answering 0.0\n" in text
    assert "foldward_oldest_request_seconds" not in text


def test_the_figures_stand_under_their_names():
    found = page(sample())
    assert found["foldward_sent"].samples[0].value == 1
    assert found["foldward_notify_failure"].samples[0].value == 17
    assert found["foldward_core_answering"].samples[0].value == 1
    assert found["foldward_paused"].samples[0].value == 1
    assert found["foldward_supervisor_restarts"].samples[0].value == 3
    assert found["foldward_resident_memory_bytes"].samples[0].value == 120_000_000
    assert found["foldward_disk_free_bytes"].samples[0].value == 10**10
    assert values(found["foldward_build_info"]) == {("0.1.0",): 1}
    assert values(found["foldward_requests"])["pending",] == 6
    assert values(found["foldward_worker_up"]) == {("worker-1",): 1, ("worker-2",): 0}
    assert values(found["foldward_worker_requests"]) == {("worker-1",): 2, ("worker-2",): 0}
    assert values(found["foldward_breaker_open"]) == {("worker-1",): 1}
    assert values(found["foldward_child_up"]) == {("db_writer",): 1, ("worker-2",): 0}
    assert values(found["foldward_child_restarts"]) == {("db_writer",): 0, ("worker-2",): 3}
    assert values(found["foldward_mailbox_messages"]) == {("db_writer",): 4}
    assert values(found["foldward_dead_letters_received"]) == {("schema",): 3, ("oversize",): 1}
    assert values(found["foldward_strategies"]) == {("B",): 4, ("incubator",): 2}
    assert values(found["foldward_verdicts"]) == {("PASS",): 1, ("none",): 5}


def test_a_core_that_runs_and_does_not_answer_is_told_from_one_that_is_down():
    status = sample()
    status["core"] |= {"error": {"code": "supervision.no_answer"}}
    found = page(status)
    assert found["foldward_core_running"].samples[0].value == 1
    assert found["foldward_core_answering"].samples[0].value == 0


def test_latencies_are_histograms_with_running_counts():
    samples = page(sample())["foldward_request_latency_seconds"].samples
    buckets = {
        s.labels["le"]: s.value for s in samples if s.name.endswith("_bucket") and s.labels["kind"] == "oos"
    }
    assert buckets == {"0.1": 2, "1.0": 2, "10.0": 6, "+Inf": 7}
    sums = {s.labels["kind"]: s.value for s in samples if s.name.endswith("_sum")}
    assert sums == {"oos": 17.5, "wfv": 0.0}


@pytest.mark.parametrize("part", ["latency", "queue_wait", "run"])
def test_each_histogram_tells_the_kind_of_work_and_no_strategy(part):
    samples = page(sample())[f"foldward_request_{part}_seconds"].samples
    assert {s.labels["kind"] for s in samples} == {"oos", "wfv"}
    assert {name for s in samples for name in s.labels} == {"kind", "le"}


def test_a_counter_whose_name_cannot_be_a_metric_is_left_out():
    text = metrics_text({"counters": {"dead_letter.schema": 3, "sent": 1}})
    assert check(text) == []
    assert "schema" not in text


def test_labels_with_quotes_and_newlines_stay_valid():
    status = {"dead_letters": {"by_reason": {'a"b\nc\\': 1}}}
    assert check(metrics_text(status)) == []
    assert values(page(status)["foldward_dead_letters"]) == {('a"b\nc\\',): 1}


HISTOGRAM = "# HELP foldward_x_seconds X.\n# TYPE foldward_x_seconds histogram\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("foldward_x 1\n", "foldward_x has no help text"),
        (
            "# HELP foldward_x X.\n# TYPE foldward_x counter\nfoldward_x 1\n",
            "counter foldward_x does not end in _total",
        ),
        (
            "# HELP foldward_x_total X.\n# TYPE foldward_x_total gauge\nfoldward_x_total 1\n",
            "gauge foldward_x_total ends in _total",
        ),
        (
            "# HELP foldward_x_ms X.\n# TYPE foldward_x_ms gauge\nfoldward_x_ms 1\n",
            "foldward_x_ms is not in base units: ms",
        ),
        (
            "# HELP foldward_x X.\n# TYPE foldward_x gauge\nfoldward_x 1\nfoldward_x 2\n",
            "line 4: foldward_x{} comes twice",
        ),
        ("# HELP foldward_x X.\n# TYPE foldward_x gauge\nfoldward_x one\n", "line 3: 'one' is no number"),
        ("# HELP foldward_x X.\n# TYPE foldward_x gauge\nfoldward_x 1", "the last line does not end"),
        (
            HISTOGRAM
            + 'foldward_x_seconds_bucket{le="1"} 2\nfoldward_x_seconds_count 2\nfoldward_x_seconds_sum 1\n',
            "foldward_x_seconds{}: no bucket +Inf",
        ),
        (
            HISTOGRAM + 'foldward_x_seconds_bucket{le="1"} 3\nfoldward_x_seconds_bucket{le="+Inf"} 2\n'
            "foldward_x_seconds_count 2\nfoldward_x_seconds_sum 1\n",
            "foldward_x_seconds{}: bucket counts fall",
        ),
    ],
)
def test_the_check_itself_finds_faults(text, fault):
    assert fault in check(text)
