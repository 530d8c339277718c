"""The report: self-contained, escaped, and a curve that joins at the border."""

import re
from typing import Any

from foldward.app.report import equity_chart, render


def page(**changes: Any) -> dict[str, Any]:
    row = {
        "strategy": "sma-X",
        "kind": "sma",
        "symbol": "X",
        "timeframe_label": "H1",
        "verdict": "PASS",
        "rank": "A",
        "is_sharpe": 1.234,
        "oos_sharpe": None,
        "profit_factor": 1.5,
        "max_drawdown": 0.1,
        "trades": 42,
        "dsr": 0.96,
        "pbo": None,
        "reasons": ["all gates hold"],
    }
    base: dict[str, Any] = {
        "headline": "1 of 1 strategies pass",
        "run": {
            "run_id": "r",
            "seed": 7,
            "when": "2026-01-01T00:00:00Z",
            "seconds": 1.25,
            "result_digest": "sha256:0",
        },
        "verdicts": {"PASS": 1, "FAIL": 0, "BLOCKED": 0, "INVALID": 0},
        "requests": 4,
        "rows": [row],
        "charts": [],
        "refused": [],
        "dead": [],
        "provenance": [("seed", "7")],
    }
    return base | changes


def test_numbers_have_two_decimals_and_what_is_missing_is_a_dash() -> None:
    html = render(page())
    assert '<td class="n">1.23</td><td class="n">–</td>' in html
    assert '<td class="n">10.0%</td>' in html


def test_nothing_is_fetched_from_outside() -> None:
    html = render(page())
    assert not re.search(r"<script|<link|src=|https?://", html)


def test_a_name_with_markup_is_shown_as_text() -> None:
    bad = {"name": "<script>alert(1)</script>", "code": "data.refused", "message": "<b>"}
    html = render(page(refused=[bad]))
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_the_second_curve_begins_where_the_first_one_ended() -> None:
    svg = str(equity_chart([(0, 100.0), (10, 200.0)], [(10, 100.0), (20, 150.0)]))
    inside, outside = re.findall(r'points="([^"]+)"', svg)
    assert inside.split()[-1] == outside.split()[0]
    assert 'class="border"' in svg


def test_too_little_for_a_curve_says_so() -> None:
    assert "no equity curve" in str(equity_chart([], []))
