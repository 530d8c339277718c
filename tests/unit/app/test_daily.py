"""The daily report's page: self-contained, escaped, whole also on a day without anything."""

import re
from html.parser import HTMLParser

from daily_sample import sample

from actors._day_words import attention
from foldward.app import _plots
from foldward.app.daily import render, write_page


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    VOID = frozenset({"meta", "br", "line", "rect", "circle", "polyline", "i"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in self.VOID or tag == "i":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        while self.open and self.open[-1] in ("rect", "circle"):
            self.open.pop()
        if tag in ("rect", "circle"):
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def checked(page):
    reader = Balanced()
    reader.feed(page)
    assert reader.open == []
    return reader.seen


def test_the_page_is_whole_and_asks_for_nothing_from_outside():
    page = render(sample())
    tags = checked(page)
    assert "svg" in tags
    assert "script" not in tags
    assert "link" not in tags
    assert not re.search(r"(?:src|href|url)\s*[=(]", page)
    assert page.count("<figure>") == 6


def test_what_others_wrote_cannot_become_markup():
    page = render(sample())
    assert "division by zero &lt;script&gt;" in page
    assert "rsi&lt;b&gt;" in page
    assert "<script" not in page


def test_a_day_without_anything_is_a_page_too():
    report = sample()
    nothing = {
        "count": 0,
        "mean_s": None,
        "p50_s": None,
        "p95_s": None,
        "p99_s": None,
        "max_s": None,
        "histogram": [],
    }
    report["kpis"] = {name: None if name.endswith(("_s", "_rate")) else 0 for name in report["kpis"]}
    report |= {
        "latency": {"latency": nothing, "queue_wait": nothing, "run_time": nothing},
        "latency_by_kind": {},
        "hours": [],
        "failures": [],
        "failures_by_kind": [],
        "stuck": [],
        "dead_letters": {"held": 0, "by_reason": {}},
        "new_dead_letters": {},
        "ranks": {},
        "verdicts": {},
        "restarts": None,
        "events": None,
        "history": [],
        "period": {"from": None, "to": "2026-02-03T00:00:00.000Z", "hours": None},
    }
    report["attention"] = attention(report)
    page = render(report)
    checked(page)
    assert "Nothing needs attention." in page
    assert "from the beginning" in page
    assert "there are no strategies" in page


def test_the_page_lies_beside_the_report(tmp_path):
    page = write_page(sample(), tmp_path / "daily-2026-02-03.json")
    assert page == tmp_path / "daily-2026-02-03.html"
    assert page.read_text().startswith("<!doctype html>")


def test_an_axis_ends_at_a_round_number_above_the_highest_bar():
    assert _plots._nice(310) == (400, 100)
    assert _plots._nice(7) == (8, 2)
    assert _plots._nice(0.9) == (1.0, 0.5)
    assert _plots._nice(1) == (1.0, 0.5)
    assert _plots._nice(0) == (1.0, 1.0)


def test_a_report_without_a_value_leaves_a_gap_in_the_line():
    days = [
        {"day": f"2026-02-0{number}", "p95_s": value} for number, value in enumerate((1, 2, None, 3, 4), 1)
    ]
    drawn = str(_plots.trend_plot(days, "p95_s", "s"))
    assert drawn.count("<polyline") == 2
    assert drawn.count("<circle") == 4
    assert "too few" in str(_plots.trend_plot(days[:1], "p95_s", "s"))


def test_percentiles_stand_over_the_bar_that_holds_them():
    part = {"count": 3, "p50_s": 0.1, "p95_s": 0.9, "p99_s": 70.0}
    part["histogram"] = [{"le_s": 0.1, "count": 2}, {"le_s": 1, "count": 1}, {"le_s": None, "count": 1}]
    drawn = str(_plots.latency_plot(part))
    assert [drawn.count(f">{name}<") for name in ("p50", "p95", "p99")] == [1, 1, 1]


def test_more_causes_than_fit_are_summed_up():
    failures = [{"reason": f"cause {number}", "count": 20 - number} for number in range(12)]
    drawn = str(_plots.causes_plot(failures))
    assert "4 more" in drawn
    assert ">42<" in drawn
