"""What is told of a plan when its run starts: numbers that a person can count."""

from __future__ import annotations

import numpy as np
import pytest

from actors._candles import GateResult
from foldward.console.plan_figures import PlanFigures
from foldward.contracts.errors import RequestError
from foldward.contracts.jobs import Strategy
from foldward.data.bars import NS, Bars, day_ends

DAY_S = 86_400
STRATEGY = Strategy(name="s", kind="sma", symbol="EURUSD", timeframe=1440)


class Candles:
    """A thousand days."""

    def __init__(self, ok: bool = True) -> None:
        self.ok = ok

    def gate(self, strategy: Strategy) -> GateResult:
        assert strategy is STRATEGY
        return GateResult(ok=self.ok, fingerprint="sha256:aa")

    def bars(self, fingerprint: str) -> Bars:
        assert fingerprint == "sha256:aa"
        time = np.arange(1000, dtype=np.int64) * DAY_S * NS
        flat = np.ones(1000)
        return Bars(
            symbol="EURUSD",
            timeframe=1440,
            time=time,
            open=flat,
            high=flat,
            low=flat,
            close=flat,
            volume=flat,
            day_end=day_ends(time),
            fingerprint=fingerprint,
        )


@pytest.mark.parametrize(
    ("plan", "figures"),
    [
        ({"mode": "classic"}, (800, 200, 1)),
        ({"mode": "holdout", "days": 180}, (819, 181, 1)),
        ({"mode": "rolling", "train": 300, "test": 100}, (300, 100, 7)),
        ({"mode": "anchored", "train": 300, "test": 100}, (300, 100, 7)),
    ],
)
def test_a_walk_forward_plan_is_told_by_its_first_fold_and_how_many_there_are(
    plan: dict[str, object], figures: tuple[int, int, int]
) -> None:
    told = PlanFigures(Candles())("wfv", STRATEGY, plan)
    assert (told["is_bars"], told["oos_bars"], told["folds"]) == figures


def test_a_combinatorial_plan_is_told_by_its_paths() -> None:
    figures = PlanFigures(Candles())
    assert figures("cpcv", STRATEGY, {"groups": 10, "test_groups": 2}) == {"paths": 9, "basis": "test_sets"}
    with_grid = {"groups": 6, "test_groups": 2, "grid": {"sma_short": [3, 5]}}
    assert figures("cpcv", STRATEGY, with_grid) == {"paths": 5, "basis": "paths"}


def test_refused_candles_have_no_figures_and_a_wrong_plan_is_named() -> None:
    assert PlanFigures(Candles(ok=False))("wfv", STRATEGY, {"mode": "classic"}) == {}
    with pytest.raises(RequestError, match="mode"):
        PlanFigures(Candles())("wfv", STRATEGY, {"mode": "clasic"})
