"""Long lists a page at a time: every row once, in order, from an index."""

import pytest

from foldward.contracts.facts import HoldDeadLetter
from storage.reads.pages import PageReader

T0 = 1_770_000_000_000_000
S = 1_000_000
STATUSES = (None, "open", "pending", "retry", "sent", "error", "cancelled", "success")


@pytest.fixture
def pages(path):
    with PageReader(path) as reader:
        yield reader


@pytest.fixture
def mixed(facts, do):
    """Three of each: 1-3 pending, 4-6 retry, 7-9 sent, 10-12 given up, 13-15 cancelled, 16-18 finished."""
    for n in range(1, 19):
        name = "alpha" if n % 3 else "beta"
        kind = "wfv" if n % 2 else "cpcv"
        do(facts.admit(n, name, kind, requested_us=T0 + n * S, due_us=T0 - n, priority=n % 2))
        if n > 3:
            do(facts.lease(n, deadline_us=T0 + (50 - n) * S))
        if 4 <= n <= 6:
            do(facts.fail(n, due_us=T0 + (9 - n) * S))
        if 10 <= n <= 12:
            do(facts.give_up(n, at_us=T0 + n * S))
        if 13 <= n <= 15:
            do(facts.cancel(n))
        if n >= 16:
            do(facts.answer(n))


def walk(pages, limit, **given):
    """The numbers of all requests, page after page."""
    found, after = [], None
    while True:
        rows, after = pages.request_page(after=after, limit=limit, **given)
        assert len(rows) <= limit
        found += [int(row.request_id[-12:]) for row in rows]
        if after is None:
            return found


ORDERS = {
    None: list(range(18, 0, -1)),
    "open": [1, 2, 3, 4, 5, 6, 7, 8, 9],
    "pending": [3, 1, 2],  # priority 1 first, then the longest due
    "retry": [5, 6, 4],
    "sent": [9, 8, 7],  # by deadline
    "error": [12, 11, 10],
    "cancelled": [15, 14, 13],
    "success": [18, 17, 16],
}


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pages_hold_every_row_once_and_in_order(mixed, pages, limit):
    assert {status: walk(pages, limit, status=status) for status in STATUSES} == ORDERS


@pytest.mark.parametrize(("status", "limit"), list(zip(STATUSES, [1, 2, 50, 1, 2, 1, 50, 2], strict=True)))
def test_a_filter_leaves_out_the_others(mixed, pages, status, limit):
    for kind, odd in (("wfv", 1), ("cpcv", 0)):
        wanted = [n for n in ORDERS[status] if n % 2 == odd]
        assert walk(pages, limit, status=status, kind=kind) == wanted
        named = sorted((n for n in wanted if n % 3 == 0), reverse=True)
        assert walk(pages, limit, status=status, kind=kind, name="beta") == named
    assert walk(pages, limit, status=status, name="beta") == sorted(
        (n for n in ORDERS[status] if n % 3 == 0), reverse=True
    )


def test_a_cursor_that_cannot_be_read_begins_at_the_first_page(mixed, pages):
    for status in STATUSES[1:]:
        for cursor in ("", "x", "1.2.3.4", "1.x", "-5", "9" * 40, "1;DROP TABLE results"):
            rows, _ = pages.request_page(status, after=cursor)
            assert [int(row.request_id[-12:]) for row in rows] == ORDERS[status]


def test_no_page_sorts_or_walks_what_it_does_not_show(mixed, pages):
    connection, plans = pages._connection(), []

    def trace(_, sql, bindings):
        plans.append((sql, bindings))
        return True

    for status in STATUSES:
        connection.set_exec_trace(trace)
        pages.request_page(status)
        connection.set_exec_trace(None)
    steps = [
        step[3]
        for sql, bindings in plans
        for step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings or ())
    ]
    # Rows that are due at the same microsecond are sorted among themselves, nothing else is.
    sorts = {step for step in steps if "TEMP B-TREE" in step}
    assert sorts == {"USE TEMP B-TREE FOR LAST TERM OF ORDER BY"}
    # Walks begin at one end of an index (rowid for results) and stop at the page's last row.
    walks = {step for step in steps if step.startswith("SCAN")}
    assert walks == {
        "SCAN oos_queue USING INDEX oos_queue_open_age",
        "SCAN oos_queue USING INDEX sqlite_autoindex_oos_queue_1",
        "SCAN results",
        "SCAN results USING INDEX sqlite_autoindex_results_1",
    }


def test_letters_come_newest_first_page_by_page(do, pages):
    for n in range(1, 6):
        reason = "schema" if n % 2 else "oversize"
        do(HoldDeadLetter(reason=reason, code="wire.x", error="e", payload=b"x" * n, at_us=T0))
    rows, before = pages.dead_page(limit=2)
    assert ([row.id for row in rows], before) == ([5, 4], "4")
    rows, before = pages.dead_page(before=4, limit=3)
    assert ([row.id for row in rows], before) == ([3, 2, 1], None)
    assert [row.id for row in pages.dead_page(reason="schema")[0]] == [5, 3, 1]
    assert pages.dead_page("dropped") == ([], None)
    assert len(pages.dead_page(None)[0]) == 5


def test_the_league_is_in_the_order_of_the_command_line(facts, do, pages, writer):
    from foldward.console.league import league

    names = [f"s{n}" for n in range(6)]
    do(facts.imported(*(facts.strategy(name) for name in names)))
    for name, verdict, rank, sharpe in (
        ("s0", "FAIL", "B", 0.9),
        ("s1", "PASS", "S", 0.2),
        ("s2", "PASS", "S", 0.7),
        ("s3", "BLOCKED", "incubator", None),
        ("s4", "FAIL", "A", None),
    ):
        writer._connection.execute(
            "UPDATE strategies SET verdict = ?, rank = ?, oos_sharpe = ? WHERE name = ?",
            (verdict, rank, sharpe, name),
        )
    rows, more = pages.league_page(limit=5)
    assert ([row.name for row in rows], more) == (["s2", "s1", "s4", "s0", "s3"], True)
    assert [row["strategy"] for row in league(pages)] == [row.name for row in rows]
    assert [row.name for row in pages.league_page(offset=5)[0]] == ["s5"]
    assert [row.name for row in pages.league_page("none")[0]] == ["s5"]
    assert [row.name for row in pages.league_page("FAIL", begins="s4")[0]] == ["s4"]
    assert pages.verdict_counts() == {"PASS": 2, "FAIL": 2, "BLOCKED": 1, "none": 1}


def test_what_a_request_is_about_is_known_open_or_finished(mixed, pages):
    ids = [f"01980000-0000-7000-8000-{n:012d}" for n in (1, 18, 99)]
    assert pages.about(ids) == {ids[0]: ("alpha", "wfv"), ids[1]: ("beta", "cpcv")}
    assert pages.last_result_us() == T0 + 250_500
