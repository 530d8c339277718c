"""Which stored results a run may rest on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from foldward.app.results import of_run
from foldward.contracts.jobs import same_engine, unit_seed


def row(**fields):
    given = {"name": "s", "kind": "oos", "window_start": 1, "window_end": 2, "fingerprint": "f", **fields}
    return SimpleNamespace(engine="foldward-9", **{"seed": unit_seed(7, "s", "oos", 1, 2), **given})


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        ({}, True),
        ({"seed": None}, True),
        ({"seed": 8}, False),
        ({"fingerprint": "g"}, False),
        ({"window_end": 3}, False),
    ],
)
def test_a_run_takes_results_of_its_seed_and_candles(fields, accepted):
    assert of_run(7, ["f"], {})(row(**fields)) is accepted


def test_a_run_takes_results_of_its_engine_only():
    assert of_run(7, ["f"], {"s": "foldward-9"})(row())
    assert not of_run(7, ["f"], {"s": "foldward-9+abc"})(row())
    assert of_run(7, ["f"], {"other": "foldward-8"})(row())


@pytest.mark.parametrize(
    ("made_by", "ours", "same"),
    [
        ("foldward-9", "foldward-9", True),
        ("foldward-8", "foldward-9", False),
        ("foldward-9+a", "foldward-9", False),
        ("a peer's 3.1", "foldward-9", True),
        ("foldward-8", None, True),
    ],
)
def test_engines_are_compared_where_both_are_ours(made_by, ours, same):
    assert same_engine(made_by, ours) is same
