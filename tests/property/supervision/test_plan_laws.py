"""Laws of the pure plan, for any family of children and any history of crashes."""

from hypothesis import given
from hypothesis import strategies as st

from supervision import Backoff, Restart, Strategy, plan
from supervision.plan import Ending, Outcome, Row

rows = st.lists(st.tuples(st.sampled_from(Restart), st.booleans()), min_size=1, max_size=8).map(
    lambda drawn: [Row(f"c{n}", restart, running) for n, (restart, running) in enumerate(drawn)]
)
families = rows.flatmap(lambda family: st.tuples(st.just(family), st.sampled_from(family))).filter(
    lambda drawn: drawn[1].restart is not Restart.TEMPORARY
)


@given(st.sampled_from(Strategy), families)
def test_a_group_restart_stops_in_reverse_what_runs_and_starts_in_order_what_stays(strategy, drawn):
    family, failed = drawn
    steps = plan.steps(strategy, family, failed.id)
    order = [row.id for row in family]
    running = {row.id for row in family if row.running}
    temporary = {row.id for row in family if row.restart is Restart.TEMPORARY}
    assert list(steps.stop) == sorted(steps.stop, key=order.index, reverse=True)
    assert list(steps.start) == sorted(steps.start, key=order.index)
    assert set(steps.stop) <= running
    assert failed.id not in steps.stop
    assert failed.id in steps.start
    assert set(steps.drop) <= temporary
    assert not set(steps.start) & temporary
    touched = set(steps.stop) | set(steps.start) | set(steps.drop)
    if strategy is Strategy.ONE_FOR_ONE:
        assert touched == {failed.id}
    elif strategy is Strategy.ONE_FOR_ALL:
        assert set(steps.start) | set(steps.drop) == set(order)
    else:
        assert set(steps.start) | set(steps.drop) == set(order[order.index(failed.id) :])
    assert running & (set(steps.start) | set(steps.drop)) - {failed.id} == set(steps.stop)


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=40).map(sorted),
    st.integers(0, 6),
    st.integers(1, 50),
)
def test_the_budget_is_spent_at_the_first_crash_that_closes_a_window_with_too_many(times, intensity, period):
    window = []
    for index, time in enumerate(times):
        window, ok = plan.within_budget(window, float(time), intensity, float(period))
        in_window = [t for t in times[: index + 1] if time - period <= t <= time]
        assert ok == (len(in_window) <= intensity)
        assert plan.used(window, float(time), float(period)) == len(in_window)
        if not ok:
            break


@given(st.sampled_from(Restart), st.sampled_from(Ending), st.booleans())
def test_only_temporaries_are_never_restarted_and_only_permanents_always(restart, ending, dynamic):
    outcome = plan.restart_of(restart, ending, dynamic)
    if restart is Restart.PERMANENT:
        assert outcome is Outcome.RESTART
    elif restart is Restart.TEMPORARY:
        assert outcome is Outcome.DELETE_SPEC
    else:
        assert (outcome is Outcome.RESTART) == (ending not in (Ending.NORMAL, Ending.SHUTDOWN))


@given(st.sampled_from(Strategy), st.integers(1, 8), st.data())
def test_a_retry_contains_the_failed_one_and_all_after_it(strategy, size, data):
    starting = [f"c{n}" for n in range(size)]
    failed = data.draw(st.sampled_from(starting))
    again = plan.retry_group(strategy, starting, failed)
    assert again[-(size - starting.index(failed)) :] == tuple(starting[starting.index(failed) :])
    assert (again == tuple(starting)) or strategy is not Strategy.ONE_FOR_ALL


@given(
    st.floats(0, 10),
    st.floats(0, 100),
    st.floats(1, 10),
    st.floats(0, 1),
    st.integers(0, 2000),
    st.randoms(use_true_random=False),
)
def test_a_delay_stays_between_its_jitter_and_the_ceiling(first, ceiling, factor, jitter, n, rng):
    delay = Backoff(first, ceiling, factor, jitter).delay(n, rng)
    try:
        plain = min(ceiling, first * factor**n)
    except OverflowError:
        plain = ceiling if first else 0.0
    assert 0.0 <= delay <= ceiling
    if first:
        assert delay >= min(plain, ceiling) * (1 - jitter) - 1e-9
