"""From rows to the numbers that gates are judged on."""

from types import SimpleNamespace

import pytest

from actors._numbers import Numbers, Side, Split, degradation, pbo, side, split


def row(**fields):
    base = {
        "request_id": "r",
        "result_digest": "sha256:a",
        "sharpe": 1.0,
        "profit_factor": 1.5,
        "win_rate": 0.5,
        "max_drawdown": 0.1,
        "trades": 10,
        "provenance": "real",
        "unverified": False,
        "fingerprint": "f",
        "requested_us": 7,
        "conflicts": 0,
        "verdict": "OK",
        "detail": {"metrics": {"expectancy": 2.0}, "reasons": {"sortino": "no losing day"}},
        "report": {},
    }
    return SimpleNamespace(**(base | fields))


def test_a_result_is_taken_as_it_stands():
    found = side(row())
    assert (found.sharpe, found.expectancy, found.trades) == (1.0, 2.0, 10)
    assert found.reasons == {"sortino": "no losing day"}
    assert (found.invalid, found.synthetic) == (None, False)


def test_synthetic_data_is_told_by_its_provenance():
    assert side(row(provenance="synthetic")).synthetic
    assert split(row(provenance="synthetic")).synthetic


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"conflicts": 1}, "two answers to the same request differ"),
        ({"verdict": "INVALID"}, "the result is marked INVALID"),
        (
            {"verdict": "INVALID", "detail": {"faults": [{"code": "engine.invariant", "message": "cash"}]}},
            "engine.invariant: cash",
        ),
        ({"verdict": "INVALID", "detail": {"faults": ["odd"]}}, "odd"),
    ],
)
def test_an_invalid_result_says_why(fields, reason):
    assert side(row(**fields)).invalid == reason


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ({"planned": 8, "failed": 2}, "2 of 8 folds failed"),
        ({"verdict": "INVALID", "reason": "fold 3"}, "fold 3"),
        ({"decision": "invalid"}, "the split is marked INVALID"),
        ({"planned": 8, "failed": 0, "decision": "weak"}, None),
    ],
)
def test_a_split_with_a_failed_fold_is_invalid_as_a_whole(report, reason):
    assert split(row(report=report)).invalid == reason


def test_degradation_is_zero_below_a_sharpe_of_a_tenth():
    def numbers(inside, outside):
        return Numbers(name="a", backtest=Side(sharpe=inside), oos=Side(sharpe=outside))

    assert degradation(numbers(1.0, 0.75)) == 0.25
    assert degradation(numbers(0.1, -5.0)) == 0.0
    assert degradation(numbers(None, 1.0)) is None
    assert degradation(Numbers(name="a")) is None


def test_the_probability_of_overfitting_is_the_trials_or_else_the_grid():
    both = Numbers(name="a", evidence=Split(report={"pbo": 0.1}), cpcv=Split(report={"pbo": 0.9}))
    assert pbo(both) == 0.1
    assert (
        pbo(Numbers(name="a", evidence=Split(report={"pbo": None}), cpcv=Split(report={"pbo": 0.9}))) == 0.9
    )
    assert pbo(Numbers(name="a")) is None
