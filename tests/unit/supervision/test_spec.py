"""Specs are checked when built, with the child, the field and the value in the message."""

import dataclasses
import math
import random

import pytest

from supervision import (
    KEEP,
    Actor,
    AutoShutdown,
    Backoff,
    Child,
    Restart,
    SpecError,
    Strategy,
    dynamic,
    process,
    supervisor,
)


class Thing(Actor):
    pass


def test_the_defaults_are_otps():
    child = Child("a", Thing)
    assert (child.restart, child.shutdown, child.significant) == (Restart.PERMANENT, 5.0, False)
    assert (child.start_timeout, child.hang_after, child.backoff) == (10.0, None, None)
    nest = supervisor("s", child).nest
    assert (nest.strategy, nest.intensity, nest.period) == (Strategy.ONE_FOR_ONE, 1, 5.0)
    assert nest.auto_shutdown is AutoShutdown.NEVER


def test_a_spec_is_frozen_and_holds_its_own_copy_of_the_arguments():
    kwargs = {"x": 1}
    child = Child("a", Thing, args=[1, 2], kwargs=kwargs)
    kwargs["x"] = 2
    assert (child.args, dict(child.kwargs)) == ((1, 2), {"x": 1})
    with pytest.raises(dataclasses.FrozenInstanceError):
        child.id = "b"
    with pytest.raises(TypeError):
        child.kwargs["x"] = 3


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"id": ""}, "an id is a non-empty word"),
        ({"id": "a/b"}, "an id is a non-empty word"),
        ({"id": 3}, "an id is a non-empty word"),
        ({"start": "Thing"}, "start must be an Actor class or a callable, not 'Thing'"),
        ({"args": "abc"}, "args must be a sequence"),
        ({"args": 5}, "args must be a sequence"),
        ({"kwargs": [1]}, "kwargs must be a mapping"),
        ({"restart": "permanent"}, "restart must be one of Restart.PERMANENT"),
        ({"shutdown": -1}, 'shutdown must be a number from 0 or "kill", not -1'),
        ({"shutdown": "brutal_kill"}, "shutdown"),
        ({"shutdown": math.nan}, "shutdown"),
        ({"shutdown": True}, "shutdown"),
        ({"start_timeout": None}, "start_timeout"),
        ({"hang_after": 0}, "hang_after must be a number above 0"),
        ({"hang_after": math.inf}, "hang_after"),
        ({"backoff": 3.0}, "backoff must be a Backoff"),
        ({"inbox": "keep"}, "inbox must be one of InboxPolicy.DROP"),
        ({"significant": 1}, "significant must be True or False"),
        ({"significant": True}, "a permanent child cannot be significant"),
        ({"shutdwn": 3}, "no field 'shutdwn' (did you mean 'shutdown'?)"),
        ({"colour": "red"}, "no field 'colour'"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(fields, words):
    with pytest.raises(SpecError) as caught:
        Child(**{"id": "a", "start": Thing, **fields})
    assert words in str(caught.value)


def test_shutdown_may_be_infinite_or_kill():
    assert Child("a", Thing, shutdown=math.inf).shutdown == math.inf
    assert Child("a", Thing, shutdown="kill").shutdown == "kill"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: supervisor("s", Thing), "is not a Child"),
        (lambda: supervisor("s", intensity=-1), "intensity must be a whole number from 0, not -1"),
        (lambda: supervisor("s", intensity=1.5), "intensity"),
        (lambda: supervisor("s", intensity=True), "intensity"),
        (lambda: supervisor("s", period=0), "period must be a number above 0, not 0"),
        (lambda: supervisor("s", strategy="one_for_all"), "strategy must be one of"),
        (lambda: supervisor("s", auto_shutdown=None), "auto_shutdown must be one of"),
        (lambda: supervisor("s", Child("a", Thing), Child("a", Thing)), "'a' occurs twice"),
        (lambda: supervisor("s", supervisor("t", Child("s", Thing))), "'s' occurs twice"),
        (lambda: supervisor("s", hang_after=3.0), "hang_after is for actors"),
        (lambda: supervisor("s", intensty=3), "no field 'intensty'"),
        (
            lambda: supervisor("s", Child("a", Thing, significant=True, restart=Restart.TRANSIENT)),
            "auto_shutdown is never",
        ),
        (lambda: dynamic("d", Thing), "template must be a Child"),
        (lambda: dynamic("d", supervisor("s")), "cannot be a supervisor"),
        (lambda: dynamic("d", Child("a", Thing), max_children=-1), "max_children"),
        (lambda: process("p", []), "non-empty list of words"),
        (lambda: process("p", "ls"), "non-empty list of words"),
        (lambda: process("p", ["ls"], stdin="pipe"), "stdin must be one of null, inherit"),
        (lambda: process("p", ["ls"], on_exit=3), "on_exit must be callable"),
        (lambda: process("p", ["ls"], shutdwn=3), "did you mean 'shutdown'"),
        (lambda: Backoff(first=-1), "Backoff.first"),
        (lambda: Backoff(factor=0.5), "Backoff.factor"),
        (lambda: Backoff(jitter=1.5), "Backoff.jitter"),
    ],
)
def test_supervisors_processes_and_backoffs_are_checked_too(make, words):
    with pytest.raises(SpecError) as caught:
        make()
    assert words in str(caught.value)


def test_but_changes_a_field_and_checks_again():
    child = Child("a", Thing).but(id="b", inbox=KEEP)
    assert (child.id, child.inbox) == ("b", KEEP)
    with pytest.raises(SpecError):
        child.but(shutdown=-1)


def test_walk_names_every_static_spec_in_start_order():
    tree = supervisor("r", Child("a", Thing), supervisor("s", Child("b", Thing)), Child("c", Thing))
    assert [child.id for child in tree.walk()] == ["r", "a", "s", "b", "c"]


def test_kinds():
    kinds = [Child("a", Thing).kind, supervisor("s").kind, dynamic("d", Child("a", Thing)).kind]
    assert [*kinds, process("p", ["ls"]).kind] == ["worker", "supervisor", "supervisor", "process"]


def test_backoff_without_jitter_is_a_geometric_series_with_a_ceiling():
    backoff = Backoff(first=0.5, ceiling=3.0, factor=2.0, jitter=0.0)
    rng = random.Random(1)
    assert [backoff.delay(n, rng) for n in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff.delay(100_000, rng) == 3.0
