"""The envelope and the table of event types."""

import msgspec
import pytest

from foldward.contracts.events import CORRELATION, ENVELOPE, EVENTS, SEVERITIES, envelope, faults
from foldward.contracts.messages import Emit

AT = 1_770_120_000_123_456
# The events that the project promises; a name that disappears breaks whoever reads the file.
PROMISED = """
oos.requested oos.deferred oos.throttled oos.dispatch_failed oos.retry oos.result oos.duplicate oos.stale
oos.nondeterministic oos.mirror_rejected wfv.started wfv.part_received wfv.result wfv.deferred wfv.expired
cpcv.started cpcv.result heartbeat.sent heartbeat.recv heartbeat.lost heartbeat.discord_sent metrics.snapshot
status.snapshot rank.cycle rank.changed rank.blocked dead_letter.held dead_letter.replayed dead_letter.dropped
supervisor.started supervisor.child_terminated supervisor.child_restarted supervisor.child_hung
supervisor.budget_spent supervisor.shutdown breaker.opened breaker.half_open breaker.closed link.flooded
data.refused
config.reloaded config.reload_rejected db.backup run.started run.finished report.daily
""".split()  # noqa: SIM905 - a list literal of 45 names would be a page


def emit(event_type="oos.result", data=None, **fields):
    return Emit(event_type=event_type, data=data or {}, at_us=AT, **fields)


def test_the_table_holds_every_promised_event():
    assert sorted(EVENTS) == sorted(PROMISED)


def test_every_row_is_documented_whole():
    for row in EVENTS.values():
        assert row.when
        assert row.severity in SEVERITIES
        assert row.keys
        assert all(row.keys.values())


def test_what_the_emitter_leaves_out_has_its_default():
    assert envelope(emit("db.backup", {"path": "/b"})) == {
        "schema_version": 1,
        "timestamp": "2026-02-03T12:00:00.123Z",
        "log_type": "telemetry",
        "event_type": "db.backup",
        "service": "unknown",
        "severity": "info",
        "correlation_id": "unknown",
        "run_id": "-",
        "trace_id": "-",
        "data": {"path": "/b"},
    }
    assert list(envelope(emit())) == list(ENVELOPE)


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_key_of_an_event_is_always_there(name):
    data = envelope(emit(name))["data"]
    assert list(data) == list(EVENTS[name].keys)
    assert set(data.values()) == {None}


def test_every_request_event_carries_the_six_common_keys():
    common = {"request_id", "oos_kind", "strategy", "status", "attempt", "latency_sec"}
    for name, row in EVENTS.items():
        if name.startswith("oos."):
            assert common <= set(row.keys), name
        if name.startswith("wfv."):
            assert {"wfv_id", "strategy", "split_ratio"} <= set(row.keys), name


def test_unknown_keys_and_types_are_kept_and_named():
    known = emit("db.backup", {"path": "/b", "size": 3})
    assert envelope(known)["data"] == {"path": "/b", "size": 3}
    assert faults(known) == ("unknown:size",)
    assert faults(emit("db.backup")) == ("missing:path",)
    assert faults(emit("no.such", {"a": 1})) == ("type",)
    assert envelope(emit("no.such", {"a": 1}))["data"] == {"a": 1}
    assert faults(emit("db.backup", {"path": 1}, severity="loud")) == ("severity",)
    assert envelope(emit("db.backup", severity="loud"))["severity"] == "info"


@pytest.mark.parametrize(("family", "key"), sorted(CORRELATION.items()))
def test_the_correlation_is_the_id_that_the_event_is_about(family, key):
    name = next(name for name in EVENTS if name.startswith(f"{family}."))
    assert envelope(emit(name, {key: "the-id"}))["correlation_id"] == "the-id"
    assert envelope(emit(name, {key: "the-id"}, correlation_id="given"))["correlation_id"] == "given"


def test_an_event_that_says_nothing_of_its_severity_has_its_own():
    assert envelope(emit("supervisor.budget_spent"))["severity"] == "critical"
    assert envelope(emit("supervisor.budget_spent", severity="error"))["severity"] == "error"


def test_secrets_in_data_are_masked():
    data = envelope(emit("db.backup", {"path": "https://u:p@host/b", "api_key": "abc"}))["data"]
    assert data == {"path": "https://***@host/b", "api_key": "***"}


def test_an_impossible_time_is_replaced_by_now():
    assert envelope(msgspec.structs.replace(emit(), at_us=10**30))["timestamp"].endswith("Z")


def test_data_that_is_no_mapping_is_kept_as_a_value():
    assert envelope(Emit(event_type="no.such", data=[1, 2], at_us=AT))["data"] == {"value": [1, 2]}
