"""The daily report of a real database: a day's share, each kind apart, secrets masked, crash-safe."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from actors import daily
from foldward.contracts.facts import AdmitRequest, ApplyResult, CountUp, FailAttempt, LeaseRequest, SetMeta
from foldward.contracts.jobs import Result
from foldward.settings import StorageTable
from storage import Writer, open_writer
from storage.reads import Reader

T0 = 1_770_120_000_000_000  # 2026-02-03T12:00:00Z
HOUR = 3_600_000_000
DAY = "2026-02-03"


@pytest.fixture
def writer(tmp_path: Path):
    writer = open_writer(tmp_path / "foldward.db", StorageTable(synchronous="NORMAL"))
    yield writer
    writer.close()


@pytest.fixture
def reader(writer: Writer, tmp_path: Path):
    with Reader(tmp_path / "foldward.db") as reader:
        yield reader


def answered(writer: Writer, number: int, at_us: int, kind: str = "oos", took_us: int = 250_000) -> None:
    request_id = f"01980000-0000-7000-8000-{number:012d}"
    for fact in (
        AdmitRequest(
            request_id=request_id,
            name=f"s{number}",
            kind=kind,
            digest=f"sha256:{number:064x}",
            payload=b"{}",
            requested_us=at_us,
            due_us=at_us,
        ),
        LeaseRequest(request_id=request_id, worker="w", sent_us=at_us + 1_000, deadline_us=at_us + HOUR),
        ApplyResult(
            result=Result(request_id=request_id, trades=1, sharpe=0.5, result_digest="sha256:0"),
            received_us=at_us + took_us,
            at_us=at_us + took_us,
        ),
    ):
        (outcome,) = writer.apply([fact])
        assert outcome.ok, outcome


def failed(writer: Writer, number: int, at_us: int, error: str) -> None:
    request_id = f"01980000-0000-7000-8000-{number:012d}"
    for fact in (
        AdmitRequest(
            request_id=request_id,
            name=f"s{number}",
            kind="oos",
            digest=f"sha256:{number:064x}",
            payload=b"{}",
            requested_us=at_us,
            due_us=at_us,
        ),
        LeaseRequest(request_id=request_id, worker="w", sent_us=at_us + 1_000, deadline_us=at_us + HOUR),
        FailAttempt(
            request_id=request_id,
            at_us=at_us + 2_000,
            code="engine.failed",
            error=error,
            due_us=at_us + 5_000_000,
            cause="result",
        ),
    ):
        (outcome,) = writer.apply([fact])
        assert outcome.ok, outcome


def test_a_report_counts_from_the_one_before_and_knows_the_kinds_and_hours(writer, reader) -> None:
    answered(writer, 1, T0 - 30 * HOUR, took_us=9_000_000)
    before = daily.standing_at(reader, T0 - 20 * HOUR)
    answered(writer, 2, T0 - 2 * HOUR)
    answered(writer, 3, T0 - 1, kind="backtest", took_us=500_000)
    failed(writer, 4, T0 - HOUR // 2, "token=abc123 was refused by https://u:pw@host/x")
    report = daily.daily_report(reader, DAY, T0 + HOUR, before)
    assert report["period"] == {
        "from": "2026-02-02T16:00:00.000Z",
        "to": "2026-02-03T13:00:00.000Z",
        "hours": 21.0,
    }
    kpis = report["kpis"]
    assert (kpis["requested"], kpis["sent"], kpis["success"], kpis["failure"]) == (3, 3, 2, 1)
    assert kpis["success_rate"] == 1.0
    assert abs(kpis["p50_s"] - 0.25) < 0.003
    assert abs(kpis["max_s"] - 0.5) < 0.005
    assert {kind: part["count"] for kind, part in report["latency_by_kind"].items()} == {
        "backtest": 1,
        "oos": 1,
    }
    assert report["totals"]["success"] == 3
    assert sum(hour["success"] for hour in report["hours"]) == 2
    assert [hour["failure"] for hour in report["hours"] if hour["failure"]] == [1]
    assert report["hours"][0]["hour"] == "2026-02-02T16:00:00.000Z"
    (failure,) = report["failures"]
    assert failure["last_error"] == "token=*** was refused by https://***@host/x"
    assert [item["what"] for item in report["attention"]] == [
        "stuck: 1 request",
        "33.3% of the attempts failed",
    ]


def test_the_first_report_counts_from_the_beginning(writer, reader) -> None:
    answered(writer, 1, T0)
    report = daily.daily_report(reader, DAY, T0 + HOUR, daily.Basis())
    assert report["period"]["from"] is None
    assert report["kpis"]["success"] == 1


def test_a_report_that_is_made_again_counts_from_the_same_basis(writer, reader, tmp_path) -> None:
    bases = daily.Bases(day=DAY, before=daily.Basis(at_us=1), now=daily.Basis(at_us=2))
    (outcome,) = writer.apply([SetMeta(key=daily.BASIS, value=msgspec.json.encode(bases).decode())])
    assert outcome.ok
    stored = daily.stored_bases(reader)
    assert stored.of(DAY).at_us == 1
    assert stored.of("2026-02-04").at_us == 2


def test_a_basis_that_cannot_be_read_counts_from_the_beginning(writer, reader) -> None:
    assert daily.stored_bases(reader) == daily.Bases()
    writer.apply([SetMeta(key=daily.BASIS, value='{"before": 3}')])
    assert daily.stored_bases(reader) == daily.Bases()


def test_counters_that_no_list_names_are_not_lost(writer, reader) -> None:
    writer.apply([CountUp(counts={"rank_moves": 4, "notify_failure": 2, "dead_letter.schema": 3})])
    report = daily.daily_report(reader, DAY, T0, daily.Basis())
    assert report["kpis"]["rank_moves"] == 4
    assert report["kpis"]["notify_failure"] == 2
    assert report["new_dead_letters"] == {"schema": 3}
    assert report["kpis"]["dead_letters"] == 3


def test_the_files_lie_side_by_side_and_say_the_same(writer, reader, tmp_path) -> None:
    answered(writer, 1, T0)
    report = daily.daily_report(reader, DAY, T0 + HOUR, daily.Basis())
    path = daily.write_files(tmp_path / "reports", report)
    assert path.name == f"daily-{DAY}.json"
    assert json.loads(path.read_text())["kpis"]["success"] == 1
    assert path.with_suffix(".md").read_text() == daily.markdown(report)
