"""`foldward report oos|daily|run|strategy` and `foldward rank`: figures to read and to pass on."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._known import known_strategy
from foldward.cli._output import print_json, print_table, say
from foldward.cli._strategies import StrategyName, show_strategy
from foldward.cli._watch import WatchOption, repeat
from foldward.contracts import clock
from foldward.contracts.durations import age
from foldward.contracts.errors import ConfigError, RequestError, StorageError
from foldward.contracts.timeframe import timeframe_label

group = typer.Typer(help="Reports: the queue's figures, a day, a run, a strategy.")
LADDER = ("legend", "S", "A", "B", "incubator", "graveyard", "retired")


def register(app: typer.Typer) -> None:
    """Add the group and `rank`."""
    app.add_typer(group, name="report")
    command(app, "rank")(rank)


def oos(ctx: Context, watch: WatchOption = None) -> None:
    """All figures of the queue: counters, what waits, dead letters, percentiles, and the summary line."""
    from actors.figures import report_oos_metrics

    def once() -> None:
        found = report_oos_metrics(ctx.reader())
        if ctx.as_json:
            print_json(found)
            return
        print(found["summary"])
        plain = [(name, value) for name, value in found.items() if isinstance(value, int | float)]
        print_table("", ("figure", "value"), plain, empty="")
        times = [
            (name.replace("_", " "), *(found[name].get(f"{part}_s") for part in ("p50", "p95", "p99", "max")))
            for name in ("latency", "queue_wait", "run_time")
            if found[name].get("count")
        ]
        print_table("", ("seconds", "p50", "p95", "p99", "max"), times, empty="nothing was measured yet")
        reasons = list((found["dead_letters"].get("by_reason") or {}).items())
        print_table("", ("dead letters", "held"), reasons, empty="no dead letters")

    repeat(once, watch)


def _is_day(text: str) -> bool:
    """YYYY-MM-DD and in the calendar."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return False
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def daily(
    ctx: Context,
    day: Annotated[
        str | None, typer.Option("--day", metavar="YYYY-MM-DD", help="Which day (default: the newest).")
    ] = None,
    make: Annotated[
        bool, typer.Option("--make", help="Make today's report now, from what the database holds.")
    ] = False,
) -> None:
    """The daily quality report as core wrote it (--make renews today's); its files lie in reports/."""
    if make and day is not None:
        raise ConfigError("config.usage", "--make makes today's report", hint="leave --day out")
    if day is not None and not _is_day(day):
        raise ConfigError("config.usage", f"--day {day!r} is not YYYY-MM-DD", hint="for example 2026-02-03")
    if make:
        found, page = _make_daily(ctx)
        if not ctx.as_json:
            say(f"{page}")
    else:
        found = _stored_daily(ctx, day)
    if ctx.as_json:
        print_json(found)
        return
    from actors.daily import markdown

    print(markdown(found), end="")


def _stored_daily(ctx: Context, day: str | None) -> dict[str, Any]:
    files = sorted(ctx.home.reports.glob("daily-????-??-??.json"))
    days = {file.stem.removeprefix("daily-"): file for file in files}
    if day is not None and day not in days:
        raise RequestError(
            "request.unknown_id",
            f"there is no daily report of {day}",
            hint=f"there are those of {', '.join(list(days)[-5:])}" if days else "core writes one a day",
        )
    if not days:
        if not ctx.as_json:
            say("core has written no daily report here: these are the figures of this moment")
            say("keep them with foldward report daily --make")
        return _daily_now(ctx)
    chosen = days[day or max(days)]
    try:
        found: dict[str, Any] = msgspec.json.decode(chosen.read_bytes(), type=dict[str, Any])
        found["kpis"], found["attention"]
    except (msgspec.DecodeError, KeyError) as error:
        raise StorageError(
            "storage.corrupt",
            f"{chosen} is no daily report that can be read",
            hint="foldward report daily --make makes today's; the Markdown beside it may be whole",
        ) from error
    if not ctx.as_json:
        say(f"{chosen.with_suffix('.html')}")
    return found


def _daily_now(ctx: Context) -> dict[str, Any]:
    """The report of this moment; counts from the report of the day before, as core's would."""
    from actors.daily import daily_report, stored_bases

    reader, day = ctx.reader(), f"{clock.utcnow():%Y-%m-%d}"
    return daily_report(
        reader,
        day,
        clock.utc_us(),
        stored_bases(reader).of(day),
        telemetry=ctx.home.telemetry,
        keep=ctx.settings.telemetry.keep,
        reports=ctx.home.reports,
    )


def _make_daily(ctx: Context) -> tuple[dict[str, Any], Path]:
    from actors.daily import write_files
    from foldward.app.daily import write_page

    if not ctx.home.database.exists():
        raise StorageError(
            "storage.open",
            f"there is no database in {ctx.home.root} to report on",
            hint="name another --home, or start with foldward run",
        )
    found = _daily_now(ctx)
    return found, write_page(found, write_files(ctx.home.reports, found))


def run(
    ctx: Context,
    run_id: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN_ID", help="A run's id or its beginning (default: the newest).", show_default=False
        ),
    ] = None,
) -> None:
    """One run: seed, what it was made of, its verdicts and digest."""
    found = find_run(ctx.reader(), run_id)
    plain = {
        **msgspec.to_builtins(found),
        "started_at": clock.iso_ms(found.started_at),
        "finished_at": None if found.finished_at is None else clock.iso_ms(found.finished_at),
    }
    if ctx.as_json:
        print_json(plain)
        return
    print(f"run {found.run_id}: {found.status}, seed {found.seed}")
    print(f"started {plain['started_at']}, finished {plain['finished_at'] or '–'}")
    print(f"result {found.result_digest or '–'}")
    rows = [(name, _short(value)) for name, value in found.summary.items()]
    print_table("What came of it", ("", ""), rows, empty="it has not finished: run it again and it goes on")
    rows = [(name, _short(value)) for name, value in found.manifest.items() if name not in ("run_id", "seed")]
    print_table("What it was made of", ("", ""), rows, empty="")
    print(f"recompute it: foldward replay {found.run_id}")


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value[:5])) + (f" … {len(value)} in all" if len(value) > 5 else "")
    return str(value)


def find_run(reader: Any, run_id: str | None) -> Any:
    """The run of this id, of the only id that begins so, or the newest. Raises request.unknown_id."""
    if run_id is not None and (found := reader.run(run_id)) is not None:
        return found
    rows = reader.runs(limit=1000)
    if run_id is None:
        if rows:
            return rows[0]
        raise RequestError("request.unknown_id", "no run is stored", hint="foldward run --demo")
    near = [row for row in rows if row.run_id.startswith(run_id)]
    if len(near) == 1:
        return near[0]
    raise RequestError(
        "request.unknown_id",
        f"{run_id} is the beginning of {len(near)} runs" if near else f"no run {run_id}",
        hint=f"the newest is {rows[0].run_id}: foldward report run" if rows else "foldward run --demo",
    )


def strategy(ctx: Context, name: StrategyName) -> None:
    """One strategy with everything known of it: numbers, gates, each kind of work and its report."""
    reader = ctx.reader()
    row = known_strategy(reader, name)
    results = {}
    for kind in ("backtest", "oos", "wfv", "cpcv", "evidence"):
        if (found := reader.latest(name, kind)) is not None:
            results[kind] = msgspec.to_builtins(found)
    history = reader.requests(limit=50, name=name)
    if ctx.as_json:
        plain = {"strategy": msgspec.to_builtins(row), "results": results}
        print_json({**plain, "requests": [msgspec.to_builtins(item) for item in history]})
        return
    show_strategy(row)
    for kind in ("wfv", "cpcv", "evidence"):
        report = (results.get(kind, {}).get("detail") or {}).get("report") or {}
        facts = [(key, value) for key, value in report.items() if isinstance(value, int | float | str)]
        if facts:
            print_table(kind, ("figure", "value"), facts, empty="")
    now = clock.utcnow().timestamp()
    print_table(
        "Requests",
        ("request", "kind", "status", "age", "Sharpe"),
        [
            (item.request_id, item.kind, item.status, age(now - item.requested_at), item.sharpe)
            for item in history
        ],
        empty="none was ever asked for",
    )


for word, function in (("oos", oos), ("daily", daily), ("run", run), ("strategy", strategy)):
    command(group, word)(function)


def rank(
    ctx: Context,
    cycle: Annotated[
        bool, typer.Option("--cycle", help="Have core judge all that changed at once, before its next cycle.")
    ] = False,
) -> None:
    """The ladder: which strategies stand at each rank, best first."""
    if cycle:
        done = ctx.client(timeout=60).call("rank_cycle")
        if not ctx.as_json:
            say("a rank cycle has begun")
        else:
            print_json(done)
        return
    rows: list[dict[str, Any]] = [
        {
            "strategy": row.name,
            "rank": row.rank,
            "verdict": row.verdict,
            "symbol": row.symbol,
            "timeframe": row.timeframe,
            "is_sharpe": row.is_sharpe,
            "oos_sharpe": row.oos_sharpe,
            "generation": row.generation,
            "verdict_at": None if row.verdict_at is None else clock.iso_ms(row.verdict_at),
        }
        for row in ctx.reader().strategies()
    ]
    rows.sort(
        key=lambda row: (LADDER.index(row["rank"]), row["oos_sharpe"] is None, -(row["oos_sharpe"] or 0))
    )
    counts = {name: sum(row["rank"] == name for row in rows) for name in LADDER}
    if ctx.as_json:
        print_json({"ranks": counts, "strategies": rows})
        return
    print(", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no strategies yet")
    print_table(
        "",
        ("rank", "strategy", "symbol", "tf", "verdict", "IS Sharpe", "OOS Sharpe"),
        [
            (
                row["rank"],
                row["strategy"],
                row["symbol"],
                timeframe_label(row["timeframe"]),
                row["verdict"],
                row["is_sharpe"],
                row["oos_sharpe"],
            )
            for row in rows
        ],
        empty="foldward strategies import FILE",
    )
