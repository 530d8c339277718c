"""Reporter: snapshot files and the daily report (spec 4.2, 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from loguru import logger

from actors import daily, figures
from actors._base import ProductActor
from actors._snapshots import Due, memory, tree_figures
from foldward.contracts import clock
from foldward.contracts.errors import FoldwardError
from foldward.contracts.facts import Fact, SetMeta
from foldward.contracts.messages import Figures, Refresh, Settled, Tick, Written
from foldward.files import atomic_write
from foldward.settings import TelemetryTable
from storage.reads import Reader

TICK_S = 2.0  # a file whose content changes all the time is written this often
LAST_REPORT = "last_report_date"
SYSTEM, LIVE, STATUS = "system_metrics.json", "live_status.json", "oos_status.txt"


class Reporter(ProductActor):
    """Writes the three snapshots when they change, and a report once a day.

    database: path of the SQLite file. folder: where the snapshots go. reports: folder of the daily reports.
    telemetry: the event file, which the report takes the period's moves and restarts from. tree: gives the
    supervision tree's snapshot, or None while it starts; its figures are 0 then. on_daily: called with each
    daily report and the path of its JSON file, for further forms of it; what it raises is logged.
    """

    service = "reporter"

    def __init__(
        self,
        *,
        database: Path | str,
        folder: Path | str,
        reports: Path | str,
        settings: TelemetryTable,
        telemetry: Path | str | None = None,
        tree: Callable[[], Mapping[str, Any] | None] | None = None,
        run_id: str = "-",
        on_daily: Callable[[dict[str, Any], Path], Any] | None = None,
    ) -> None:
        super().__init__()
        self._database = Path(database)
        self._folder = Path(folder)
        self._reports = Path(reports)
        self._settings = settings
        self._telemetry = None if telemetry is None else Path(telemetry)
        self._tree = tree
        self._run_id = run_id
        self._on_daily = on_daily
        self._started = clock.now()
        self._reason = "start"
        self._fresh = True
        self._sent: int | None = None
        self._dispatched: int | None = None  # the same counter, as last seen at a tick
        self._written = 0
        self._failed = 0
        self._day: str | None = None
        self._bases = daily.Bases()
        self._strategies = (-1, 0)  # revision, count
        self._counted: float | None = None
        self._looked: float | None = None
        self._unstored: Fact | None = None  # the report's date, which the database refused
        self._due = {name: Due(TICK_S, settings.snapshot_s) for name in (SYSTEM, LIVE, STATUS)}

    def recover(self) -> None:
        """Know when the last daily report was made."""
        self._reader = Reader(self._database)
        self._day = self._reader.meta(LAST_REPORT)
        self._bases = daily.stored_bases(self._reader)

    def on_start(self) -> None:
        """Write at once, then whenever something changes."""
        self.every(TICK_S, Tick())
        self.after(0.0, Tick())

    def on_stop(self) -> None:
        """The last state is written, then the rows are closed."""
        self._reason = "stop"
        self._guarded(self._snapshots, True)
        self._guarded(self._renew)
        self._reader.close()

    def on_receive(self, message: Any) -> Any:
        """One message, or a question."""
        match message:
            case Figures():
                return {"written": self._written, "failed": self._failed, "last_report": self._day}
            case Settled() if message.state in ("applied", "duplicate", "retry", "error", "cancelled"):
                self._note("result")
            case Refresh():
                self._note(message.reason)
            case Written() if not message.ok:
                self._unstored = message.fact
            case Tick():
                self._guarded(self._dispatches)
                self._guarded(self._look)
        return None

    def _note(self, reason: str) -> None:
        self._reason = reason
        self._fresh = True
        now = clock.now()
        if self._looked is None or not 0 <= now - self._looked < TICK_S:
            self._guarded(self._look)  # after a quiet time it is shown at once, not at the next tick

    def _guarded(self, step: Callable[..., None], *args: Any) -> None:
        """A snapshot that cannot be written is counted and said, and tried again at the next tick."""
        try:
            step(*args)
        except (OSError, FoldwardError) as error:
            self._failed += 1
            if self._failed in (1, 10, 100) or self._failed % 1000 == 0:
                logger.warning("snapshots or report not written ({} times): {}", self._failed, error)

    def _dispatches(self) -> None:
        """Nobody tells the reporter that requests have left: the counter does."""
        sent = self._reader.counters()["sent"]
        if sent != self._dispatched:
            self._fresh |= self._dispatched is not None
            self._dispatched = sent

    def _look(self) -> None:
        now = clock.now()
        idle = self._looked is not None and 0 <= now - self._looked < self._settings.snapshot_s
        if self._fresh or not idle:
            self._looked = now
            self._fresh = False
            self._snapshots(False)
            if self._unstored is not None:
                fact, self._unstored = self._unstored, None
                self.write(fact, tag="report")
        today = f"{clock.utcnow():%Y-%m-%d}"
        # A clock that was set back makes no second report for a day that has one, but one for each other.
        if self._day is None or today > self._day or self._missed(today):
            self._report(today)

    def _missed(self, today: str) -> bool:
        return today != self._day and not daily.path_of(self._reports, today).exists()

    def _snapshots(self, forced: bool) -> None:
        now_us = clock.utc_us()
        metrics = figures.report_oos_metrics(self._reader, now_us)
        if self._sent is not None and metrics["sent"] > self._sent and self._reason == "timer":
            self._reason = "dispatch"
        self._sent = metrics["sent"]
        reason, self._reason = self._reason, "timer"
        system = self._system(now_us)
        live = {
            "schema_version": figures.SCHEMA_VERSION,
            "timestamp": clock.iso_ms(now_us),
            "run_id": self._run_id,
            "reason": reason,
            "paused": self._reader.meta("paused") == "1",
            **metrics,
        }
        summary = metrics["summary"]
        content = {name: live[name] for name in live if name not in ("reason", "summary")}
        self._put(SYSTEM, system, _json(system), {"rss": system["rss"], "actors": system["actors"]}, forced)
        self._put(
            LIVE, content, _json(live), {"pending": live["pending"], "success": live["success"]}, forced
        )
        text = figures.status_text(summary, now_us, reason).encode()
        self._put(STATUS, content, text, {"summary": summary}, forced)

    def _put(
        self, name: str, content: Mapping[str, Any], data: bytes, short: Mapping[str, Any], forced: bool
    ) -> None:
        now = clock.now()
        due = self._due[name]
        if not forced and not due.wants(content, now):
            if due.behind(content):
                self._fresh = True  # too soon after the last one: at the next tick
            return
        path = self._folder / name
        atomic_write(path, data, durable=False)
        due.written(content, now)
        self._written += 1
        event = "metrics.snapshot" if name == SYSTEM else "status.snapshot"
        self.emit(event, {"path": str(path), "figures": dict(short)}, run_id=self._run_id)

    def _system(self, now_us: int) -> dict[str, Any]:
        revision = self._reader.revision()
        now = clock.now()
        fresh = self._counted is not None and 0 <= now - self._counted < self._settings.snapshot_s
        if revision != self._strategies[0] and not fresh:
            self._counted = now
            self._strategies = (revision, len(self._reader.strategy_names()))
        rss, heap = memory()
        return {
            "schema_version": figures.SCHEMA_VERSION,
            "timestamp": clock.iso_ms(now_us),
            "rss": rss,
            "heap": heap,
            "strategy_count": self._strategies[1],
            "uptime_seconds": round(clock.now() - self._started, 3),
            **tree_figures(self._tree() if self._tree is not None else None),
        }

    def _report(self, today: str) -> None:
        """The report of a new day, told once."""
        report, path = self._write_report(today)
        self._day = max(today, self._day or "")
        # The date last: a crash before it makes the same report again, from the same basis, into its file.
        self.write(SetMeta(key=LAST_REPORT, value=self._day), tag="report")
        self.emit("report.daily", {"path": str(path)}, run_id=self._run_id)
        self.notify(f"report:{today}", f"Foldward daily report {today}", _notice(report), "info")
        self._note("report")

    def _renew(self) -> None:
        """The same file again at the end: a core that runs for minutes has a report of what it did."""
        if self._bases.day == f"{clock.utcnow():%Y-%m-%d}":
            self._write_report(self._bases.day)

    def _write_report(self, day: str) -> tuple[dict[str, Any], Path]:
        restarts = tree_figures(self._tree())["restarts"] if self._tree is not None else None
        now_us = clock.utc_us()
        before = self._bases.of(day)
        report = daily.daily_report(
            self._reader,
            day,
            now_us,
            before,
            telemetry=self._telemetry,
            keep=self._settings.keep,
            reports=self._reports,
            restarts=restarts,
        )
        path = daily.write_files(self._reports, report)
        self._bases = daily.Bases(day=day, before=before, now=daily.standing_at(self._reader, now_us))
        kept = msgspec.json.encode(self._bases).decode()
        self.write(SetMeta(key=daily.BASIS, value=kept), reply=False)
        if self._on_daily is not None:
            try:
                self._on_daily(report, path)
            except Exception as error:  # a further form of the report is never worth the actor
                logger.warning("a form of the daily report failed: {}", error)
        return report, path


def _notice(report: Mapping[str, Any]) -> str:
    """The summary line, then what needs attention."""
    return "\n".join(
        [report["summary"], *(f"- {item['what']}: {item['why']}" for item in report["attention"])]
    )


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2) + b"\n"
