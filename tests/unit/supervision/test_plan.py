"""The supervisor's pure decisions, each against values a person can check."""

import pytest

from supervision import AutoShutdown, Restart, Strategy, plan
from supervision.plan import Ending, Outcome, Row, Steps

P, X, T = Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY


def rows(ids, restart=P, running=True):
    return [Row(id, restart, running) for id in ids]


@pytest.mark.parametrize(
    ("restart", "ending", "outcome"),
    [
        (P, Ending.NORMAL, Outcome.RESTART),
        (P, Ending.SHUTDOWN, Outcome.RESTART),
        (P, Ending.CRASH, Outcome.RESTART),
        (P, Ending.HUNG, Outcome.RESTART),
        (P, Ending.KILLED, Outcome.RESTART),
        (X, Ending.NORMAL, Outcome.KEEP_SPEC),
        (X, Ending.SHUTDOWN, Outcome.KEEP_SPEC),
        (X, Ending.CRASH, Outcome.RESTART),
        (X, Ending.HUNG, Outcome.RESTART),
        (X, Ending.KILLED, Outcome.RESTART),
        (T, Ending.NORMAL, Outcome.DELETE_SPEC),
        (T, Ending.SHUTDOWN, Outcome.DELETE_SPEC),
        (T, Ending.CRASH, Outcome.DELETE_SPEC),
        (T, Ending.HUNG, Outcome.DELETE_SPEC),
        (T, Ending.KILLED, Outcome.DELETE_SPEC),
    ],
)
def test_the_table_of_exits(restart, ending, outcome):
    assert plan.restart_of(restart, ending) is outcome


def test_a_dynamic_supervisor_keeps_no_spec_of_a_finished_transient():
    assert plan.restart_of(X, Ending.NORMAL, dynamic=True) is Outcome.DELETE_SPEC


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.ONE_FOR_ONE, Steps((), (), ("b",))),
        (Strategy.ONE_FOR_ALL, Steps(("d", "c", "a"), (), ("a", "b", "c", "d"))),
        (Strategy.REST_FOR_ONE, Steps(("d", "c"), (), ("b", "c", "d"))),
    ],
)
def test_who_is_stopped_and_started_when_b_fails(strategy, expected):
    family = [Row("a", P, True), Row("b", P, False), Row("c", P, True), Row("d", P, True)]
    assert plan.steps(strategy, family, "b") == expected


def test_a_group_restart_drops_temporaries_and_starts_what_was_not_running():
    family = [Row("a", X, False), Row("b", P, False), Row("c", T, True), Row("d", P, False)]
    assert plan.steps(Strategy.ONE_FOR_ALL, family, "b") == Steps(("c",), ("c",), ("a", "b", "d"))


def test_the_window_forgives_as_many_as_the_intensity():
    assert plan.within_budget([], 100.0, 1, 5.0) == ([100.0], True)
    assert plan.within_budget([99.0], 100.0, 1, 5.0) == ([99.0, 100.0], False)
    assert plan.within_budget([], 100.0, 0, 5.0) == ([100.0], False)


def test_the_edge_of_the_window_is_inside():
    assert plan.within_budget([95.0], 100.0, 1, 5.0) == ([95.0, 100.0], False)
    assert plan.within_budget([94.999], 100.0, 1, 5.0) == ([100.0], True)


def test_used_counts_what_the_window_holds_now():
    assert plan.used([1.0, 2.0, 3.0], 7.0, 5.0) == 2
    assert plan.used([], 7.0, 5.0) == 0


def test_a_failed_member_is_retried_with_all_or_with_its_tail():
    assert plan.retry_group(Strategy.ONE_FOR_ALL, ["a", "b", "c"], "b") == ("a", "b", "c")
    assert plan.retry_group(Strategy.REST_FOR_ONE, ["a", "b", "c"], "b") == ("b", "c")
    assert plan.retry_group(Strategy.ONE_FOR_ONE, ["a"], "a") == ("a",)


def test_backoff_starts_afresh_after_exactly_a_good_run():
    assert plan.attempts_before(5, 60.0, 60.0) == 0
    assert plan.attempts_before(5, 59.999, 60.0) == 5


@pytest.mark.parametrize(
    ("auto", "significant", "other_runs", "ends"),
    [
        (AutoShutdown.NEVER, True, False, False),
        (AutoShutdown.ANY_SIGNIFICANT, True, True, True),
        (AutoShutdown.ANY_SIGNIFICANT, False, False, False),
        (AutoShutdown.ALL_SIGNIFICANT, True, True, False),
        (AutoShutdown.ALL_SIGNIFICANT, True, False, True),
        (AutoShutdown.ALL_SIGNIFICANT, False, False, False),
    ],
)
def test_auto_shutdown(auto, significant, other_runs, ends):
    other = Row("o", X, other_runs, significant=True)
    assert plan.shuts_down(auto, Row("e", X, False, significant), [other]) is ends


def test_only_news_of_the_present_incarnation_is_current():
    assert plan.is_current(2, 2)
    assert not plan.is_current(2, 1)
    assert not plan.is_current(None, 1)


def test_stopping_is_in_reverse_and_only_what_runs():
    assert plan.stop_order([*rows("ab"), *rows("c", running=False), *rows("d")]) == ("d", "b", "a")
