"""The breaker against a model that is told everything, and under many threads."""

import contextlib
import itertools
import random
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from foldward.resilience import BreakerOpen, CircuitBreaker, RetryPolicy, retry

pytestmark = pytest.mark.slow

THRESHOLD, RECOVERY, PROBES = 3, 10.0, 2


class BreakerModel(RuleBasedStateMachine):
    """Calls that end at once, ends that come later, and time that passes."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.seen = []
        self.breaker = CircuitBreaker(
            THRESHOLD,
            RECOVERY,
            PROBES,
            clock=lambda: self.now,
            excluded=KeyError,
            on_transition=lambda _, old, new: self.seen.append((str(old), str(new))),
        )
        self.state, self.failures, self.successes, self.opened = "closed", 0, 0, 0.0
        self.probe = None
        self.flying = []

    def outcome(self, good):
        if self.state == "closed":
            self.failures = 0 if good else self.failures + 1
            if self.failures == THRESHOLD:
                self.open()
        elif good:
            self.successes += 1
            self.probe = None
            if self.successes == PROBES:
                self.state, self.failures = "closed", 0
                self.flying = []
        else:
            self.open()

    def open(self):
        self.state, self.opened, self.probe, self.successes = "open", self.now, None, 0
        self.flying = []

    def admitted(self):
        if self.state == "closed":
            return True
        waiting = self.opened if self.state == "open" else self.probe
        if waiting is not None and self.now < waiting + RECOVERY:
            return False
        self.state, self.probe, self.flying = "half_open", self.now, []
        return True

    @rule(kind=st.sampled_from(["good", "bad", "excluded"]))
    def call(self, kind):
        def work():
            if kind != "good":
                raise ConnectionError if kind == "bad" else KeyError

        try:
            self.breaker.call(work)
            result = "good"
        except ConnectionError:
            result = "bad"
        except KeyError:
            result = "excluded"
        except BreakerOpen:
            result = "rejected"
        if self.admitted():
            assert result == kind
            if kind != "excluded" or self.state == "half_open":
                self.outcome(kind != "bad")
        else:
            assert result == "rejected"

    @rule()
    def begin(self):
        permit = self.breaker.allow()
        assert bool(permit) == self.admitted()
        if permit:
            self.flying.append(permit)

    @precondition(lambda self: self.flying)
    @rule(good=st.booleans(), data=st.data())
    def end(self, good, data):
        permit = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        (self.breaker.record_success if good else self.breaker.record_failure)(permit)
        self.outcome(good)

    @rule(seconds=st.sampled_from([0.5, 5.0, 10.0, 3600.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def reset(self):
        self.breaker.reset()
        self.state, self.failures, self.successes, self.probe, self.flying = "closed", 0, 0, None, []

    @rule()
    def trip(self):
        waits = self.state == "open" and self.now < self.opened + RECOVERY
        assert self.breaker.trip() == (not waits)
        if not waits:
            self.open()

    @rule()
    def half_open(self):
        self.breaker.half_open()
        if self.state == "open":
            self.state = "half_open"

    @invariant()
    def states_agree(self):
        due = self.state == "open" and self.now >= self.opened + RECOVERY
        assert self.breaker.state == ("half_open" if due else self.state)
        assert all(old == before for (_, before), (old, _) in itertools.pairwise(self.seen))


BreakerModel.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_the_breaker_is_its_model = BreakerModel.TestCase


def test_under_many_threads_no_two_probes_are_ever_out_together():
    now = [0.0]
    breaker = CircuitBreaker(1, 1.0, success_threshold=2000, clock=lambda: now[0])
    out, most, probes, guard = [0], [0], [0], threading.Lock()

    def probe():
        with guard:
            out[0] += 1
            probes[0] += 1
            most[0] = max(most[0], out[0])
        with guard:
            out[0] -= 1

    def caller():
        while breaker.state == "half_open":
            with contextlib.suppress(BreakerOpen):
                breaker.call(probe)

    with pytest.raises(ConnectionError):
        breaker.call(fails)
    now[0] = 1.0  # from here on time stands still, so no probe is ever late
    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert most == [1]
    assert probes[0] >= 2000
    assert breaker.state == "closed"


def test_under_many_threads_the_news_is_told_in_order():
    seen = []
    breaker = CircuitBreaker(1, 1e-9, on_transition=lambda _, *news: seen.append(news))

    def caller(seed):
        rng = random.Random(seed)
        for _ in range(500):
            with contextlib.suppress(ConnectionError, BreakerOpen):
                breaker.call(fails if rng.random() < 0.5 else int)

    threads = [threading.Thread(target=caller, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert len(seen) > 100
    assert all(old == before for (_, before), (old, _) in itertools.pairwise(seen))


def test_full_jitter_spreads_a_thousand_retries_evenly():
    policy = RetryPolicy(attempts=4, base=1, cap=100)
    sleeps = []
    for seed in range(1000):
        with pytest.raises(ConnectionError):
            retry(policy, fails, lambda: 0.0, sleeps.append, random.Random(seed), ConnectionError)
    third = sleeps[2::3]
    assert len(third) == 1000
    assert sum(third) / 1000 == pytest.approx(2.0, abs=0.12)
    assert 0 <= min(third) < 0.1
    assert 3.9 < max(third) <= 4


def fails():
    raise ConnectionError
