"""The operator's questions and verbs: status, stuck, why, failures, latency, pause, resume, drain, retry."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from foldward.cli._choices import CAUSES, WORK, one_of
from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._known import full_ids, known_request, not_waiting, tell_undone
from foldward.cli._output import cell, print_json, print_table, say
from foldward.cli._watch import WatchOption, repeat
from foldward.cli._words import seconds
from foldward.contracts import clock
from foldward.contracts.durations import age


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for function in (status, stuck, why, failures, latency, pause, resume, drain, retry):
        command(app)(function)


def status(ctx: Context, watch: WatchOption = None) -> None:
    """What runs, what waits, what failed: core, queue, workers, dead letters, latency."""
    from foldward.app.status import status as collect

    def once() -> None:
        found = collect(ctx.home)
        if ctx.as_json:
            print_json(found)
        else:
            _show_status(found)

    repeat(once, watch)


def _show_status(found: dict[str, Any]) -> None:
    core, queue = found["core"], found["queue"]
    if core["running"]:
        state = " PAUSED" if core["paused"] else " DRAINING" if core.get("draining") else ""
        up = f", up {age(core['uptime_s'])}" if core.get("uptime_s") is not None else ""
        print(f"core running{state}, pid {core['pid']}{up}, run {core['run_id'] or '–'}")
        if core.get("error"):
            print(f"  {core['error']['code']}: {core['error']['message']} — hint: {core['error']['hint']}")
    else:
        print(f"core is not running in {found['home']}" + (" (paused)" if core["paused"] else ""))
    oldest = f", oldest {age(queue['oldest_age_s'])}" if queue["oldest_age_s"] is not None else ""
    print(
        f"queue  {cell(queue['pending'])} pending, {cell(queue['sent'])} sent, "
        f"{cell(queue['retry'])} waiting to retry, {cell(queue['error'])} given up{oldest}"
    )
    counters = ", ".join(f"{cell(value)} {name}" for name, value in found["counters"].items() if value)
    print(f"since the beginning  {counters or 'nothing yet'}")
    dead = found["dead_letters"]
    reasons = ", ".join(f"{count} {reason}" for reason, count in dead["by_reason"].items())
    print(f"dead letters  {dead['held']} held" + (f" ({reasons}) → foldward dead list" if reasons else ""))
    times = found["latency"]
    if times["count"]:
        print(
            f"latency  p50 {times['p50_s']:.3f} s, p95 {times['p95_s']:.3f} s, p99 {times['p99_s']:.3f} s "
            f"over {times['count']:,} results"
        )
    print_table(
        "",
        ("worker", "state", "pid", "busy"),
        [(row["id"], row["state"], str(row["pid"] or "–"), row["busy"]) for row in found["workers"]],
        empty="no workers" if core["running"] else "",
    )
    supervision = found["supervision"]
    print(
        f"supervision  {supervision['restarts']} restarts, {supervision['zombies']} zombies → foldward tree"
    )


def stuck(ctx: Context, watch: WatchOption = None) -> int:
    """What is stuck: overdue at a worker, or due for long and not sent. Exit 1 when anything is."""
    found: list[Any] = []

    def once() -> None:
        found[:] = _stuck(ctx)

    repeat(once, watch)
    return 1 if found else 0


def _stuck(ctx: Context) -> list[Any]:
    rows = [
        msgspec.to_builtins(row) if not isinstance(row, dict) else row
        for row in ctx.reader().stuck(clock.utc_us())
    ]
    if ctx.as_json:
        print_json(rows)
    else:
        print_table(
            "",
            ("request", "strategy", "status", "age", "why", "what to do"),
            [
                (
                    row["request_id"],
                    row["name"],
                    row["status"],
                    age(row.get("age_s")),
                    row.get("why", ""),
                    f"foldward why {row['request_id']}",
                )
                for row in rows
            ],
            empty="nothing is stuck",
        )
    return rows


def why(
    ctx: Context,
    request_id: Annotated[
        str, typer.Argument(metavar="ID", help="A request's id, or its beginning.", show_default=False)
    ],
) -> None:
    """The timeline of one request: every step with its time and reason."""
    reader = ctx.reader()
    if not (steps := reader.timeline(request_id)):
        request_id = known_request(request_id, reader)
        steps = reader.timeline(request_id)
    row, result = reader.request(request_id), reader.result(request_id)
    timeline = [_step(step) for step in steps]
    if ctx.as_json:
        print_json(timeline)
        return
    if row is not None:
        print(f"{row.name} ({row.kind}): {row.status}, {row.sends} sends, {row.failures} failures")
        if row.last_error:
            print(f"  last error: {row.last_error}")
    elif result is not None:
        print(f"{result.name} ({result.kind}): success, {result.latency_us / 1e6:.3f} s after the request")
    print_table(
        "",
        ("at", "event", "detail"),
        [
            (
                step["at"],
                step["event"],
                ", ".join(
                    f"{key.removesuffix('_us')} {_moment(key, value)}"
                    for key, value in step.items()
                    if key not in ("at", "at_us", "event", "strategy", "digest") and value is not None
                ),
            )
            for step in timeline
        ],
        empty="its events are past their retention",
    )


def _moment(key: str, value: Any) -> str:
    """A time as a time, everything else as a person reads it."""
    if isinstance(value, int) and not isinstance(value, bool):
        if key.endswith(("_at", "_us")):
            return clock.iso_ms(value)
        if key.endswith("_ts"):
            return clock.iso_ms(value * clock.US)
    return cell(value)


def _step(step: Any) -> dict[str, Any]:
    plain = dict(step) if isinstance(step, dict) else msgspec.to_builtins(step)
    at = plain.pop("at")
    event = plain.pop("event")
    data = plain.pop("data", None) or {}
    return {"at": clock.iso_ms(at) if isinstance(at, int) else at, "event": event, **plain, **data}


def failures(
    ctx: Context,
    since: Annotated[str, typer.Option(help="How far back: 30m, 24h, 7d.")] = "24h",
    by: Annotated[str, typer.Option(help="reason, code, strategy, kind, worker or event.")] = "reason",
) -> None:
    """What failed, counted by cause: steps of requests, and crashed children of the tree."""
    from foldward.console.failures import EVENT as CRASH
    from foldward.console.failures import failures as count_failures

    by = one_of("--by", by, CAUSES) or "reason"
    start = clock.utc_us() - int(seconds(since, "--since") * 1e6)
    rows = count_failures(ctx.reader(), ctx.home.telemetry, start, by)
    for row in rows:
        row["last_at"] = clock.iso_ms(row["last_at_us"])
    if ctx.as_json:
        print_json(rows)
        return
    if not rows:
        print(f"nothing failed in the last {since}")
        return
    columns = (by, "count", "requests", "last_at", "last_error")
    print_table("", columns, [tuple(row[name] for name in columns) for row in rows], empty="")
    if by == "event" and any(row["event"] == CRASH for row in rows):
        say(
            "the stacks and last words of crashed children: foldward crashes (while core runs), logs/core.log"
        )


def latency(
    ctx: Context,
    kind: Annotated[
        str | None, typer.Option(help="Only this kind of work: backtest, oos, wfv, cpcv or evidence.")
    ] = None,
    watch: WatchOption = None,
) -> None:
    """Percentiles of request→result, queue wait and run time, in seconds."""
    kind = one_of("--kind", kind, WORK)
    repeat(lambda: _latency(ctx, kind), watch)


def _latency(ctx: Context, kind: str | None) -> None:
    found = ctx.reader().latency(kind)
    if ctx.as_json:
        print_json(found)
        return
    parts = {
        "request → result": found,
        "queue wait": found.get("queue", {}),
        "run time": found.get("run", {}),
    }
    figures = ("count", "min_s", "mean_s", "p50_s", "p95_s", "p99_s", "max_s")
    print_table(
        "Seconds" if found["count"] else "",
        ("", *(name.removesuffix("_s") for name in figures)),
        [(what, *(part.get(name) for name in figures)) for what, part in parts.items() if part.get("count")],
        empty="nothing was measured yet",
    )


def pause(ctx: Context) -> None:
    """Stop sending; survives a restart. Results are still applied."""
    _verb(ctx, "pause", "paused: nothing is sent until foldward resume")


def resume(ctx: Context) -> None:
    """Send again."""
    _verb(ctx, "resume", "sending again")


def drain(ctx: Context) -> None:
    """Admit and send nothing more; what is in flight may finish."""
    _verb(ctx, "drain", "draining: nothing is admitted or sent; foldward resume or a restart ends it")


def _verb(ctx: Context, verb: str, done: str) -> None:
    answer = ctx.client().call(verb)
    if ctx.as_json:
        print_json(answer)
    else:
        say(done)


def retry(
    ctx: Context,
    request_ids: Annotated[
        list[str],
        typer.Argument(metavar="ID…", help="Ids of requests, or their beginnings.", show_default=False),
    ],
    now: Annotated[bool, typer.Option("--now", help="Due at once (the only way today).")] = True,
) -> int:
    """Make a waiting, given-up or cancelled request due at once. Exit 4 when none was, 6 when only some."""
    client = ctx.client()
    _ = client.core
    reader = ctx.reader()
    request_ids = full_ids(request_ids, reader)
    outcomes = client.call("retry", request_ids=request_ids, now=now)["outcomes"]
    changed = [item for item, good in outcomes.items() if good]
    if ctx.as_json:
        print_json(outcomes)
    elif changed:
        say(f"{len(changed)} of {len(request_ids)} due now")
    tell_undone([item for item in request_ids if item not in changed], not_waiting, reader)
    return 0 if len(changed) == len(request_ids) else 6 if changed else 4
