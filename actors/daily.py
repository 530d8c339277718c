"""The daily quality report: what the period brought, what failed and why, what is stuck (spec 4.3).

A report of day D is made at the first look on D and counts from the report before it; the end of a core
renews it. So nothing is counted twice and nothing is left out, also when core was off at midnight.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from actors import figures
from actors._day_sources import day_events, history
from actors._day_words import attention, kpi_rows, markdown, time_rows
from foldward.contracts import clock
from foldward.contracts.masking import mask
from foldward.files import atomic_write
from storage.reads import Reader

__all__ = [
    "BASIS",
    "Bases",
    "Basis",
    "daily_report",
    "kpi_rows",
    "markdown",
    "path_of",
    "standing_at",
    "stored_bases",
    "time_rows",
    "write_files",
]

BASIS = "daily_basis"  # key in `meta`: what the last report counted from, and to
HOUR_US = 3_600 * clock.US
_MOST = 100  # rows of a list


class Basis(msgspec.Struct, kw_only=True):
    """The counts at one moment; a report tells what came after them. at_us 0: from the beginning."""

    at_us: int = 0
    counters: dict[str, int] = {}
    latency: dict[str, list[list[int]]] = {}


class Bases(msgspec.Struct, kw_only=True):
    """Kept in the database: the day of the last report, what it counts from, and what it reached."""

    day: str = ""
    before: Basis = msgspec.field(default_factory=Basis)
    now: Basis = msgspec.field(default_factory=Basis)

    def of(self, day: str) -> Basis:
        """What a report of `day` counts from: made again, it counts from the same."""
        return self.before if day == self.day else self.now


def stored_bases(rows: Reader) -> Bases:
    """What the last report left; empty when there was none, or when it cannot be read."""
    try:
        return msgspec.json.decode(rows.meta(BASIS) or b"{}", type=Bases)
    except msgspec.DecodeError:
        return Bases()


def standing_at(rows: Reader, now_us: int) -> Basis:
    """The counts as they are."""
    return Basis(at_us=now_us, counters=rows.counters(), latency=rows.latency_marks())


def daily_report(
    rows: Reader,
    day: str,
    now_us: int,
    before: Basis,
    *,
    telemetry: Path | None = None,
    keep: int = 5,
    reports: Path | None = None,
    restarts: int | None = None,
) -> dict[str, Any]:
    """The report as plain data (docs/OBSERVABILITY.md has its shape).

    telemetry: the event file; without it there are no moves and no restarts by child. reports: folder of the
    reports before, for the trend. restarts: of the running tree, None when none runs.
    """
    if before.at_us > now_us:
        # A clock that was set back: the counts go on, when they began is not known.
        before = msgspec.structs.replace(before, at_us=0)
    metrics = figures.report_oos_metrics(rows, now_us)
    counters = rows.counters()
    gained = {name: max(0, value - before.counters.get(name, 0)) for name, value in counters.items()}
    latency = rows.latency_since(before.latency)
    since = before.at_us or now_us - figures.DAY_US
    events = None
    if telemetry is not None:
        events = day_events(telemetry, clock.iso_ms(before.at_us), keep)
    report: dict[str, Any] = {
        "schema_version": figures.SCHEMA_VERSION,
        "day": day,
        "made_at": clock.iso_ms(now_us),
        "period": {
            "from": clock.iso_ms(before.at_us) if before.at_us else None,
            "to": clock.iso_ms(now_us),
            "hours": round((now_us - before.at_us) / HOUR_US, 2) if before.at_us else None,
        },
        "summary": metrics["summary"],
        "kpis": _kpis(gained, latency),
        "day_counters": {name: gained.get(name, 0) for name in (*figures.COUNTERS, "rank_moves")},
        "totals": {name: metrics[name] for name in figures.COUNTERS},
        "queue": {name: metrics[name] for name in ("pending", "in_flight", "waiting_retry", "oldest_age_s")},
        "latency": {
            "latency": {name: value for name, value in latency.items() if name not in ("queue", "run")},
            "queue_wait": latency["queue"],
            "run_time": latency["run"],
        },
        "latency_by_kind": {
            kind: _without_parts(rows.latency_since(before.latency, kind))
            for kind in rows.kinds_since(before.latency)
        },
        "hours": _hours(rows, since, now_us),
        "failures": rows.failures(since, "reason")[:_MOST],
        "failures_by_kind": rows.failures(since, "kind")[:_MOST],
        "stuck": rows.stuck(now_us),
        "dead_letters": metrics["dead_letters"],
        "new_dead_letters": {
            name.removeprefix("dead_letter."): count
            for name, count in sorted(gained.items())
            if name.startswith("dead_letter.") and count
        },
        **rows.standing(),
        "restarts": restarts,
        "events": events,
        "history": history(reports, day) if reports is not None else [],
    }
    report["attention"] = attention(report)
    masked: dict[str, Any] = mask(report)  # errors quote what others sent
    return masked


def path_of(reports: Path, day: str) -> Path:
    """The JSON file of a day's report."""
    return reports / f"daily-{day}.json"


def write_files(reports: Path, report: Mapping[str, Any]) -> Path:
    """`daily-DAY.json` and `.md`, each replaced whole; the path of the JSON file."""
    path = path_of(reports, report["day"])
    reports.mkdir(parents=True, exist_ok=True)
    atomic_write(path, msgspec.json.format(msgspec.json.encode(report, enc_hook=str), indent=2) + b"\n")
    atomic_write(path.with_suffix(".md"), markdown(report))
    return path


def _kpis(gained: Mapping[str, int], latency: Mapping[str, Any]) -> dict[str, Any]:
    ended = gained.get("success", 0) + gained.get("given_up", 0)
    sent = gained.get("sent", 0)
    return {
        "requested": gained.get("requested", 0),
        "sent": sent,
        "success": gained.get("success", 0),
        "given_up": gained.get("given_up", 0),
        "success_rate": _ratio(gained.get("success", 0), ended),
        "failure": gained.get("failure", 0),
        "failure_rate": _ratio(gained.get("failure", 0), sent),
        "retry": gained.get("retry", 0),
        "data_invalid": gained.get("data_invalid", 0),
        "nondeterministic": gained.get("nondeterministic", 0),
        "dead_letters": sum(count for name, count in gained.items() if name.startswith("dead_letter.")),
        "rank_moves": gained.get("rank_moves", 0),
        "telemetry_fail": gained.get("telemetry_fail", 0),
        "notify_failure": gained.get("notify_failure", 0),
        **{name: latency[name] for name in ("p50_s", "p95_s", "p99_s", "max_s")},
        "queue_p95_s": latency["queue"]["p95_s"],
        "run_p95_s": latency["run"]["p95_s"],
    }


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _without_parts(latency: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in latency.items() if name not in ("queue", "run", "histogram")}


def _hours(rows: Reader, since_us: int, now_us: int) -> list[dict[str, Any]]:
    """[{hour (ISO, its start), success, failure}]: the period's hours, at most the last 48."""
    start = max(since_us, now_us - 47 * HOUR_US) // HOUR_US * HOUR_US
    done, failed = rows.results_by_hour(start, now_us), rows.failures_by_hour(start, now_us)
    return [
        {"hour": clock.iso_ms(start + number * HOUR_US), "success": success, "failure": failure}
        for number, (success, failure) in enumerate(zip(done, failed, strict=False))
    ]
