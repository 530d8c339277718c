"""Ranks: which one a judgement earns, and what is still to be asked for (spec 8.6). Pure.

    graveyard ← incubator → B → A → S          legend and retired never move by themselves

A known failure pulls a rank down, a pass lifts it, a gate that is blocked does neither: for each strategy
there is a highest rank that nothing forbids (ceiling) and a highest that everything proves (floor); its rank
moves only as far as it lies outside of the two.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection

from actors._gates import Judgement
from actors._numbers import Numbers

SCALE = ("graveyard", "incubator", "B", "A", "S")
PROTECTED = ("legend", "retired")
ORDER = ("backtest", "oos", "wfv", "cpcv", "evidence")
DATA_KINDS = ("backtest", "oos", "cpcv", "evidence")


def next_rank(current: str, judgement: Judgement, *, pending: bool) -> str:
    """The rank after this judgement. pending: a request of the strategy is open, so nothing may fall."""
    if current in PROTECTED or current not in SCALE or judgement.verdict == "INVALID":
        return current
    floor, ceiling = _bounds(judgement)
    level = SCALE.index(current)
    if floor is not None and level < floor:
        return SCALE[floor]
    if level > ceiling and not pending:
        return SCALE[ceiling]
    return current


def steps(before: str, after: str) -> list[tuple[str, str]]:
    """The moves from one rank to another, one step of the ladder each; a fall is one move."""
    if before == after:
        return []
    if before not in SCALE or after not in SCALE:
        return [(before, after)]
    low, high = SCALE.index(before), SCALE.index(after)
    if high < low:
        return [(before, after)]
    low = max(low, 1)  # out of the graveyard the way leads to B as it does from the incubator
    path = [before, *SCALE[low + 1 : high + 1]]
    return list(itertools.pairwise(path))


def wanted(
    current: str,
    numbers: Numbers,
    judgement: Judgement,
    *,
    complete: bool = False,
    open_kinds: Collection[str] = (),
    stale_evidence: bool = False,
    trials_ready: bool = True,
) -> tuple[str, ...]:
    """Kinds of work that the strategy still needs, in the order in which they are asked for.

    complete: every kind, whatever the gates say (`foldward run` shows all numbers); otherwise the ladder
    decides. open_kinds: kinds under way or not to be asked for again. stale_evidence: so many trials were
    added that its deflation is out of date. trials_ready: the other trials on these data have answered.
    """
    if current == "retired":
        return ()
    have = {kind for kind in ORDER if is_current(kind, numbers)}
    needs = _all_kinds(have) if complete else _by_ladder(current, judgement, have)
    if "evidence" in have and stale_evidence and (complete or judgement.ranks["B"] == "pass"):
        needs.append("evidence")
    if not trials_ready or "backtest" in open_kinds:
        needs = [kind for kind in needs if kind != "evidence"]
    return tuple(kind for kind in ORDER if kind in needs and kind not in open_kinds)


def newest_data(numbers: Numbers) -> str:
    """Fingerprint of the data that the newest request of the strategy was made on; empty when unknown."""
    results = [found for kind in DATA_KINDS if (found := numbers.result(kind)) is not None]
    newest = max(results, key=lambda result: result.requested_us, default=None)
    return newest.fingerprint if newest is not None else ""


def is_current(kind: str, numbers: Numbers) -> bool:
    """Whether there is a result of a kind on the newest data."""
    result = numbers.result(kind)
    if result is None:
        return False
    data = newest_data(numbers)
    return kind == "wfv" or not data or not result.fingerprint or result.fingerprint == data


def _bounds(judgement: Judgement) -> tuple[int | None, int]:
    """(floor, ceiling) as levels of SCALE; floor None: nothing is proven."""
    floor: int | None = None
    for level, rank in ((2, "B"), (3, "A"), (4, "S")):
        state = judgement.ranks[rank]
        if state == "fail":
            return (floor, level - 1) if rank != "B" else (0, 0)
        if state == "pass" and (floor == level - 1 or rank == "B"):
            floor = level
    return floor, 4


def _all_kinds(have: set[str]) -> list[str]:
    if "backtest" not in have:
        return ["backtest"]  # data that is refused, or a rule that looks ahead, shows here first
    needs = [kind for kind in ORDER if kind not in have]
    if "oos" not in have:
        # Evidence deflates a result by its neighbours: it comes when they are known.
        needs = [kind for kind in needs if kind != "evidence"]
    return needs


def _by_ladder(current: str, judgement: Judgement, have: set[str]) -> list[str]:
    if "backtest" not in have:
        return ["backtest"]
    if judgement.verdict == "INVALID" or judgement.ranks["B"] != "pass":
        return []
    if "oos" not in have:
        return ["oos"]
    needs = []
    failed = {gate.name for gate in judgement.gates if gate.state == "fail"}
    if "evidence" not in have and not failed:
        needs.append("evidence")
    proven = judgement.ranks["A"] == "pass" or current in ("A", "S", "legend")
    if "cpcv" not in have and proven and judgement.ranks["S"] != "fail":
        needs.append("cpcv")
    return needs
