"""What must hold after the chaos: nothing lost, nothing applied twice, every end told, every figure right."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import apsw

from storage.maintenance import fsck
from storage.reads import Reader

SHOWN = 5

# The rule in words, and the rows that break it. `requests` is every request that was ever admitted.
_RULES = {
    "an answer is applied once": (
        "SELECT request_id FROM events WHERE event = 'oos.result' GROUP BY request_id HAVING count(*) > 1"
    ),
    "a result's timeline says that it was applied": (
        "SELECT request_id FROM results EXCEPT SELECT request_id FROM events WHERE event = 'oos.result'"
    ),
    "what was applied has a result": (
        "SELECT request_id FROM events WHERE event = 'oos.result' EXCEPT SELECT request_id FROM results"
    ),
    "the same work is not done twice": (
        "SELECT min(request_id) FROM results GROUP BY digest HAVING count(*) > 1"
    ),
    "a request is admitted once": (
        "SELECT request_id FROM events WHERE event = 'oos.requested' GROUP BY request_id HAVING count(*) > 1"
    ),
    "what was admitted is a row or a result": (
        "SELECT request_id FROM events WHERE event = 'oos.requested'"
        " EXCEPT SELECT request_id FROM results EXCEPT SELECT request_id FROM oos_queue"
    ),
    "a given-up request has one held letter, and the other way round": (
        "SELECT request_id FROM oos_queue WHERE status = 'error' AND (SELECT count(*) FROM dead_letters d"
        " WHERE d.request_id = oos_queue.request_id AND d.direction = 'request' AND d.state = 'held') <> 1"
        " UNION ALL SELECT request_id FROM dead_letters WHERE direction = 'request' AND state = 'held'"
        " AND request_id NOT IN (SELECT request_id FROM oos_queue WHERE status = 'error')"
    ),
    "no answer contradicts another": "SELECT request_id FROM results WHERE conflicts > 0",
    "nothing is left open": "SELECT request_id FROM oos_queue WHERE closed_at IS NULL",
}
_BOTH = "(SELECT sends, failures FROM results UNION ALL SELECT sends, failures FROM oos_queue)"
# A counter and what it must equal.
_SUMS = {
    "requested": "SELECT (SELECT count(*) FROM results) + (SELECT count(*) FROM oos_queue)",
    "success": "SELECT count(*) FROM results",
    "sent": f"SELECT coalesce(sum(sends), 0) FROM {_BOTH}",
    "retry": f"SELECT coalesce(sum(failures), 0) FROM {_BOTH}",
    "given_up": "SELECT count(*) FROM oos_queue WHERE status = 'error'",
    "returned": "SELECT count(*) FROM events WHERE event = 'oos.returned'",
    "recovered": "SELECT count(*) FROM events WHERE event = 'oos.recovered'",
    "duplicate": "SELECT count(*) FROM events WHERE event = 'oos.duplicate'",
    "nondeterministic": "SELECT 0",
}


def check(database: Path, acknowledged: Mapping[str, str], strategies: Collection[str]) -> dict[str, Any]:
    """{"violations": […], "counters", "results", "letters"}.

    acknowledged: request id → what the caller was told (queued, pending, cached). strategies: names whose
    import was acknowledged.
    """
    found = [f"fsck: {violation}" for violation in fsck(database)["violations"]]
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        for rule, sql in _RULES.items():
            keys = [row[0] for row in connection.execute(sql)]
            if keys:
                found.append(f"{rule}: {_some(keys)}")
        with Reader(database) as reader:
            counters = reader.counters()
        for name, sql in _SUMS.items():
            (expected,) = next(iter(connection.execute(sql)))
            if counters[name] != expected:
                found.append(f"the counter {name} is {counters[name]}, the rows say {expected}")
        results = {row[0] for row in connection.execute("SELECT request_id FROM results")}
        rows = {row[0] for row in connection.execute("SELECT request_id FROM oos_queue")}
        lost = [
            key
            for key, said in acknowledged.items()
            if key not in results and (said == "cached" or key not in rows)
        ]
        if lost:
            found.append(f"acknowledged and not stored: {_some(lost)}")
        names = {row[0] for row in connection.execute("SELECT name FROM strategies")}
        if missing := sorted(set(strategies) - names):
            found.append(f"imported and not stored: {_some(missing)}")
        letters = dict(connection.execute("SELECT reason, sum(count) FROM dead_letters GROUP BY reason"))
    finally:
        connection.close()
    for reason, count in letters.items():
        said = counters.get(f"dead_letter.{reason}", 0)
        if said != count:
            found.append(f"the counter dead_letter.{reason} is {said}, the letters say {count}")
    return {"violations": found, "counters": counters, "results": len(results), "letters": letters}


def crashes(log: Path) -> list[str]:
    """Crash reports in core's log: a killed process leaves none, a bug does."""
    if not log.is_file():
        return []
    return re.findall(r"crash report: .*", log.read_text(errors="replace"))


def _some(keys: list[Any]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return f"{', '.join(map(str, keys[:SHOWN]))}{more}"
