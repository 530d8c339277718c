"""Walk-forward validation: classic (80/20), holdout, rolling and anchored, with re-optimisation on request.

R. Pardo, The Evaluation and Optimization of Trading Strategies (2008), ch. 11. Windows come from
`foldward.splits`, numbers from `measure_ranges`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from foldward.backtest.blocks import Block, combine_all
from foldward.backtest.engine import window_range
from foldward.backtest.filters import Aux
from foldward.backtest.metrics import sharpe
from foldward.backtest.plans import (
    Plan,
    candidates,
    check_size,
    fault_rows,
    plan_folds,
    read_walk,
    refuse_peer,
    span,
)
from foldward.backtest.prepared import prepare_each
from foldward.backtest.strategy import validate_strategy
from foldward.backtest.stretch import stretch
from foldward.backtest.version import ENGINE_VERSION
from foldward.backtest.windows import Measured, Range, measure_ranges
from foldward.contracts.canonical import digest
from foldward.contracts.jobs import Strategy, Swap
from foldward.data.bars import NS, Bars

_MAX_POINTS = 500
_GRADUATION, _STEP, _CEILING = 0.1, 0.05, 2.0


def walk_forward(
    bars: Bars,
    strategy: Strategy,
    plan: Plan,
    *,
    seed: int = 0,
    calendar: int | None = None,
    aux: Aux | None = None,
    swaps: Iterable[Swap] | None = None,
    start: int | None = None,
    end: int | None = None,
) -> dict[str, Any]:
    """Judge a strategy on windows later than those it was chosen on; the report as a plain dict.

    plan: {"mode": "classic"}; {"mode": "holdout", "days": 180}; {"mode": "rolling" | "anchored", "train",
    "test", "step" in bars or durations ("90d"), "purge", "embargo" in bars, "grid": {param: [values]}}.
    With a grid, each fold takes the candidate of the best Sharpe on its train part (the first of equals) and
    is judged with it on its test part. start, end (Unix seconds, inclusive) bound the folds; indicators still
    warm up on the bars before them.

    Keys: folds [{index, train, test, is_sharpe, oos_sharpe, status, params …}], planned, failed, is_sharpe
    and oos_sharpe (of the daily returns of all train, of all test parts), required_oos, degradation,
    efficiency, decision (validated | weak | overfit, None where a Sharpe is missing), verdict, faults,
    reasons, stitched (the test parts' equity one after another). A fold that failed or has no bars makes the
    verdict INVALID and leaves no number over the others. Raises RequestError `request.bad_plan` and whatever
    `validate_strategy` raises.
    """
    read_walk(plan)
    strategy = validate_strategy(strategy)
    refuse_peer(strategy)
    lo, hi = window_range(bars, start, end)
    mode, folds = plan_folds(stretch(bars, lo, hi), plan)
    params = candidates(strategy, plan.get("grid"))
    check_size(len(params), 2 * len(folds))
    trains = [_one(fold.train, lo) for fold in folds]
    tests = [_one(fold.test, lo) for fold in folds]
    chosen, calendar_used = _choose(bars, strategy, params, trains, tests, seed, calendar, aux, swaps)
    rows = []
    for index, (train, test, pick) in enumerate(zip(trains, tests, chosen, strict=True)):
        rows.append(_row(bars, index, train, test, pick, calendar_used))
    failed = sum(row["status"] != "ok" for row in rows)
    report: dict[str, Any] = {
        "mode": mode,
        "folds": rows,
        "planned": len(rows),
        "failed": failed,
        "calendar": calendar_used,
        "candidates": len(params),
        "engine": ENGINE_VERSION,
        "seed": seed,
    }
    report |= _summary(strategy, chosen, failed, calendar_used)
    report["faults"] = fault_rows(
        fault for pick in chosen for side in (pick.train, pick.test) for fault in side.faults
    )
    report["stitched"] = [] if failed else _stitched(bars, tests, chosen, strategy.cash)
    report["digest"] = digest({key: report[key] for key in sorted(report) if key != "engine"})
    return report


class _Pick:
    """A fold's candidate: its parameters and what they did on both parts."""

    __slots__ = ("params", "score", "test", "train")

    def __init__(self, params: dict[str, float], train: Measured, test: Measured, score: float | None):
        self.params, self.train, self.test, self.score = params, train, test, score


def _choose(
    bars: Bars,
    strategy: Strategy,
    params: Sequence[dict[str, float]],
    trains: Sequence[Range],
    tests: Sequence[Range],
    seed: int,
    calendar: int | None,
    aux: Aux | None,
    swaps: Iterable[Swap] | None,
) -> tuple[list[_Pick], int]:
    best: list[_Pick] = []
    used = 252
    each = prepare_each(bars, strategy, params, seed=seed, calendar=calendar, aux=aux, swaps=swaps)
    for prepared in each:
        used = prepared.calendar
        measured = measure_ranges(prepared, [*trains, *tests])
        for index in range(len(trains)):
            train, test = measured[index], measured[len(trains) + index]
            pick = _Pick(dict(prepared.strategy.params), train, test, _sharpe([train], used))
            if index == len(best):
                best.append(pick)
            elif _better(pick, best[index]):
                best[index] = pick
    return best, used


def _better(new: _Pick, old: _Pick) -> bool:
    # A candidate that broke a rule must surface: it is never replaced by one that did not.
    if old.train.faults or old.test.faults:
        return False
    if new.train.faults or new.test.faults:
        return True
    return new.score is not None and (old.score is None or new.score > old.score)


def _row(bars: Bars, index: int, train: Range, test: Range, pick: _Pick, calendar: int) -> dict[str, Any]:
    broken = bool(pick.train.faults or pick.test.faults)
    empty = train[1] <= train[0] or test[1] <= test[0]
    status = "invalid" if broken else "missing" if empty else "ok"
    row: dict[str, Any] = {
        "index": index,
        "train": span(bars, *train),
        "test": span(bars, *test),
        "status": status,
        "params": pick.params,
        "is_sharpe": None,
        "oos_sharpe": None,
    }
    for side, measured in (("is", pick.train), ("oos", pick.test)):
        block = measured.block
        known = status == "ok"
        row[f"{side}_sharpe"] = _sharpe([measured], calendar) if known else None
        row[f"{side}_trades"] = block.trades if known else None
        row[f"{side}_pnl"] = block.pnl if known else None
        row[f"{side}_return"] = block.gain if known else None
        row[f"{side}_max_drawdown"] = block.drawdown if known else None
        row[f"{side}_profit_factor"] = block.profit_factor() if known else None
        row[f"{side}_win_rate"] = block.win_rate() if known else None
    return row


def _summary(strategy: Strategy, chosen: Sequence[_Pick], failed: int, calendar: int) -> dict[str, Any]:
    required = min(_CEILING, _STEP * strategy.generation)
    numbers: dict[str, Any] = dict.fromkeys(
        ("is_sharpe", "oos_sharpe", "degradation", "efficiency", "decision", "psr", "oos")
    )
    numbers |= {"required_oos": required, "verdict": "INVALID" if failed else "OK", "reasons": {}}
    if failed:
        numbers["reasons"] = {"decision": f"{failed} of {len(chosen)} folds failed or have no bars"}
        return numbers
    is_sharpe = _sharpe([pick.train for pick in chosen], calendar)
    oos_sharpe = _sharpe([pick.test for pick in chosen], calendar)
    numbers["is_sharpe"], numbers["oos_sharpe"] = is_sharpe, oos_sharpe
    judged = combine_all(pick.test.block for pick in chosen)
    numbers["psr"] = judged.probabilistic_sharpe()
    numbers["oos"] = block_report(judged, calendar)
    reasons = numbers["reasons"]
    if is_sharpe is None or oos_sharpe is None:
        side = "in-sample" if is_sharpe is None else "out-of-sample"
        reasons |= dict.fromkeys(
            ("degradation", "efficiency", "decision"), f"the {side} daily returns have no Sharpe ratio"
        )
        return numbers
    degradation = (is_sharpe - oos_sharpe) / is_sharpe if is_sharpe > _GRADUATION else 0.0
    numbers["degradation"] = degradation
    if is_sharpe > 0:
        numbers["efficiency"] = oos_sharpe / is_sharpe
    else:
        reasons["efficiency"] = "the in-sample Sharpe ratio is not positive"
    numbers["decision"] = decide(oos_sharpe, required, degradation)
    return numbers


def decide(oos: float, required: float, degradation: float) -> str:
    """validated: OOS above what its generation must show and less than half lost; overfit: over 70 % lost."""
    if oos > required and degradation < 0.5:
        return "validated"
    return "overfit" if degradation > 0.7 else "weak"


def block_report(block: Block, calendar: int) -> dict[str, Any]:
    """The measures that a block alone gives."""
    return {
        "sharpe": block.sharpe(calendar),
        "sortino": block.sortino(calendar),
        "max_drawdown": block.drawdown,
        "profit_factor": block.profit_factor(),
        "win_rate": block.win_rate(),
        "return": block.gain,
        "pnl": block.pnl,
        "trades": block.trades,
        "days": block.days,
        "fees": block.fees,
    }


def _sharpe(parts: Sequence[Measured], calendar: int) -> float | None:
    """Of all the parts' daily returns together; None also where a part lost everything."""
    if not parts or any(part.block.ruined() for part in parts):
        return None
    return sharpe(np.concatenate([part.returns for part in parts]), calendar)


def _stitched(bars: Bars, tests: Sequence[Range], chosen: Sequence[_Pick], cash: float) -> list[list[float]]:
    """[Unix seconds, equity] at the end of each test day, thinned to at most 500 points, the last kept."""
    ends = np.flatnonzero(bars.day_end)
    points: list[list[float]] = []
    equity = cash
    for (lo, hi), pick in zip(tests, chosen, strict=True):
        inside = ends[(ends >= lo) & (ends < hi)]
        if not len(inside) or inside[-1] != hi - 1:
            inside = np.append(inside, hi - 1)
        # A ruined part has fewer days than its window, and nothing comes after it.
        for bar, daily in zip(inside.tolist(), pick.test.returns.tolist(), strict=False):
            equity *= 1.0 + daily
            points.append([int(bars.time[bar]) // NS, equity])
        if pick.test.block.ruined():
            break
    stride = -(-len(points) // _MAX_POINTS)
    return points if stride <= 1 else points[::-1][::stride][::-1]


def _one(ranges: Sequence[Range], shift: int) -> Range:
    return (ranges[0][0] + shift, ranges[-1][1] + shift)
