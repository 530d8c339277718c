"""What a daily report takes from files: the period's events, and the reports of the days before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

_MARK = b'"event_type":"'
WANTED = frozenset(
    {
        "rank.changed",
        "rank.blocked",
        "supervisor.child_restarted",
        "supervisor.child_hung",
        "supervisor.budget_spent",
        "breaker.opened",
        "heartbeat.lost",
        "data.refused",
        "oos.nondeterministic",
        "oos.mirror_rejected",
        "config.reload_rejected",
        "dead_letter.held",
    }
)
MAX_MOVES = 200


class _Event(msgspec.Struct):
    timestamp: str
    data: dict[str, Any]


def day_events(file: Path, since: str, keep: int = 5) -> dict[str, Any]:
    """What the event file tells of the time since `since` (ISO, as in the events).

    {complete, counts {event type: n}, moves [{at, strategy, from, to}], restarts [{child, count, reason}],
    refused [{file, codes, count}], opened [breaker …]}. complete is False when rotation has taken a part.
    """
    counts: Counter[str] = Counter()
    moves: list[dict[str, Any]] = []
    restarts: dict[str, list[Any]] = {}
    refused: dict[tuple[str, str], int] = {}
    opened: Counter[str] = Counter()
    complete = False
    for older in range(keep + 1):
        part = file if not older else file.with_name(f"{file.name}.{older}")
        if not part.exists():
            complete = True  # the file has never been rotated as often
            break
        reached = False
        for name, event in _events(part):
            if event.timestamp < since:
                reached = True
                continue
            counts[name] += 1
            data = event.data
            if name == "rank.changed":
                move = {key: data.get(key) for key in ("strategy", "from", "to")}
                moves.append({"at": event.timestamp, **move})
            elif name in ("supervisor.child_restarted", "supervisor.child_hung"):
                seen = restarts.setdefault(str(data.get("child")), [0, ""])
                seen[0] += name == "supervisor.child_restarted"
                seen[1] = str(data.get("reason") or "")
            elif name == "data.refused":
                key = (str(data.get("file")), _words(data.get("codes")))
                refused[key] = refused.get(key, 0) + 1
            elif name == "breaker.opened":
                opened[str(data.get("breaker"))] += 1
        if reached or _first_time(part) < since:
            complete = True
            break
    moves.sort(key=lambda move: move["at"])
    return {
        "complete": complete,
        "counts": dict(sorted(counts.items())),
        "moves": moves[-MAX_MOVES:],
        "restarts": [
            {"child": child, "count": count, "reason": reason}
            for child, (count, reason) in sorted(restarts.items(), key=lambda item: (-item[1][0], item[0]))
        ],
        "refused": [
            {"file": name, "codes": codes, "count": count} for (name, codes), count in sorted(refused.items())
        ],
        "opened": [{"breaker": name, "count": count} for name, count in sorted(opened.items())],
    }


def _events(part: Path) -> Iterator[tuple[str, _Event]]:
    try:
        with part.open("rb") as lines:
            for line in lines:
                start = line.find(_MARK) + len(_MARK)
                name = line[start : line.find(b'"', start)].decode("utf-8", "replace")
                if name not in WANTED:
                    continue
                try:
                    event = msgspec.json.decode(line, type=_Event)
                except msgspec.DecodeError:
                    continue  # half a line, or not ours: the report is of what can be read
                yield name, event
    except OSError:
        return


def _first_time(part: Path) -> str:
    """When the first event of a file was; "~", after every time, when that cannot be read."""
    try:
        with part.open("rb") as lines:
            return str(msgspec.json.decode(lines.readline())["timestamp"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return "~"


def _words(codes: Any) -> str:
    return ", ".join(map(str, codes)) if isinstance(codes, list | tuple) else str(codes)


def history(folder: Path, day: str, days: int = 14) -> list[dict[str, Any]]:
    """The figures of the reports before `day`, oldest first; one that cannot be read is left out.

    [{day, success, failure, success_rate, p95_s, held}]
    """
    files = sorted(file for file in folder.glob("daily-????-??-??.json") if _day(file) < day)[-days:]
    found = []
    for file in files:
        try:
            report = msgspec.json.decode(file.read_bytes())
            kpis = report["kpis"]
            line = {name: kpis[name] for name in ("success", "failure", "success_rate", "p95_s")}
            found.append({"day": _day(file), **line, "held": report["dead_letters"]["held"]})
        except (OSError, msgspec.DecodeError, KeyError, TypeError):
            continue
    return found


def _day(file: Path) -> str:
    return file.stem.removeprefix("daily-")
