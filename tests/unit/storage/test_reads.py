"""What the operator and the actors ask."""

import os
import shutil

import pytest

from foldward.contracts.errors import StorageError
from foldward.contracts.facts import (
    CountUp,
    FinishRun,
    FinishWfv,
    NoteEvent,
    Prune,
    ReturnLease,
    SetMeta,
    StartRun,
    StartWfv,
)
from storage import open_writer
from storage.reads import Reader

T0 = 1_770_000_000_000_000
S = 1_000_000


def rid(n):
    return f"01980000-0000-7000-8000-{n:012d}"


def names(rows):
    return [row.name for row in rows]


def test_the_due_rows_come_by_priority_then_by_time(facts, do, reader):
    do(
        facts.admit(1, "late", due_us=T0 + 20),
        facts.admit(2, "early", due_us=T0 + 10),
        facts.admit(3, "urgent", due_us=T0 + 30, priority=5),
        facts.admit(4, "urgent later", due_us=T0 + 99, priority=5),
        facts.admit(5, "lowest", due_us=T0, priority=-1),
    )
    assert names(reader.due(T0 + 50, 10)) == ["urgent", "early", "late", "lowest"]
    assert names(reader.due(T0 + 50, 2)) == ["urgent", "early"]
    assert names(reader.due(T0 + 50, 2, exclude={rid(3), rid(2)})) == ["late", "lowest"]
    assert reader.due(T0 - 1, 10) == []
    assert reader.next_due_us() == T0


def test_a_retry_that_is_not_due_waits(facts, do, reader):
    do(facts.admit(), facts.lease(), facts.fail(due_us=T0 + 9 * S))
    assert reader.due(T0 + 8 * S, 10) == []
    assert names(reader.due(T0 + 9 * S, 10)) == ["alpha"]


def test_what_is_out_is_known_with_its_deadline(facts, do, reader):
    do(facts.admit(1, "one"), facts.admit(2, "two"), facts.admit(3, "three"))
    do(facts.lease(1, deadline_us=T0 + 30), facts.lease(2, deadline_us=T0 + 20))
    assert names(reader.sent_rows()) == ["two", "one"]
    assert names(reader.expired(T0 + 20)) == ["two"]
    assert names(reader.open_rows()) == ["one", "two", "three"]
    assert names(reader.open_rows("two")) == ["two"]


def test_the_queue_is_counted_with_the_age_of_its_oldest(facts, do, reader):
    do(facts.admit(1, "a"), facts.admit(2, "b", requested_us=T0 + 5 * S), facts.lease(2))
    do(facts.admit(3, "c"), facts.give_up(3), facts.admit(4, "d"), facts.cancel(4))
    assert reader.queue_counts(T0 + 60 * S) == {
        "pending": 1,
        "sent": 1,
        "retry": 0,
        "error": 1,
        "cancelled": 1,
        "open": 2,
        "oldest_age_s": 60.0,
    }


def test_requests_are_listed_open_and_finished_together(facts, do, reader):
    do(facts.admit(1, "a"), facts.lease(1), facts.answer(1), facts.admit(2, "b"), facts.admit(3, "c"))
    do(facts.give_up(3))
    listed = [(view.name, view.status) for view in reader.requests(10)]
    assert listed == [("c", "error"), ("b", "pending"), ("a", "success")]
    assert names(reader.requests(10, before=rid(3))) == ["b", "a"]
    assert names(reader.requests(10, status="success")) == ["a"]
    assert names(reader.requests(10, status="open")) == ["b"]
    assert names(reader.requests(10, name="a")) == ["a"]
    assert names(reader.requests(1)) == ["c"]
    assert reader.requests(10, status="success")[0].sharpe == 0.61
    assert reader.find_requests("01980000-0000-7000-8000-00000000000") == [rid(1), rid(2), rid(3)]
    assert reader.find_requests("02") == []


def test_the_last_send_is_known_wherever_the_request_is(facts, do, reader):
    assert reader.last_sent_us("alpha", "oos") is None
    do(facts.admit(1), facts.lease(1, sent_us=T0 + 5))
    assert reader.last_sent_us("alpha", "oos") == T0 + 5
    do(facts.answer(1))
    assert reader.last_sent_us("alpha", "oos") == T0 + 5
    do(facts.admit(2), facts.lease(2, sent_us=T0 + 9), facts.cancel(2))
    assert reader.last_sent_us("alpha", "oos") == T0 + 9
    do(facts.admit(3, kind="wfv"), facts.lease(3, sent_us=T0 + 11))
    assert reader.last_sent_us("alpha", "wfv") == T0 + 11
    assert reader.last_sent_us("alpha", "oos") == T0 + 9


def test_what_is_stuck_is_named_with_its_reason(facts, do, reader):
    do(facts.admit(1, "silent"), facts.lease(1, deadline_us=T0))
    do(facts.admit(2, "waiting", due_us=T0 + 100 * S), facts.admit(3, "fresh", due_us=T0 + 390 * S))
    do(
        StartWfv(
            wfv_id="w1", name="folds", kind="wfv", request_id=rid(9), plan={}, at_us=T0, deadline_us=T0 + S
        )
    )
    stuck = reader.stuck(T0 + 400 * S)
    assert [(item["name"], item["age_s"]) for item in stuck] == [
        ("silent", 400),
        ("folds", 399),
        ("waiting", 300),
    ]
    assert "deadline" in stuck[0]["why"]
    assert "not sent" in stuck[2]["why"]


def test_failures_are_grouped_by_what_one_asks(facts, do, reader):
    do(facts.admit(1, "a"), facts.lease(1), facts.fail(1), facts.lease(1, worker="worker-2"), facts.fail(1))
    do(facts.admit(2, "b"), facts.lease(2), facts.give_up(2, reason="non_retryable", code="data.refused"))
    by_reason = {line["reason"]: (line["count"], line["requests"]) for line in reader.failures(T0)}
    assert by_reason == {"engine.failed": (2, 1), "non_retryable": (1, 1)}
    assert {line["worker"]: line["count"] for line in reader.failures(T0, "worker")} == {
        "worker-1": 2,
        "worker-2": 1,
    }
    assert {line["strategy"]: line["count"] for line in reader.failures(T0, "strategy")} == {"a": 2, "b": 1}
    assert reader.failures(T0 + 3_500)[0]["count"] == 1
    assert reader.failures(T0 + S) == []


def test_latencies_have_exact_percentiles_and_three_kinds_of_time(facts, do, reader):
    for n in range(1, 101):
        kind = "oos" if n % 2 else "wfv"
        do(facts.admit(n, f"s{n}", kind), facts.lease(n), facts.answer(n, at_us=T0 + n * 10_000))
    figures = reader.latency()
    assert (figures["count"], figures["min_s"], figures["max_s"]) == (100, 0.01, 1.0)
    assert (figures["p50_s"], figures["p95_s"], figures["p99_s"]) == (0.5, 0.95, 0.99)
    assert figures["mean_s"] == pytest.approx(0.505)
    assert figures["queue"]["max_s"] == 0.001
    assert figures["run"]["max_s"] == 0.999
    assert sum(bar["count"] for bar in figures["histogram"]) == 100
    assert reader.latency("wfv")["count"] == 50
    assert reader.latency("cpcv") == {
        "count": 0,
        "min_s": None,
        "mean_s": None,
        "p50_s": None,
        "p95_s": None,
        "p99_s": None,
        "max_s": None,
        "histogram": [],
        "queue": reader.latency("cpcv")["queue"],
        "run": reader.latency("cpcv")["run"],
    }
    assert reader.run_time_samples("oos", 2) == [989_000, 969_000]


def test_times_stand_apart_by_kind_of_work_and_every_kind_is_there(facts, do, reader):
    for n, kind in enumerate(("oos", "wfv", "wfv"), 1):
        do(facts.admit(n, f"s{n}", kind), facts.lease(n), facts.answer(n, at_us=T0 + n * n * 9_000))
    found = reader.latency_by_kind()
    assert list(found) == ["backtest", "oos", "wfv", "cpcv", "evidence"]
    assert set(found["wfv"]) == {"latency", "queue", "run"}
    wfv = found["wfv"]["latency"]
    assert (wfv["count"], wfv["sum_s"]) == (2, pytest.approx(0.117))
    assert {bar["le_s"]: bar["count"] for bar in wfv["histogram"] if bar["count"]} == {0.05: 1, 0.1: 1}
    assert found["oos"]["run"]["sum_s"] == pytest.approx(0.008)
    none = found["cpcv"]["latency"]
    assert (none["count"], none["sum_s"]) == (0, 0.0)
    assert [bar["le_s"] for bar in none["histogram"]] == [bar["le_s"] for bar in wfv["histogram"]]


def test_beyond_the_exact_ones_percentiles_come_from_the_histogram(facts, do, reader, monkeypatch):
    monkeypatch.setattr("storage.reads._figures.EXACT", 10)
    for n in range(1, 101):
        do(facts.admit(n, f"s{n}"), facts.lease(n), facts.answer(n, at_us=T0 + n * 10_000))
    figures = reader.latency()
    assert figures["p50_s"] == pytest.approx(0.5, rel=0.008)
    assert figures["p99_s"] == pytest.approx(0.99, rel=0.008)


def test_flags_and_counters_survive(facts, do, path):
    do(SetMeta(key="paused", value="1"), SetMeta(key="paused", value="0"), CountUp(counts={"throttled": 2}))
    do(CountUp(counts={"throttled": 3, "data_invalid": 1}))
    with Reader(path) as again:
        assert again.meta("paused") == "0"
        assert again.meta("nothing") is None
        assert (again.counters()["throttled"], again.counters()["data_invalid"]) == (5, 1)
        assert "revision" not in again.counters()


def test_a_noted_step_stands_in_the_timeline(facts, do, reader):
    do(facts.admit())
    do(
        NoteEvent(
            request_id=rid(1), event="oos.deferred", at_us=T0 + 2, data={"reason": "no worker", "age_sec": 1}
        )
    )
    step = reader.timeline(rid(1))[1]
    assert (step["event"], step["reason"], step["at_us"]) == ("oos.deferred", "no worker", T0 + 2)
    assert reader.failures(T0) == []


def test_a_timeline_that_retention_took_is_told_from_the_result(facts, do, reader):
    do(facts.admit(), facts.lease(), facts.answer())
    assert do(Prune(what="events", before_us=T0 + 10**12)) == 3
    steps = reader.timeline(rid(1))
    assert [step["event"] for step in steps] == ["oos.requested", "oos.sent", "oos.result"]
    assert steps[2]["sharpe"] == 0.61
    assert reader.timeline(rid(2)) == []


def test_retention_leaves_the_timeline_of_what_is_open(facts, do, reader):
    do(facts.admit(1), facts.admit(2, "beta"), facts.lease(2), facts.answer(2))
    assert do(Prune(what="events", before_us=T0 + 10**12)) == 3
    assert len(reader.timeline(rid(1))) == 1


def test_retention_takes_old_rows_and_lists_and_no_results(facts, do, reader):
    do(
        facts.admit(1),
        facts.cancel(1),
        facts.admit(2),
        facts.lease(2),
        facts.answer(2, trade_list=({"pnl": 1.0},)),
    )
    assert do(Prune(what="cancelled_rows", before_us=T0)) == 0
    assert do(Prune(what="cancelled_rows", before_us=T0 + S)) == 1
    assert do(Prune(what="trade_lists", before_us=T0 + S)) == 1
    assert reader.trades(rid(2)) is None
    assert reader.result(rid(2)).sharpe == 0.61


def test_the_newest_steps_of_all_requests_are_followed(facts, do, reader):
    do(facts.admit(1), facts.admit(2, "beta"), facts.lease(1))
    tail = reader.events_tail(2)
    assert [(row.request_id, row.event) for row in tail] == [(rid(2), "oos.requested"), (rid(1), "oos.sent")]
    do(facts.lease(2))
    assert [row.event for row in reader.events_tail(10, after_id=tail[-1].id)] == ["oos.sent"]


def test_a_lost_link_is_a_step_and_no_failure(facts, do, reader):
    do(
        facts.admit(),
        facts.lease(),
        ReturnLease(request_id=rid(1), due_us=T0, at_us=T0 + 5, reason="link dropped"),
    )
    assert reader.timeline(rid(1))[-1]["reason"] == "link dropped"
    assert reader.failures(0) == []


def test_runs_keep_their_manifest_and_end_once(do, reader):
    assert do(StartRun(run_id="r1", seed=2**64 - 1, manifest={"config": "sha256:c"}, at_us=T0)) is True
    assert do(StartRun(run_id="r1", seed=1, manifest={}, at_us=T0 + 1)) is False
    end = FinishRun(
        run_id="r1", status="finished", result_digest="sha256:d", summary={"PASS": 2}, at_us=T0 + 9
    )
    assert do(end) is True
    assert do(end) is False
    run = reader.run("r1")
    assert (run.seed, run.status, run.manifest, run.summary) == (
        2**64 - 1,
        "finished",
        {"config": "sha256:c"},
        {"PASS": 2},
    )
    assert reader.runs() == [run]
    assert reader.run("r2") is None


def test_walk_forward_runs_are_pending_until_they_end_once(facts, do, reader):
    do(facts.imported())
    for n, name in ((1, "alpha"), (2, "beta")):
        do(
            StartWfv(
                wfv_id=f"w{n}",
                name=name,
                kind="wfv",
                request_id=rid(n),
                plan={"mode": "classic"},
                at_us=T0 + n,
                deadline_us=T0 + S,
            )
        )
    assert [run.wfv_id for run in reader.wfv_runs("pending")] == ["w1", "w2"]
    before = reader.strategy("alpha").revision
    end = FinishWfv(wfv_id="w1", state="done", decision="weak", detail={"degradation": 0.6}, at_us=T0 + 9)
    assert do(end) is True
    assert do(end) is False
    assert reader.strategy("alpha").revision > before
    assert [run.wfv_id for run in reader.wfv_runs()] == ["w2", "w1"]
    assert [run.wfv_id for run in reader.wfv_runs(name="alpha", kind="wfv")] == ["w1"]
    assert reader.wfv_run(rid(1)).detail == {"degradation": 0.6}


def test_several_questions_can_see_one_state(facts, do, reader):
    do(facts.admit(1))
    with reader.snapshot():
        assert reader.queue_counts()["pending"] == 1
        do(facts.admit(2, "beta"))
        assert reader.queue_counts()["pending"] == 1
    assert reader.queue_counts()["pending"] == 2


def test_a_reader_works_without_a_writer(facts, path, settings):
    writer = open_writer(path, settings)
    writer.apply([facts.admit(1)])
    writer.close()
    with Reader(path) as reader:
        assert reader.queue_counts()["pending"] == 1


def test_a_reader_cannot_write(reader):
    with pytest.raises(StorageError):
        reader._all("DELETE FROM oos_queue")


def test_a_missing_file_is_said_and_found_when_it_comes(tmp_path, template):
    reader = Reader(tmp_path / "later.db")
    with pytest.raises(StorageError) as missing:
        reader.queue_counts()
    assert missing.value.code == "storage.open"
    shutil.copy(template, tmp_path / "later.db")
    assert reader.queue_counts()["open"] == 0
    reader.close()


def test_a_file_that_was_replaced_is_opened_again(facts, do, reader, path, template, tmp_path):
    do(facts.admit(1))
    assert reader.queue_counts()["pending"] == 1
    other = shutil.copy(template, tmp_path / "other.db")
    for suffix in ("-wal", "-shm"):
        os.unlink(f"{path}{suffix}")
    os.replace(other, path)
    assert reader.queue_counts()["pending"] == 0


def test_another_programs_file_is_refused(tmp_path):
    path = tmp_path / "foreign.db"
    import apsw

    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(StorageError, match="not a Foldward database"):
        Reader(path).queue_counts()


def test_bytes_that_are_no_database_are_refused(tmp_path):
    path = tmp_path / "foldward.db"
    path.write_bytes(b"timestamp,open,high,low,close\n" * 200)
    with pytest.raises(StorageError) as refused:
        Reader(path).queue_counts()
    assert refused.value.code == "storage.corrupt"


def test_durations_of_one_commit_are_summed_in_their_bucket(facts, writer, reader):
    strategies = [(n, f"s{n}") for n in range(1, 4)]
    writer.apply([facts.admit(n, name) for n, name in strategies])
    writer.apply([facts.lease(n) for n, _ in strategies])
    # 500.000, 500.001 and 499.999 ms share one bucket.
    times = {1: 500_000, 2: 500_001, 3: 499_999}
    outcomes = writer.apply([facts.answer(n, at_us=T0 + us) for n, us in times.items()])
    assert all(outcome.ok for outcome in outcomes)
    figures = reader.latency()
    assert (figures["count"], figures["min_s"], figures["max_s"]) == (3, 0.499999, 0.500001)
    assert figures["mean_s"] == pytest.approx(0.5)
    assert reader._value("SELECT count(*) FROM latencies WHERE what = 'latency'") == 1
