"""`foldward data check|import|repair|list`: candles through the contract, no core needed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from foldward.cli._command import command
from foldward.cli._context import Context
from foldward.cli._output import print_error, print_json, print_table, say
from foldward.cli._target import ForceOption, spare
from foldward.contracts.errors import CATALOGUE
from foldward.contracts.timeframe import parse_timeframe, timeframe_label

group = typer.Typer(help="Candles: check a file against the data contract, import, repair, list.")

FileArgument = Annotated[Path, typer.Argument(help="CSV, MT5 export or Parquet.", show_default=False)]
TimeframeOption = Annotated[
    str | None,
    typer.Option(
        "--timeframe", "-t", metavar="TF", help="Minutes or M5, H1, D1 … (default: from name or spacing)."
    ),
]
SyntheticOption = Annotated[bool, typer.Option("--synthetic", help="Made, not observed: never evidence.")]
UtcOption = Annotated[bool, typer.Option("--utc", help="Times without a zone are UTC.")]
AllowOption = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="CODE", help="Accept this finding; noted on every verdict."),
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="data")


def _minutes(timeframe: str | None) -> int | None:
    return None if timeframe is None else parse_timeframe(timeframe)


def check(
    ctx: Context,
    file: FileArgument,
    timeframe: TimeframeOption = None,
    synthetic: SyntheticOption = False,
    utc: UtcOption = False,
    allow: AllowOption = None,
) -> int:
    """Check a file: every finding with code, severity, rule, count and first places. Exit 0 or 7."""
    from foldward.data.contract import check_file

    report = check_file(
        file,
        _minutes(timeframe),
        utc=utc,
        allow=tuple(allow or ctx.settings.data.allow),
        synthetic=synthetic,
        coverage_min=ctx.settings.data.coverage_min,
    )
    if ctx.as_json:
        print_json(report.to_dict())
        error = report.error()
        if error is not None:
            print_error(error)
    else:
        _show(report.to_dict())
    return 0 if report.accepted else 7


def _show(report: dict[str, Any]) -> None:
    verdict = "accepted" if report["accepted"] else "REFUSED"
    span = f", {report['first']} … {report['last']}" if report.get("first") else ""
    coverage = report.get("coverage")
    covered = f", coverage {coverage:.1%}" if coverage is not None else ""
    print(f"{report['file']}: {verdict}, {report['rows']:,} rows{span}{covered}")
    rows = []
    for finding in report["findings"]:
        places = "; ".join(
            (f"line {place['line']}" if place.get("line") else "the file")
            + (f" {place['time']}" if place.get("time") else "")
            + (f": {place['detail']}" if place.get("detail") else "")
            for place in finding["places"][:3]
        )
        rows.append((finding["severity"], finding["code"], finding["count"], finding["rule"], places))
    if rows:
        print_table(
            "",
            ("severity", "code", "count", "rule", "first places"),
            rows,
            empty="",
            style=lambda row: "red" if row[0] == "ERROR" else "yellow",
        )
    for item in report["findings"]:
        if item["severity"] == "ERROR":
            code = item["code"]
            general = CATALOGUE[code].hint.replace("FILE", shlex.quote(report["file"]))
            print(f"{code}: {item.get('hint') or general}")


def import_file(
    ctx: Context,
    file: FileArgument,
    timeframe: TimeframeOption = None,
    symbol: Annotated[str | None, typer.Option(help="Symbol (default: from the file's name).")] = None,
    synthetic: SyntheticOption = False,
    utc: UtcOption = False,
    allow: AllowOption = None,
) -> None:
    """Check a file and keep its canonical candles in the cache."""
    from foldward.data.cache import Cache

    ctx.home.make()
    entry = Cache(ctx.home.cache).ensure(
        file,
        _minutes(timeframe),
        symbol=symbol,
        utc=utc,
        allow=tuple(allow or ctx.settings.data.allow),
        synthetic=synthetic,
        coverage_min=ctx.settings.data.coverage_min,
    )
    if ctx.as_json:
        print_json(_entry(entry))
    else:
        say(f"{entry.symbol} {timeframe_label(entry.timeframe)}: {entry.rows:,} rows, {entry.fingerprint}")


def _entry(entry: Any) -> dict[str, Any]:
    return {
        "symbol": entry.symbol,
        "timeframe": entry.timeframe,
        "rows": entry.rows,
        "first": entry.first,
        "last": entry.last,
        "fingerprint": entry.fingerprint,
        "provenance": entry.provenance,
        "source": str(entry.source),
    }


def repair(
    ctx: Context,
    file: FileArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The new file.", show_default=False)],
    timeframe: TimeframeOption = None,
    synthetic: SyntheticOption = False,
    utc: UtcOption = False,
    allow: AllowOption = None,
    force: ForceOption = False,
) -> int:
    """Write a repaired copy and say what was changed. Exit 7 when it is still refused."""
    spare(out, force, file)
    from foldward.data.repair import repair as repair_file

    done = repair_file(
        file,
        out,
        _minutes(timeframe),
        utc=utc,
        allow=tuple(allow or ctx.settings.data.allow),
        synthetic=synthetic,
    )
    if ctx.as_json:
        print_json(done)
    else:
        kept = "accepted" if done["accepted"] else "still REFUSED"
        say(f"{out}: {kept}, {done['rows_before']:,} rows before, {done['rows_after']:,} after")
        for change in done["changes"]:
            say(f"  {change['code']} ×{change['count']}: {change['action']}")
        if not done["accepted"]:
            _show(done["report"] if isinstance(done["report"], dict) else done["report"].to_dict())
    return 0 if done["accepted"] else 7


def list_entries(ctx: Context) -> None:
    """List the candles in the cache."""
    from foldward.contracts.clock import iso_s
    from foldward.data.cache import Cache

    entries = [_entry(entry) for entry in Cache(ctx.home.cache).entries()] if ctx.home.cache.exists() else []
    if ctx.as_json:
        print_json(entries)
        return
    print_table(
        "",
        ("symbol", "timeframe", "rows", "first", "last", "provenance", "fingerprint"),
        [
            (
                row["symbol"],
                timeframe_label(row["timeframe"]),
                row["rows"],
                iso_s(row["first"]),
                iso_s(row["last"]),
                row["provenance"],
                row["fingerprint"][:19],
            )
            for row in entries
        ],
        empty="no candles yet: foldward data import FILE",
    )


command(group, "check")(check)
command(group, "import")(import_file)
command(group, "repair")(repair)
command(group, "list")(list_entries)
