"""Combinatorial purged cross-validation (López de Prado, Advances in Financial Machine Learning, 2018, ch.
12).

For one fixed rule nothing is learned, every path is the same series, and what varies are the C(N, k) test
sets. Real paths exist where parameters are chosen on each split's purged train part.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from foldward.backtest.blocks import Block, combine_all
from foldward.backtest.engine import window_range
from foldward.backtest.filters import Aux
from foldward.backtest.folds import block_report
from foldward.backtest.plans import (
    Plan,
    candidates,
    check_size,
    fault_rows,
    plan_splits,
    read_combinatorial,
    refuse_peer,
    span,
)
from foldward.backtest.prepared import prepare_each
from foldward.backtest.strategy import validate_strategy
from foldward.backtest.stretch import stretch
from foldward.backtest.version import ENGINE_VERSION
from foldward.backtest.windows import Range, measure_ranges
from foldward.contracts.canonical import digest
from foldward.contracts.jobs import Fault, Strategy, Swap
from foldward.data.bars import Bars
from foldward.splits import CombinatorialPurged, Fold
from foldward.stats import pbo_from_blocks
from foldward.stats.overfit import MAX_BLOCKS

MIN_SHARPE, MIN_PROFIT_FACTOR, MIN_WIN_RATE, MAX_DRAWDOWN = 0.1, 1.0, 0.30, 0.30
MIN_PASS_RATE, MAX_MEDIAN_DRAWDOWN = 0.70, 0.12
_LISTED = 500


def cpcv(
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
    """The spread of a strategy's results over many ways to hold data out; the report as a plain dict.

    plan: {"groups": 10, "test_groups": 2, "purge": bars, "embargo": bars, "grid": {param: [values]}}. Groups
    hold whole trading days. Each group is traded flat at both ends; a test set or path is its groups' daily
    returns one after another. Without a grid `basis` is test_sets, with one it is paths: each split takes the
    candidate of the best Sharpe over its train ranges (each flat at its ends). start, end (Unix seconds,
    inclusive) bound the groups; indicators still warm up on the bars before them.

    Keys: basis, splits, paths, groups [{…}], units (each test set or path, at most 500), pass_rate,
    is_passed, median_sharpe, median_maxdd, sharpe_min/max/std, positive_blocks (share of groups with a gain),
    psr (of the whole; with a grid the paths' median), pbo (CSCV over the groups, grids only), verdict,
    faults, reasons. A group with a fault makes the verdict INVALID without numbers. Raises RequestError
    `request.bad_plan` and as `validate_strategy`.
    """
    read_combinatorial(plan)
    strategy = validate_strategy(strategy)
    refuse_peer(strategy)
    lo, hi = window_range(bars, start, end)
    purged, cuts, wanted = plan_splits(stretch(bars, lo, hi), plan)
    splits = [_shifted(fold, lo) for fold in cuts]
    ranges = [(a + lo, b + lo) for a, b in wanted]
    groups, pieces = ranges[: purged.n_groups], ranges[purged.n_groups :]
    grid = plan.get("grid")
    params = candidates(strategy, grid)
    check_size(len(params), len(ranges))
    blocks: list[list[Block]] = []
    faults: list[Fault] = []
    used = 252
    each = prepare_each(bars, strategy, params, seed=seed, calendar=calendar, aux=aux, swaps=swaps)
    for prepared in each:
        used = prepared.calendar
        measured = measure_ranges(prepared, ranges)
        # Daily returns are not kept: a large grid's would not fit.
        blocks.append([one.block for one in measured])
        faults += [fault for one in measured for fault in one.faults]
    report: dict[str, Any] = {
        "basis": "test_sets" if grid is None else "paths",
        "splits": purged.n_splits,
        "paths": purged.n_paths,
        "n_groups": purged.n_groups,
        "test_groups": purged.n_test_groups,
        "purge": purged.purge,
        "embargo": purged.embargo,
        "candidates": len(params),
        "calendar": used,
        "engine": ENGINE_VERSION,
        "seed": seed,
        "groups": [span(bars, lo, hi) for lo, hi in groups],
        "faults": fault_rows(faults),
    }
    if faults:
        report |= _no_numbers(faults)
    else:
        if grid is None:
            report |= _fixed(purged, blocks[0], used)
        else:
            report |= _chosen(bars, purged, splits, pieces, blocks, params, used)
    report["digest"] = digest({key: report[key] for key in sorted(report) if key != "engine"})
    return report


def _shifted(fold: Fold, by: int) -> Fold:
    train, test = (tuple((a + by, b + by) for a, b in part) for part in fold)
    return Fold(train, test)


def _fixed(purged: CombinatorialPurged, blocks: Sequence[Block], calendar: int) -> dict[str, Any]:
    names = purged.test_groups()
    sets = [combine_all(blocks[group] for group in chosen) for chosen in names]
    units = [{"groups": list(chosen)} for chosen in names]
    report = _judge(sets, units, calendar)
    report |= _whole(blocks[: purged.n_groups], calendar)
    report["pbo"] = None
    report["reasons"]["pbo"] = "one fixed rule: nothing was chosen, so nothing can be overfitted by choice"
    return report


def _chosen(
    bars: Bars,
    purged: CombinatorialPurged,
    splits: Sequence[Fold],
    pieces: Sequence[Range],
    blocks: Sequence[Sequence[Block]],
    params: Sequence[dict[str, float]],
    calendar: int,
) -> dict[str, Any]:
    n = purged.n_groups
    place = {piece: n + at for at, piece in enumerate(pieces)}
    picks: list[int] = []
    learned: list[float | None] = []
    for fold in splits:
        train = [combine_all(row[place[piece]] for piece in fold.train) for row in blocks]
        scores = [block.sharpe(calendar) for block in train]
        pick = max(range(len(params)), key=lambda c: (scores[c] is not None, scores[c] or 0.0, -c))
        picks.append(pick)
        learned.append(scores[pick])
    paths = purged.paths()
    joined = [combine_all(blocks[picks[split]][group] for group, split in enumerate(path)) for path in paths]
    units: list[dict[str, Any]] = [{"params": [params[picks[split]] for split in path]} for path in paths]
    report = _judge(joined, units, calendar)
    each_psr = [block.probabilistic_sharpe() for block in joined]
    for unit, value in zip(units, each_psr, strict=True):
        unit["psr"] = value
    known = [value for value in each_psr if value is not None]
    report["psr"] = statistics.median(known) if len(known) == len(joined) else None
    report["positive_blocks"] = _positive([blocks[picks[s]][g] for path in paths for g, s in enumerate(path)])
    listed = list(zip(purged.test_groups(), picks, learned, splits, strict=True))[:_LISTED]
    report["picks"] = [
        {
            "groups": list(groups),
            "params": params[pick],
            "train_sharpe": score,
            "train": [span(bars, lo, hi) for lo, hi in fold.train],
        }
        for groups, pick, score, fold in listed
    ]
    report["pbo"], why = _pbo([row[:n] for row in blocks])
    if why:
        report["reasons"]["pbo"] = why
    return report


def _judge(blocks: Sequence[Block], units: list[dict[str, Any]], calendar: int) -> dict[str, Any]:
    passed = 0
    sharpes: list[float] = []
    drawdowns = [block.drawdown for block in blocks]
    for block, unit in zip(blocks, units, strict=True):
        unit |= block_report(block, calendar)
        unit["passed"] = _passes(block, calendar)
        passed += unit["passed"]
        if unit["sharpe"] is not None:
            sharpes.append(unit["sharpe"])
    pass_rate = passed / len(blocks)
    median_drawdown = statistics.median(drawdowns)
    report: dict[str, Any] = {
        "units": units[:_LISTED],
        "units_truncated": len(units) > _LISTED,
        "passed": passed,
        "without_sharpe": len(blocks) - len(sharpes),
        "pass_rate": pass_rate,
        "median_maxdd": median_drawdown,
        "is_passed": pass_rate >= MIN_PASS_RATE and median_drawdown < MAX_MEDIAN_DRAWDOWN,
        "median_sharpe": None,
        "sharpe_min": None,
        "sharpe_max": None,
        "sharpe_std": None,
        "verdict": "OK",
        "reasons": {},
    }
    if len(sharpes) == len(blocks):
        report["median_sharpe"] = statistics.median(sharpes)
        report["sharpe_min"], report["sharpe_max"] = min(sharpes), max(sharpes)
        if len(sharpes) > 1:
            report["sharpe_std"] = statistics.stdev(sharpes)
        else:
            report["reasons"]["sharpe_std"] = "one value has no spread"
    else:
        why = f"{len(blocks) - len(sharpes)} of {len(blocks)} have constant returns and no Sharpe ratio"
        report["reasons"] |= dict.fromkeys(("median_sharpe", "sharpe_min", "sharpe_max", "sharpe_std"), why)
    return report


def _passes(block: Block, calendar: int) -> bool:
    ratio = block.sharpe(calendar)
    wins = block.win_rate()
    factor = block.profit_factor()
    # No losing trade leaves the factor undefined, and nothing to complain about if there was a profit.
    paid = block.gross_profit > 0.0 if factor is None else factor >= MIN_PROFIT_FACTOR
    return (
        ratio is not None
        and ratio >= MIN_SHARPE
        and paid
        and wins is not None
        and wins >= MIN_WIN_RATE
        and block.drawdown < MAX_DRAWDOWN
    )


def _whole(groups: Sequence[Block], calendar: int) -> dict[str, Any]:
    total = combine_all(groups)
    return {
        "psr": total.probabilistic_sharpe(),
        "positive_blocks": _positive(groups),
        "whole": block_report(total, calendar),
    }


def _positive(groups: Sequence[Block]) -> float:
    return sum(block.gain > 0.0 for block in groups) / len(groups)


def _pbo(blocks: Sequence[Sequence[Block]]) -> tuple[float | None, str | None]:
    """CSCV over the groups (the last one left out where their number is odd; over 20 are joined to 20)."""
    if len(blocks) < 2:
        return None, "there is one candidate: nothing was chosen"
    groups = len(blocks[0])
    most = min(MAX_BLOCKS, groups // 2 * 2)
    if most < 2:
        return None, "fewer than two groups"
    size, extra = divmod(groups, most) if groups > MAX_BLOCKS else (1, 0)
    cuts = [part * size + min(part, extra) for part in range(most + 1)]
    table = np.array([[(block.days, block.s1, block.s2) for block in row[: cuts[-1]]] for row in blocks])
    days, s1, s2 = np.add.reduceat(table, cuts[:-1], axis=1).T
    value = pbo_from_blocks(days, s1, s2)
    return value, None if value is not None else "a half of the groups has no Sharpe ratio"


def _no_numbers(faults: Sequence[Fault]) -> dict[str, Any]:
    names = (
        "pass_rate",
        "median_sharpe",
        "median_maxdd",
        "is_passed",
        "pbo",
        "psr",
        "positive_blocks",
        "sharpe_min",
        "sharpe_max",
        "sharpe_std",
    )
    reason = f"invalid: {faults[0].message}"
    return {
        **dict.fromkeys(names),
        "units": [],
        "verdict": "INVALID",
        "reasons": dict.fromkeys(names, reason),
    }
