"""The daily report for people: what needs attention, and the whole as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from foldward.contracts.durations import age

SHOWN = 20  # rows of a list in Markdown; the JSON has the rest
_MOSTLY = 0.95  # share of answered requests below which a day is not a good one
_FAILING = 0.10  # failed attempts per send
_SLOWER = 3.0  # times the median of the days before


def attention(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """What a person should look at, the worst first: [{what, why, command}]; empty on a good day."""
    kpis, dead = report["kpis"], report["dead_letters"]
    events = report["events"] or {}
    counts = events.get("counts") or {}
    found: list[tuple[str, str, str]] = []
    if spent := counts.get("supervisor.budget_spent"):
        found.append((f"{_times(spent)} a supervisor gave up", "restarts did not help", "foldward tree"))
    if kpis["nondeterministic"]:
        what = f"{_many(kpis['nondeterministic'], 'request')} had two different answers"
        found.append((what, "their strategies are INVALID", "foldward failures --by strategy"))
    if report["stuck"]:
        oldest = report["stuck"][0]
        why = f"the longest for {age(oldest['age_s'])}: {oldest['why']}"
        many = len(report["stuck"])
        what = "100 requests or more are stuck" if many >= 100 else f"stuck: {_many(many, 'request')}"
        found.append((what, why, f"foldward why {oldest['request_id']}"))
    if new := sum(report["new_dead_letters"].values()):
        reasons = ", ".join(f"{count} {name}" for name, count in report["new_dead_letters"].items())
        held = dead.get("held", 0)
        found.append((f"{_many(new, 'new dead letter')}, {held} held", reasons, "foldward dead list"))
    elif dead.get("held"):
        found.append((f"held: {_many(dead['held'], 'dead letter')}", _reasons(dead), "foldward dead list"))
    if kpis["success_rate"] is not None and kpis["success_rate"] < _MOSTLY:
        what = f"only {kpis['success_rate']:.1%} of the requests that ended have a result"
        found.append((what, f"{kpis['given_up']} were given up", "foldward failures --by reason"))
    if kpis["failure_rate"] is not None and kpis["failure_rate"] > _FAILING:
        what = f"{kpis['failure_rate']:.1%} of the attempts failed"
        worst = report["failures"][0] if report["failures"] else {}
        why = f"most often {worst.get('reason')}: {worst.get('last_error') or ''}".rstrip(": ")
        found.append((what, why, "foldward failures --by reason"))
    if hung := counts.get("supervisor.child_hung"):
        found.append((f"{_times(hung)} a part hung", "it was replaced", "python -m supervision crashes"))
    if restarts := counts.get("supervisor.child_restarted"):
        most = (events.get("restarts") or [{"child": "-", "reason": ""}])[0]
        why = f"most often {most['child']}: {most['reason']}"
        found.append((f"{_many(restarts, 'restart')} in the tree", why, "python -m supervision crashes"))
    if counts.get("breaker.opened"):
        why = "requests waited meanwhile"
        found.append((f"{_times(counts['breaker.opened'])} a breaker opened", why, "foldward status"))
    if lost := counts.get("heartbeat.lost"):
        found.append((f"{_times(lost)} a worker fell silent", "see its log", "foldward tree"))
    if kpis["data_invalid"]:
        files = ", ".join(item["file"] for item in (events.get("refused") or [])[:3]) or "see the failures"
        found.append(
            (f"{_many(kpis['data_invalid'], 'submit')} had bad data", files, "foldward data check FILE")
        )
    if slow := _slower(report):
        found.append(slow)
    if kpis["telemetry_fail"]:
        what = f"missing from the event file: {_many(kpis['telemetry_fail'], 'event')}"
        found.append((what, "the disk refused them", "foldward doctor"))
    if kpis["notify_failure"]:
        what = f"{_many(kpis['notify_failure'], 'notification')} did not arrive"
        found.append((what, "their service refused them", "foldward config show"))
    return [{"what": what, "why": why, "command": command} for what, why, command in found]


def _slower(report: Mapping[str, Any]) -> tuple[str, str, str] | None:
    before = sorted(line["p95_s"] for line in report["history"] if line.get("p95_s") is not None)
    p95 = report["kpis"]["p95_s"]
    if p95 is None or len(before) < 3:
        return None
    median = before[len(before) // 2]
    if p95 <= max(1.0, _SLOWER * median):
        return None
    what = f"p95 of the latency is {p95:.1f} s"
    return what, f"its median over the {len(before)} reports before is {median:.1f} s", "foldward latency"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _reasons(dead: Mapping[str, Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in (dead.get("by_reason") or {}).items())


def markdown(report: Mapping[str, Any]) -> str:
    """The whole report as Markdown."""
    events = report["events"] or {}
    parts = [
        f"# Foldward, {report['day']}",
        "",
        report["summary"],
        "",
        *_period(report),
        "",
        *_section("Needs attention", ("what", "why", "look with"), _attention(report), "Nothing."),
        *_section("The day", ("figure", "value"), _kpis(report["kpis"]), ""),
        *_section(
            "Times in seconds", ("what", "count", "p50", "p95", "p99", "max"), _times_of(report), "No result."
        ),
        *_section(
            "Failures by cause",
            ("cause", "count", "requests", "last error"),
            _failed(report["failures"], "reason", "last_error"),
            "None.",
        ),
        *_section(
            "Failures by kind of work",
            ("kind", "count", "requests"),
            _failed(report["failures_by_kind"], "kind"),
            "None.",
        ),
        *_section(
            "Stuck",
            ("request", "strategy", "age", "why"),
            [(i["request_id"], i["name"], age(i["age_s"]), i["why"]) for i in report["stuck"]],
            "None.",
        ),
        *_section(
            f"Dead letters: {report['dead_letters'].get('held', 0)} held",
            ("reason", "held", "new"),
            _dead(report),
            "None.",
        ),
        *_section("Data refused", ("file", "codes", "count"), _cells(events, "refused"), "None."),
        *_section("Restarts", ("part", "count", "last reason"), _cells(events, "restarts"), _no(report)),
        *_section("Breakers opened", ("breaker", "count"), _cells(events, "opened"), "None."),
        *_section("Rank moves", ("at", "strategy", "from", "to"), _cells(events, "moves"), _moves(report)),
        *_section("Strategies by rank", ("rank", "count"), list(report["ranks"].items()), "None."),
        *_section("Strategies by verdict", ("verdict", "count"), list(report["verdicts"].items()), "None."),
        *_section(
            "The days before",
            ("day", "results", "failed attempts", "share with a result", "p95 in s", "dead letters"),
            [
                (i["day"], i["success"], i["failure"], _percent(i["success_rate"]), _s(i["p95_s"]), i["held"])
                for i in report["history"]
            ],
            "This is the first report.",
        ),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _period(report: Mapping[str, Any]) -> list[str]:
    period = report["period"]
    since = period["from"] or "the beginning"
    lines = [f"From {since} to {period['to']}."]
    events = report["events"]
    if events is not None and not events["complete"]:
        lines.append("The event file has been rotated since: moves and restarts may be missing below.")
    return lines


def _attention(report: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [(item["what"], item["why"], f"`{item['command']}`") for item in report["attention"]]


_KPI_WORDS = {
    "requested": "requests accepted",
    "sent": "sends",
    "success": "results applied",
    "given_up": "requests given up",
    "success_rate": "share of ended requests with a result",
    "failure": "failed attempts",
    "failure_rate": "failed attempts per send",
    "retry": "retries",
    "data_invalid": "submits refused for their data",
    "nondeterministic": "requests with two different answers",
    "dead_letters": "dead letters, new",
    "rank_moves": "rank moves",
    "telemetry_fail": "events that were not written",
    "notify_failure": "notifications that did not arrive",
}


def kpi_rows(kpis: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what, value) for people; rates in percent, times left out (they have a table of their own)."""
    return [
        (words, _percent(kpis[name]) if name.endswith("_rate") else f"{kpis[name]:,}")
        for name, words in _KPI_WORDS.items()
    ]


def _kpis(kpis: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [row for row in kpi_rows(kpis) if row[1] not in ("0", "–")] or [("requests accepted", "0")]


def time_rows(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """(name, figures) of what has been measured: whole, waiting, running, then the kinds."""
    parts = [(name.replace("_", " "), part) for name, part in report["latency"].items()]
    parts += [(f"latency of {kind}", part) for kind, part in report["latency_by_kind"].items()]
    return [(name, part) for name, part in parts if part.get("count")]


def _times_of(report: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (name, part["count"], *(_s(part.get(f"{p}_s")) for p in ("p50", "p95", "p99", "max")))
        for name, part in time_rows(report)
    ]


def _dead(report: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    held, new = report["dead_letters"].get("by_reason") or {}, report["new_dead_letters"]
    return [(name, held.get(name, 0), new.get(name, 0)) for name in sorted({*held, *new})]


def _cells(events: Mapping[str, Any], name: str) -> list[tuple[Any, ...]]:
    return [tuple(item.values()) for item in events.get(name) or ()]


def _failed(rows: Sequence[Mapping[str, Any]], by: str, *more: str) -> list[tuple[Any, ...]]:
    return [tuple(row.get(name) for name in (by, "count", "requests", *more)) for row in rows]


def _no(report: Mapping[str, Any]) -> str:
    total = report["restarts"]
    return "None." if not total else f"None in this time; {total} since core started."


def _moves(report: Mapping[str, Any]) -> str:
    moves = report["kpis"]["rank_moves"]
    return "None." if not moves else f"{moves}; the event file does not tell which."


def _section(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> list[str]:
    lines = [f"## {title}", ""]
    if not rows:
        return [*lines, empty, ""]
    lines += [f"| {' | '.join(head)} |", "|" + " --- |" * len(head), *map(_row, rows[:SHOWN])]
    if len(rows) > SHOWN:
        lines += ["", f"… and {len(rows) - SHOWN} more."]
    return [*lines, ""]


def _row(cells: Iterable[Any]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    # Errors may hold anything: a bar or a line end would break the table, a bracket make a link or a tag.
    text = " ".join(str(value).split())[:300]
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _s(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
