"""The scheduling guard of walk-forward validation."""

import pytest

from actors._schedule import (
    Candidate,
    Decision,
    Pending,
    broken,
    decide,
    expired,
    guard,
    parts,
    pending_stats,
    split_ratio,
)
from foldward.settings import WfvTable

SETTINGS = WfvTable(interval_s=3600, max_pending=2, max_per_run=1)
BEST_FIRST = [Candidate("weak", (0.1,)), Candidate("best", (0.9,)), Candidate("good", (0.5,))]


def run(name="x", started=900.0, **fields):
    return Pending(f"id-{name}", name, started, **fields)


def test_entries_at_900_and_950_are_two_and_the_oldest_is_100_old_at_1000():
    assert pending_stats([run("a", 900.0), run("b", 950.0)], 1000.0) == (2, 100.0)
    assert pending_stats([], 1000.0) == (0, None)
    assert pending_stats([run("a", 1010.0)], 1000.0) == (1, 0.0)


def test_a_schedule_that_is_off_starts_nothing():
    off = WfvTable(enabled=False)
    assert decide(off, [], lambda: BEST_FIRST, None, 0.0) == Decision(reason="disabled")


@pytest.mark.parametrize(
    ("now", "reason"),
    [(3599.9, "interval"), (3600.0, None), (-5.0, None)],
    ids=["early", "due", "clock back"],
)
def test_the_interval_counts_from_the_last_start(now, reason):
    assert guard(SETTINGS, [], 0.0, now) == reason


def test_at_the_limit_nothing_starts():
    assert guard(SETTINGS, [run("a")], None, 1000.0) is None
    assert guard(SETTINGS, [run("a"), run("b")], None, 1000.0) == "pending"


def test_a_limit_of_zero_defers_always():
    assert guard(WfvTable(max_pending=0), [], None, 0.0) == "pending"


def test_the_best_candidate_that_is_not_under_way_starts():
    assert decide(SETTINGS, [], lambda: BEST_FIRST, None, 0.0).start == ("best",)
    assert decide(SETTINGS, [run("best")], lambda: BEST_FIRST, None, 0.0).start == ("good",)


def test_no_more_start_than_the_room_under_the_limit():
    many = WfvTable(max_pending=2, max_per_run=5)
    assert decide(many, [run("best")], lambda: BEST_FIRST, None, 0.0).start == ("good",)
    assert decide(many, [], lambda: BEST_FIRST, None, 0.0).start == ("best", "good")


def test_without_a_candidate_the_reason_says_so():
    assert decide(SETTINGS, [run("best")], lambda: [Candidate("best")], None, 0.0).reason == "no_candidate"


def test_candidates_are_not_looked_for_while_nothing_may_start():
    def never():
        raise AssertionError("looked")

    assert decide(SETTINGS, [], never, 0.0, 10.0).reason == "interval"


def test_a_run_expires_at_its_deadline():
    runs = [run("a", deadline_at=1000.0), run("b", deadline_at=1000.1), run("c")]
    assert [gone.name for gone in expired(runs, 1000.0)] == ["a"]


def test_only_a_classic_split_has_a_ratio():
    assert split_ratio({"mode": "classic"}) == 0.2
    assert split_ratio(None) == 0.2
    assert split_ratio({"mode": "rolling", "train": "90d"}) is None


def test_parts_are_both_halves_or_numbered_folds():
    classic = {"folds": [{"is_sharpe": 1.0, "oos_sharpe": 0.5}]}
    assert parts(classic) == [("IS", 1.0), ("OOS", 0.5)]
    rolling = {"folds": [{"oos_sharpe": 0.1}, {"oos_sharpe": 0.2}]}
    assert parts(rolling) == [(1, 0.1), (2, 0.2)]


def test_a_report_with_a_failed_or_missing_fold_is_broken():
    assert broken({"planned": 8, "failed": 1, "folds": []}) == "1 of 8 folds failed"
    assert broken({"planned": 3, "failed": 0, "folds": [{}, {}]}) == "1 of 3 folds are missing"
    assert broken({"planned": 2, "failed": 0, "folds": [{}, {}]}) is None
