"""A daily report with something in every part of it."""

from typing import Any


def sample() -> dict[str, Any]:
    """A bad day: failures, a stuck request, restarts, moves; its texts hold what would break a page."""
    figures = {
        "count": 4_210,
        "min_s": 0.02,
        "mean_s": 0.61,
        "p50_s": 0.41,
        "p95_s": 1.9,
        "p99_s": 4.4,
        "max_s": 31.0,
    }
    bars = [
        (0.02, 11),
        (0.05, 120),
        (0.1, 410),
        (0.2, 640),
        (0.5, 1_450),
        (1, 890),
        (2, 510),
        (5, 150),
        (10, 20),
    ]
    histogram = [{"le_s": edge, "count": count} for edge, count in bars]
    histogram += [{"le_s": 60, "count": 9}, {"le_s": None, "count": 0}]
    hours = [
        {
            "hour": f"2026-02-03T{hour:02d}:00:00.000Z",
            "success": 80 + (hour * 37) % 210,
            "failure": (hour * 5) % 13,
        }
        for hour in range(24)
    ]
    history = [
        {
            "day": f"2026-01-{21 + number:02d}",
            "success": 3_000 + number * 110,
            "failure": 20 + number,
            "success_rate": 0.99,
            "p95_s": 0.5 + 0.02 * number,
            "held": number,
        }
        for number in range(10)
    ]
    return {
        "schema_version": 1,
        "day": "2026-02-03",
        "made_at": "2026-02-03T23:59:59.000Z",
        "period": {"from": "2026-02-02T23:59:58.000Z", "to": "2026-02-03T23:59:59.000Z", "hours": 24.0},
        "summary": "OOS sent: 4,400 retry: 120 success: 4,210 failure: 160 pending: 12 oldest: 840s",
        "kpis": {
            "requested": 4_300,
            "sent": 4_400,
            "success": 4_210,
            "given_up": 8,
            "success_rate": 0.998,
            "failure": 460,
            "failure_rate": 0.1045,
            "retry": 120,
            "data_invalid": 2,
            "nondeterministic": 1,
            "dead_letters": 14,
            "rank_moves": 3,
            "telemetry_fail": 0,
            "notify_failure": 0,
            "p50_s": 0.41,
            "p95_s": 1.9,
            "p99_s": 4.4,
            "max_s": 31.0,
            "queue_p95_s": 0.8,
            "run_p95_s": 1.2,
        },
        "day_counters": {"sent": 4_400},
        "totals": {"sent": 84_400},
        "queue": {"pending": 12, "in_flight": 4, "waiting_retry": 3, "oldest_age_s": 840.0},
        "latency": {
            "latency": {**figures, "histogram": histogram},
            "queue_wait": {**figures, "histogram": []},
            "run_time": {**figures, "histogram": []},
        },
        "latency_by_kind": {"oos": figures, "wfv": {**figures, "count": 310}},
        "hours": hours,
        "failures": [
            {
                "reason": "engine.failed",
                "count": 310,
                "requests": 290,
                "last_error": "division by zero <script>",
            },
            {"reason": "a|b", "count": 120, "requests": 40, "last_error": "line\nline"},
            {"reason": "wire.timeout", "count": 30, "requests": 30, "last_error": None},
        ],
        "failures_by_kind": [{"kind": "oos", "count": 460, "requests": 330}],
        "stuck": [
            {
                "what": "request",
                "request_id": "01980000-0000-7000-8000-000000000001",
                "name": "sma-EURUSD-5-20",
                "age_s": 840.0,
                "why": "due and not sent: no worker is free, or sending is paused",
            }
        ],
        "dead_letters": {"held": 21, "by_reason": {"schema": 13, "unknown_request_id": 8}},
        "new_dead_letters": {"schema": 13, "exhausted": 1},
        "ranks": {"A": 40, "B": 210, "S": 12, "graveyard": 300, "incubator": 438},
        "verdicts": {"BLOCKED": 98, "FAIL": 640, "INVALID": 22, "PASS": 40, "none": 200},
        "restarts": 4,
        "events": {
            "complete": True,
            "counts": {"supervisor.child_restarted": 4, "breaker.opened": 1, "data.refused": 2},
            "moves": [
                {"at": "2026-02-03T10:00:00.000Z", "strategy": "sma-EURUSD-5-20", "from": "B", "to": "A"},
                {
                    "at": "2026-02-03T11:00:00.000Z",
                    "strategy": "rsi<b>",
                    "from": "incubator",
                    "to": "graveyard",
                },
            ],
            "restarts": [{"child": "worker-2", "count": 4, "reason": "killed by signal 9"}],
            "refused": [{"file": "prices/XAUUSD_M5.csv", "codes": "data.geometry", "count": 2}],
            "opened": [{"breaker": "worker-2", "count": 1}],
        },
        "history": history,
        "attention": [
            {
                "what": "1 requests had two different answers",
                "why": "their strategies are INVALID",
                "command": "foldward failures --by strategy",
            },
            {
                "what": "1 requests are stuck",
                "why": "the longest for 14 min: due and not sent",
                "command": "foldward why 0198",
            },
        ],
    }
