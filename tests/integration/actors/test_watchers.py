"""Telemetry, Notifier, Heartbeat, Reporter, RankEvaluator and WFVScheduler in a real tree of threads."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import freezegun
import pytest

from actors._notices import Notice
from actors.db_writer import DBWriter
from actors.heartbeat import Heartbeat
from actors.notifier import Notifier
from actors.rank_evaluator import RankEvaluator
from actors.reporter import LAST_REPORT, Reporter
from actors.telemetry import Telemetry
from actors.wfv_scheduler import WFVScheduler
from foldward.contracts import clock, jobs
from foldward.contracts.events import EVENTS
from foldward.contracts.facts import AdmitRequest, CountUp, SetMeta, StartWfv
from foldward.contracts.messages import (
    Emit,
    Figures,
    Notify,
    PeerBeat,
    PeerLeft,
    PeerSilent,
    Refresh,
    Settled,
    Tail,
    Tick,
    Write,
)
from foldward.settings import HeartbeatTable, NotifyTable, RankTable, StorageTable, TelemetryTable, WfvTable
from foldward.wire import dumps
from storage import open_writer
from storage.reads import Reader
from supervision import KEEP, Actor, Child, Root, boot, supervisor

pytestmark = pytest.mark.slow


def until(condition: Callable[[], Any], timeout: float = 10.0) -> Any:
    """Poll a real clock: nothing here depends on how fast a thread is."""
    end = time.perf_counter() + timeout
    while time.perf_counter() < end:
        value = condition()
        if value:
            return value
        threading.Event().wait(0.01)
    raise AssertionError("it did not come to pass")


class Ear(Actor):
    """Stands for an actor that is only told things."""

    heard: ClassVar[list[Any]] = []

    def on_receive(self, message: Any) -> None:
        Ear.heard.append(message)


class Carrier:
    """Takes notices; fails as often as told."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.failures = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, notice: Notice) -> None:
        self.gate.wait(20)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("https://u:pass@host refused")
        self.notices.append(notice)


class House:
    """The memory and watch rooms, with a database."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.database = home / "foldward.db"
        open_writer(self.database, StorageTable()).close()
        self.carrier = Carrier()
        Ear.heard = []

    def boot(self, *names: str) -> Root:
        database = {"database": self.database}
        known = {
            "telemetry": (Telemetry, {"path": self.home / "telemetry.jsonl", "settings": TelemetryTable()}),
            "db_writer": (DBWriter, {"database": self.database, "settings": StorageTable()}),
            "notifier": (Notifier, {"settings": NotifyTable(min_interval_s=0.0), "send": self.carrier}),
            "dispatcher": (Ear, {}),
            "heartbeat": (Heartbeat, {"settings": HeartbeatTable()}),
            "wfv_scheduler": (WFVScheduler, {**database, "settings": WfvTable()}),
            "rank_evaluator": (RankEvaluator, {**database, "settings": RankTable()}),
            "reporter": (
                Reporter,
                {
                    **database,
                    "folder": self.home,
                    "reports": self.home / "reports",
                    "settings": TelemetryTable(),
                    "telemetry": self.home / "telemetry.jsonl",
                    # The first tick may come before boot has returned.
                    "tree": lambda: self.root.snapshot() if hasattr(self, "root") else None,
                },
            ),
        }
        children = [Child(name, known[name][0], kwargs=known[name][1], inbox=KEEP) for name in names]  # type: ignore[arg-type]
        self.root = boot(supervisor("root", *children, intensity=5, period=60.0))
        return self.root

    def events(self, event_type: str | None = None) -> list[dict[str, Any]]:
        path = self.home / "telemetry.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        return [event for event in found if event_type in (None, event["event_type"])]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.carrier.gate.set()
    if hasattr(house, "root"):
        house.root.stop(5.0)


def emit(number: int) -> Emit:
    return Emit(event_type="db.backup", data={"path": f"/{number}"}, at_us=clock.utc_us(), service="test")


def test_telemetry_writes_everything_it_was_told_in_order_and_answers_with_the_newest(house: House) -> None:
    root = house.boot("telemetry", "db_writer")
    telemetry = root.handle("telemetry")
    for number in range(2_000):
        assert telemetry.tell(emit(number))
    newest = telemetry.ask(Tail(count=3))
    assert [event["data"]["path"] for event in newest] == ["/1997", "/1998", "/1999"]
    root.stop(5.0)
    assert [event["data"]["path"] for event in house.events()] == [f"/{number}" for number in range(2_000)]


def test_telemetry_that_cannot_write_counts_in_the_database_and_lives_on(house: House) -> None:
    root = house.boot("telemetry", "db_writer")
    file = house.home / "telemetry.jsonl"
    until(file.exists)
    file.unlink()
    file.mkdir()
    telemetry = root.handle("telemetry")
    telemetry.tell(emit(1))
    reader = Reader(house.database)
    until(lambda: reader.counters().get("telemetry_fail") == 1)
    file.rmdir()
    telemetry.tell(emit(2))
    assert [event["data"]["path"] for event in telemetry.ask(Tail())] == ["/2"]
    assert telemetry.ask(Figures())["telemetry_fail_count"] == 1
    fallback = house.home / "telemetry.jsonl.fallback"
    assert json.loads(fallback.read_text())["data"] == {"path": "/1"}
    reader.close()


def test_a_slow_service_holds_up_neither_the_notifier_nor_the_sender(house: House) -> None:
    house.carrier.gate.clear()
    root = house.boot("notifier")
    notifier = root.handle("notifier")
    for number in range(5):
        notifier.tell(Notify(key=str(number), title=f"t{number}", body="b"))
    assert notifier.ask(Figures(), timeout=5.0)["waiting"] == 5
    house.carrier.gate.set()
    until(lambda: len(house.carrier.notices) == 5)
    assert [notice.title for notice in house.carrier.notices] == ["t0", "t1", "t2", "t3", "t4"]


def test_a_service_that_fails_is_tried_again_and_its_secret_stays_secret(house: House) -> None:
    with freezegun.freeze_time("2026-02-03 12:00:00") as frozen:
        house.carrier.failures = 2
        root = house.boot("telemetry", "db_writer", "notifier")
        notifier = root.handle("notifier")
        notifier.tell(Notify(key="k", title="t", body="b"))
        until(lambda: notifier.ask(Figures())["retries"] == 1)
        assert notifier.ask(Figures())["last_error"] == "ConnectionError: https://***@host refused"
        frozen.tick(5.0)
        until(lambda: notifier.ask(Figures())["retries"] == 2)
        frozen.tick(20.0)
        until(lambda: house.carrier.notices)
        until(lambda: notifier.ask(Figures())["sent"] == 1)
        root.stop(5.0)


def test_without_a_service_notifications_stand_in_the_log_only(tmp_path: Path) -> None:
    root = boot(supervisor("root", Child("notifier", Notifier, kwargs={"settings": NotifyTable()})))
    try:
        root.handle("notifier").tell(Notify(key="k", title="t", body="b"))
        figures = root.handle("notifier").ask(Figures())
        assert (figures["on"], figures["waiting"]) == (False, 0)
    finally:
        root.stop(5.0)


def test_a_wrong_url_turns_notifications_off_and_nothing_else(tmp_path: Path) -> None:
    settings = NotifyTable(urls=("nonsense",))
    root = boot(supervisor("root", Child("notifier", Notifier, kwargs={"settings": settings})))
    try:
        assert root.handle("notifier").ask(Figures())["on"] is False
    finally:
        root.stop(5.0)


def test_beats_go_out_every_ten_seconds_and_silence_is_told_after_thirty(house: House) -> None:
    with freezegun.freeze_time("2026-02-03 12:00:00") as frozen:
        root = house.boot("telemetry", "db_writer", "dispatcher", "heartbeat")
        heartbeat = root.handle("heartbeat")
        until(lambda: len(house.events("heartbeat.sent")) == 1)
        beat = jobs.Heartbeat(id="worker-1", timestamp=clock.utc_us() / 1e6, status="idle")
        heartbeat.tell(PeerBeat(peer="w1", beat=beat, at_us=clock.utc_us()))
        until(lambda: house.events("heartbeat.recv"))
        for count in (2, 3):
            frozen.tick(10.0)
            until(lambda wanted=count: len(house.events("heartbeat.sent")) == wanted)
        frozen.tick(9.9)
        heartbeat.ask(Figures())
        assert house.events("heartbeat.lost") == []
        frozen.tick(0.1)
        (lost,) = until(lambda: house.events("heartbeat.lost"))
        assert lost["data"] == {"heartbeat_id": "worker-1", "source": "WORKER", "status": "lost"}
        assert lost["severity"] == "warning"
        assert lost["correlation_id"] == "worker-1"
        (told,) = until(lambda: [message for message in Ear.heard if isinstance(message, PeerSilent)])
        assert (told.peer, told.silent_s) == ("w1", 30.0)
        root.stop(5.0)


def test_snapshots_stand_after_the_start_and_follow_what_happens(house: House) -> None:
    root = house.boot("telemetry", "db_writer", "reporter")
    status = house.home / "oos_status.txt"
    until(status.exists)
    summary, updated = status.read_text().splitlines()
    assert summary == (
        "OOS sent: 0 retry: 0 success: 0 failure: 0 pending: 0 oldest: 0s (data 0 send 0 db 0)"
        " latency p50/p95/p99: -/-/- s"
    )
    assert updated.endswith("reason: start")
    until((house.home / "live_status.json").exists)
    system = json.loads((house.home / "system_metrics.json").read_text())
    expected = {"schema_version", "timestamp", "rss", "heap", "strategy_count", "uptime_seconds"}
    assert expected | {"actors", "mailboxes", "restarts"} == set(system)
    assert system["strategy_count"] == 0
    root.stop(5.0)
    assert status.read_text().splitlines()[1].endswith("reason: stop")


def test_what_has_left_is_shown_within_two_ticks_though_nobody_says_so(house: House) -> None:
    status = house.home / "oos_status.txt"
    reader = Reader(house.database)
    with freezegun.freeze_time("2026-02-03 12:00:00") as frozen:
        root = house.boot("telemetry", "db_writer", "reporter")
        until(lambda: reader.meta(LAST_REPORT) == "2026-02-03")
        root.handle("reporter").ask(Figures())
        root.handle("db_writer").tell(Write(fact=CountUp(counts={"sent": 3})))
        until(lambda: reader.counters()["sent"] == 3)
        frozen.tick(4.0)
        until(lambda: "sent: 3" in status.read_text())
        root.stop(5.0)
    reader.close()


def test_a_change_that_came_too_soon_after_a_snapshot_is_in_the_next_one(house: House) -> None:
    status = house.home / "oos_status.txt"
    reader = Reader(house.database)
    with freezegun.freeze_time("2026-02-03 12:00:00") as frozen:
        root = house.boot("telemetry", "db_writer", "reporter")
        until(lambda: reader.meta(LAST_REPORT) == "2026-02-03")
        for sent, waited_s in ((1, 5.0), (6, 0.5)):
            root.handle("db_writer").tell(Write(fact=CountUp(counts={"sent": sent})))
            until(lambda sent=sent: reader.counters()["sent"] >= sent)
            frozen.tick(waited_s)
            root.handle("reporter").tell(Refresh(reason="dispatch"))
            root.handle("reporter").tell(Tick())
            root.handle("reporter").ask(Figures())
            assert "sent: 1" in status.read_text()
        asked = clock.utc_us()
        until(lambda: "sent: 7" in status.read_text() or not frozen.tick(0.1))
        assert clock.utc_us() - asked < 30 * clock.US
        root.stop(5.0)
    reader.close()


def test_the_daily_report_is_made_once_a_day_and_after_a_restart_not_again(house: House) -> None:
    reader = Reader(house.database)
    with freezegun.freeze_time("2026-02-03 12:00:00") as frozen:
        root = house.boot("telemetry", "db_writer", "reporter")
        until(lambda: reader.meta(LAST_REPORT) == "2026-02-03")
        first = house.home / "reports" / "daily-2026-02-03.json"
        assert json.loads(first.read_text())["day"] == "2026-02-03"
        assert first.with_suffix(".md").read_text().startswith("# Foldward, 2026-02-03\n")
        root.stop(5.0)
        root = house.boot("telemetry", "db_writer", "reporter")
        frozen.tick(3_600.0)
        root.handle("reporter").tell(Refresh(reason="dispatch"))
        root.handle("reporter").tell(Tick())
        root.handle("reporter").ask(Figures())
        assert len(house.events("report.daily")) == 1
        frozen.tick(13 * 3_600.0)
        until(lambda: reader.meta(LAST_REPORT) == "2026-02-04")
        until(lambda: len(house.events("report.daily")) == 2)
        root.stop(5.0)
    reader.close()


def test_a_clock_that_was_a_month_ahead_for_an_hour_costs_no_daily_report(house: House) -> None:
    def days() -> list[str]:
        return [Path(row["data"]["path"]).stem.removeprefix("daily-") for row in house.events("report.daily")]

    reader = Reader(house.database)
    with freezegun.freeze_time("2026-02-03 12:00:00") as frozen:
        root = house.boot("telemetry", "db_writer", "reporter")
        until(lambda: reader.meta(LAST_REPORT) == "2026-02-03")
        frozen.move_to("2026-03-05 12:00:00")
        until(lambda: reader.meta(LAST_REPORT) == "2026-03-05")
        frozen.move_to("2026-02-03 13:00:00")
        root.handle("reporter").tell(Tick())
        root.handle("reporter").ask(Figures())
        frozen.move_to("2026-02-04 00:00:10")
        root.handle("reporter").tell(Tick())
        root.handle("reporter").ask(Figures())
        root.handle("reporter").tell(Tick())
        root.handle("reporter").ask(Figures())
        until(lambda: len(days()) == 3)
        assert days() == ["2026-02-03", "2026-03-05", "2026-02-04"]
        root.stop(5.0)
    period = json.loads((house.home / "reports" / "daily-2026-02-04.json").read_text())["period"]
    assert period == {"from": None, "to": "2026-02-04T00:00:10.000Z", "hours": None}
    reader.close()


def test_the_report_of_the_day_is_renewed_at_the_end_and_counts_from_the_day_before(house: House) -> None:
    report = house.home / "reports" / "daily-2026-02-03.json"
    reader = Reader(house.database)
    with freezegun.freeze_time("2026-02-02 12:00:00") as frozen:
        root = house.boot("telemetry", "db_writer", "reporter")
        until(lambda: reader.meta(LAST_REPORT) == "2026-02-02")
        root.handle("db_writer").tell(Write(fact=CountUp(counts={"throttled": 5})))
        until(lambda: reader.counters()["throttled"] == 5)
        frozen.tick(86_400.0)
        until(lambda: reader.meta(LAST_REPORT) == "2026-02-03")
        assert json.loads(report.read_text())["day_counters"]["throttled"] == 5
        root.stop(5.0)
        root = house.boot("telemetry", "db_writer", "reporter")
        root.handle("db_writer").tell(Write(fact=CountUp(counts={"throttled": 2})))
        until(lambda: reader.counters()["throttled"] == 7)
        root.stop(5.0)
        assert json.loads(report.read_text())["day_counters"]["throttled"] == 7
        assert len(house.events("report.daily")) == 2
    reader.close()


def test_a_crash_before_the_date_is_stored_makes_the_same_report_again(house: House) -> None:
    report = house.home / "reports" / "daily-2026-02-03.json"
    reader = Reader(house.database)
    with freezegun.freeze_time("2026-02-02 12:00:00") as frozen:
        root = house.boot("telemetry", "db_writer", "reporter")
        until(lambda: reader.meta(LAST_REPORT) == "2026-02-02")
        root.handle("db_writer").tell(Write(fact=CountUp(counts={"throttled": 5})))
        until(lambda: reader.counters()["throttled"] == 5)
        frozen.tick(86_400.0)
        until(lambda: reader.meta(LAST_REPORT) == "2026-02-03")
        root.stop(5.0)
        # As if the process had died between the report and its date.
        root = house.boot("telemetry", "db_writer")
        root.handle("db_writer").tell(Write(fact=SetMeta(key=LAST_REPORT, value="2026-02-02")))
        until(lambda: reader.meta(LAST_REPORT) == "2026-02-02")
        root.stop(5.0)
        report.unlink()
        root = house.boot("telemetry", "db_writer", "reporter")
        until(lambda: reader.meta(LAST_REPORT) == "2026-02-03")
        assert json.loads(report.read_text())["day_counters"]["throttled"] == 5
        root.stop(5.0)
    reader.close()


def test_the_report_knows_what_the_event_file_tells(house: House) -> None:
    report = house.home / "reports" / "daily-2026-02-04.json"
    with freezegun.freeze_time("2026-02-03 12:00:00") as frozen:
        root = house.boot("telemetry", "db_writer", "reporter")
        until(lambda: house.events("report.daily"))
        data = {"strategy": "s1", "from": "B", "to": "A", "gates": []}
        moved = Emit(event_type="rank.changed", data=data, at_us=clock.utc_us(), service="test")
        root.handle("telemetry").tell(moved)
        until(lambda: house.events("rank.changed"))
        frozen.tick(86_400.0)
        until(report.exists)
        moves = json.loads(report.read_text())["events"]["moves"]
        assert moves == [{"at": "2026-02-03T12:00:00.000Z", "strategy": "s1", "from": "B", "to": "A"}]
        root.stop(5.0)


def test_a_folder_that_cannot_be_written_harms_nobody(house: House) -> None:
    blocked = house.home / "live_status.json"
    blocked.mkdir()
    (blocked / "x").write_text("")
    root = house.boot("telemetry", "db_writer", "reporter")
    reporter = root.handle("reporter")
    until(lambda: reporter.ask(Figures())["failed"] >= 1)
    assert root.find("reporter")["restarts"] == 0


def test_evaluator_and_scheduler_live_in_the_tree_and_answer(house: House) -> None:
    root = house.boot("telemetry", "db_writer", "wfv_scheduler", "rank_evaluator")
    until(lambda: root.handle("rank_evaluator").ask(Figures())["idle"])
    settled = Settled(request_id="r", name="nobody", kind="oos", state="applied")
    root.handle("rank_evaluator").tell(settled)
    root.handle("wfv_scheduler").tell(settled)
    assert root.handle("wfv_scheduler").ask(Figures())["pending"] == 0
    until(lambda: root.handle("rank_evaluator").ask(Figures())["idle"])
    assert root.find("rank_evaluator")["restarts"] == 0
    assert root.find("wfv_scheduler")["restarts"] == 0


def test_every_event_that_these_actors_emit_fits_the_table(house: House) -> None:
    root = house.boot(
        "telemetry",
        "db_writer",
        "notifier",
        "dispatcher",
        "wfv_scheduler",
        "rank_evaluator",
        "heartbeat",
        "reporter",
    )
    until(lambda: {"heartbeat.sent", "report.daily"} <= {event["event_type"] for event in house.events()})
    assert root.handle("telemetry").ask(Figures())["misfits"] == {}
    assert {event["event_type"] for event in house.events()} <= set(EVENTS)


def test_runs_started_at_900_and_950_defer_the_next_at_1000_with_two_pending_and_an_age_of_100(
    house: House,
) -> None:
    writer = open_writer(house.database, StorageTable())
    for number, started in ((1, 900), (2, 950)):
        at_us = started * clock.US
        request_id = f"01980000-0000-7000-8000-{number:012d}"
        strategy = jobs.Strategy(name=f"s-{number}", kind="sma", symbol="EURUSD")
        job = jobs.Backtest(request_id=request_id, strategy=strategy, phase="wfv")
        outcomes = writer.apply(
            [
                AdmitRequest(
                    request_id=request_id,
                    name=strategy.name,
                    kind="wfv",
                    digest=f"sha256:{number:064x}",
                    payload=dumps(job),
                    requested_us=at_us,
                    due_us=at_us,
                ),
                StartWfv(
                    wfv_id=f"wfv-{number}",
                    name=strategy.name,
                    kind="wfv",
                    request_id=request_id,
                    plan={"mode": "classic"},
                    at_us=at_us,
                    deadline_us=at_us + 86_400 * clock.US,
                ),
            ]
        )
        assert all(outcome.ok for outcome in outcomes), outcomes
    writer.close()
    with freezegun.freeze_time("1970-01-01 00:16:10") as frozen:  # second 970
        root = house.boot("telemetry", "db_writer", "wfv_scheduler")
        frozen.tick(30.0)
        (event,) = until(lambda: house.events("wfv.deferred"))
        assert event["data"] == {
            "wfv_id": None,
            "strategy": None,
            "split_ratio": None,
            "reason": "pending",
            "pending": 2,
            "oldest_age_sec": 100.0,
        }
        assert event["timestamp"] == "1970-01-01T00:16:40.000Z"
        root.stop(5.0)


def test_a_service_that_hangs_gets_no_more_and_another_thread_goes_on(house: House) -> None:
    with freezegun.freeze_time("2026-02-03 12:00:00") as frozen:
        house.carrier.gate.clear()
        root = house.boot("telemetry", "db_writer", "notifier")
        notifier = root.handle("notifier")
        notifier.tell(Notify(key="a", title="a", body="b"))
        until(lambda: notifier.ask(Figures())["waiting"] == 1)
        frozen.tick(122.0)
        until(lambda: notifier.ask(Figures())["hung"] == 1)
        house.carrier.gate.set()
        frozen.tick(10.0)
        until(lambda: notifier.ask(Figures())["sent"] == 1)
        root.stop(5.0)


def test_a_peer_that_left_is_not_missed_and_the_operator_hears_that_we_live(house: House) -> None:
    with freezegun.freeze_time("2026-02-03 12:00:00") as frozen:
        heartbeat = Child(
            "heartbeat", Heartbeat, kwargs={"settings": HeartbeatTable(), "report_s": 3600.0}, inbox=KEEP
        )
        house.boot("telemetry", "db_writer", "notifier")
        house.root.supervisor().start_child(heartbeat)
        handle = house.root.handle("heartbeat")
        beat = jobs.Heartbeat(id="worker-1", timestamp=0.0)
        handle.tell(PeerBeat(peer="w1", beat=beat, at_us=clock.utc_us()))
        assert [peer["peer"] for peer in handle.ask(Figures())["alive"]] == ["w1"]
        handle.tell(PeerLeft(peer="w1", reason="bye"))
        frozen.tick(60.0)
        until(lambda: len(house.events("heartbeat.sent")) >= 2)
        assert house.events("heartbeat.lost") == []
        until(lambda: [notice.title for notice in house.carrier.notices] == ["Foldward is alive"])
        assert len(house.events("heartbeat.discord_sent")) == 1
        house.root.stop(5.0)
