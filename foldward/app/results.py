"""What a run found: verdicts, the digest over all of them, and the page that shows it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foldward.app.candles import Candles
from foldward.app.report import equity_chart, write_report
from foldward.console.league import league, league_row
from foldward.contracts import clock
from foldward.contracts.canonical import digest
from foldward.contracts.jobs import PHASES, is_of_run
from foldward.contracts.timeframe import timeframe_label
from foldward.settings import Home
from storage.reads import Reader
from storage.rows import ResultRow

VERDICTS = ("PASS", "FAIL", "INVALID", "BLOCKED")
CHARTS = 6


@dataclass(frozen=True)
class Found:
    """All that the final answer, the printed table and the page are made of."""

    league: list[dict[str, Any]]
    verdicts: dict[str, int]
    refused: list[dict[str, str]]
    digest: str


def judged(reader: Reader, names: Collection[str]) -> set[str]:
    """Which of the names have a verdict."""
    return {row.name for row in reader.strategies() if row.verdict is not None and row.name in names}


def of_run(
    seed: int,
    data: Collection[str],
    engines: Mapping[str, str],
    fits: Callable[[ResultRow], bool] = lambda _: True,
) -> Callable[[ResultRow], bool]:
    """Whether a result belongs to a run with this seed, on these candles (fingerprints), by these engines.

    engines: strategy's name → what makes the numbers of its kind; any engine for a name that is not there.
    fits: whether a result was made on the run's bars.
    """
    known = frozenset(data)

    def accept(row: ResultRow) -> bool:
        return is_of_run(row, seed=seed, data=known, engine=engines.get(row.name)) and fits(row)

    return accept


def current(reader: Reader, names: Collection[str], accept: Callable[[ResultRow], bool]) -> int:
    """How many accepted results these strategies have, one a kind of work."""
    return sum(reader.latest(name, kind, accept) is not None for name in names for kind in PHASES)


def note(reader: Reader) -> str:
    """`412 applied, 3 waiting, 2 in work`: what moves between two verdicts."""
    counts, counters = reader.queue_counts(), reader.counters()
    waiting = counts["pending"] + counts["retry"]
    return f"{counters.get('success', 0):,} applied, {waiting:,} waiting, {counts['sent']:,} in work"


def collect(
    reader: Reader,
    names: Collection[str],
    refused: Sequence[dict[str, str]],
    candles: Candles,
    accept: Callable[[ResultRow], bool],
) -> Found:
    """Read the end state of these strategies."""
    rows = [row for row in league(reader) if row["strategy"] in names]
    counts = dict.fromkeys(VERDICTS, 0)
    for row in rows:
        counts[row["verdict"]] += 1
    data = [{"name": label, "code": code, "message": message} for label, code, message in candles.refusals()]
    return Found(rows, counts, [*refused, *data], run_digest(reader, names, accept))


def run_digest(reader: Reader, names: Collection[str], accept: Callable[[ResultRow], bool]) -> str:
    """One digest for all verdicts and all results; free of ids, times, order and worker count."""
    parts = []
    for name in sorted(names):
        row = reader.strategy(name)
        if row is None:
            continue
        shown = league_row(row)
        found = {}
        for kind in PHASES:
            result = reader.latest(name, kind, accept)
            if result is not None:
                found[kind] = result.result_digest
        parts.append([name, shown["verdict"], shown["rank"], shown["gates"], shown["reasons"], found])
    return digest(parts)


def write_page(
    file: Path, home: Home, found: Found, answer: Mapping[str, Any], manifest: Mapping[str, Any]
) -> Path:
    """Write report.html."""
    with Reader(home.database) as reader:
        charts = [chart for row in found.league[: 4 * CHARTS] if (chart := _chart(reader, row)) is not None]
        dead = [
            {"id": row.id, "reason": row.reason, "code": row.code, "size": row.size, "error": row.error}
            for row in reader.dead_letters(state="held", limit=50)
        ]
        requests = reader.counters().get("success", 0)
    passed, total = found.verdicts["PASS"], len(found.league)
    page = {
        "headline": f"{passed} of {total} strategies pass out of sample"
        if passed
        else f"None of {total} strategies passes",
        "run": {**answer, "when": clock.iso_s(clock.utcnow().timestamp())},
        "verdicts": found.verdicts,
        "requests": requests,
        "rows": [{**row, "timeframe_label": timeframe_label(row["timeframe"])} for row in found.league],
        "charts": charts[:CHARTS],
        "refused": found.refused,
        "dead": dead,
        "provenance": _provenance(manifest),
    }
    return write_report(file, page)


def _chart(reader: Reader, row: Mapping[str, Any]) -> dict[str, Any] | None:
    inside, outside = reader.latest(row["strategy"], "backtest"), reader.latest(row["strategy"], "oos")
    first = (inside.detail.get("equity") if inside else None) or []
    second = (outside.detail.get("equity") if outside else None) or []
    if not first or not second:
        return None
    return {
        "name": row["strategy"],
        "verdict": row["verdict"],
        "is_sharpe": row["is_sharpe"],
        "oos_sharpe": row["oos_sharpe"],
        "svg": equity_chart(first, second),
    }


def _provenance(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    code, environment, own = manifest["code"], manifest["environment"], manifest.get("kinds") or {}
    rows = [
        ("seed", str(manifest["seed"])),
        ("engine", manifest["engine"]),
        *((f"kind {name}", f"{kind['source']} ({kind['origin']})") for name, kind in own.items()),
        ("strategies", manifest["strategies"]),
        ("settings", manifest["config_hash"]),
        (
            "code",
            f"{code['version']} {code['source']}" + (" (changed checkout)" if code.get("dirty") else ""),
        ),
        ("python", f"{environment['python']} on {environment['platform']}"),
        ("packages", ", ".join(f"{name} {version}" for name, version in environment["packages"].items())),
    ]
    return rows + [(f"data {label}", fingerprint) for label, fingerprint in manifest["data"].items()]
