"""Verdicts on their way into the database: written once, told after the commit, tried again when refused."""

from __future__ import annotations

from typing import Any

import msgspec

from actors import _ladder
from actors._effects import Effects, Event, WriteFact
from actors._gates import Judgement
from foldward.contracts.facts import CountUp, RecordVerdict
from foldward.contracts.messages import Written

STORE_S = 5.0  # a store that refused a verdict is asked again after this
ANSWER_S = 60.0  # a writer that was replaced never answers: judge again after this
_NONDETERMINISTIC = "engine.nondeterministic"  # what storage adds to the reasons by itself
_GOAL = {"backtest": "B", "oos": "A", "final": "A"}


class _Verdict(msgspec.Struct, frozen=True):
    """What a RecordVerdict under way is for."""

    name: str
    before: str
    after: str
    was: str | None
    judgement: Judgement
    until: float


class VerdictDesk:
    """One verdict of a strategy at a time. Times are `clock.now()` seconds."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._writing: dict[str, _Verdict] = {}
        self._again: dict[str, bool] = {}  # names of _writing; True: judged anew meanwhile
        self._later: dict[str, float] = {}  # names whose verdict was refused → when to judge again
        self._tags = 0

    @property
    def writing(self) -> int:
        """Verdicts under way."""
        return len(self._writing)

    @property
    def busy(self) -> bool:
        """Whether a verdict is under way or is to be tried again."""
        return bool(self._writing or self._later)

    def record(self, row: Any, judgement: Judgement, *, pending: bool, now: float, now_us: int) -> Effects:
        """Write the verdict and the rank that follows, unless the strategy's row says the same already."""
        name = row.name
        if name in self._again:
            self._again[name] = True
            return []
        rank = _ladder.next_rank(row.rank, judgement, pending=pending)
        gates = judgement.gate_rows()
        same = (
            row.verdict == judgement.verdict
            and row.stage == judgement.stage
            and row.rank == rank
            and [reason for reason in row.reasons if reason != _NONDETERMINISTIC] == list(judgement.reasons)
            and list(row.gates) == list(gates)
            and dict(row.numbers) == judgement.numbers
        )
        if same:
            return []
        self._tags += 1
        tag = f"verdict-{self._tags}"
        self._again[name] = False
        self._writing[tag] = _Verdict(name, row.rank, rank, row.verdict, judgement, now + ANSWER_S)
        fact = RecordVerdict(
            name=name,
            stage=judgement.stage,
            verdict=judgement.verdict,
            rank=rank,
            gates=gates,
            reasons=judgement.reasons,
            at_us=now_us,
            numbers=judgement.numbers,
        )
        return [WriteFact(fact, tag)]

    def written(self, message: Written, now: float) -> tuple[str | None, Effects]:
        """The writer's answer: (name to look at again, or whose verdict was refused; what is told)."""
        verdict = self._writing.pop(message.tag, None) if isinstance(message.tag, str) else None
        if verdict is None:
            return None, []
        again = self._again.pop(verdict.name, False)
        if not message.ok:
            if message.code != "request.unknown_strategy":
                self._later[verdict.name] = now + STORE_S
            return verdict.name, []
        return verdict.name if again else None, self._news(verdict) if message.value else []

    def due(self, now: float) -> list[str]:
        """Names to judge again: refused a while ago, or never answered."""
        names = []
        for tag, verdict in list(self._writing.items()):
            if verdict.until <= now:
                del self._writing[tag]
                self._again.pop(verdict.name, None)
                names.append(verdict.name)
        for name, until in list(self._later.items()):
            if until <= now:
                del self._later[name]
                names.append(name)
        return names

    def _news(self, verdict: _Verdict) -> Effects:
        judgement = verdict.judgement
        gates = [
            {"name": gate.name, "value": gate.value, "threshold": gate.threshold, "passed": gate.passed}
            for gate in judgement.gates
        ]
        effects: Effects = []
        moves = _ladder.steps(verdict.before, verdict.after)
        for before, after in moves:
            data = {"strategy": verdict.name, "from": before, "to": after, "gates": gates}
            effects.append(Event("rank.changed", data, run_id=self._run_id))
        if moves:
            effects.append(WriteFact(CountUp(counts={"rank_moves": len(moves)}), reply=False))
        if judgement.verdict == "BLOCKED" and verdict.was != "BLOCKED":
            goal = _GOAL[judgement.stage]
            data = {"strategy": verdict.name, "from": verdict.after, "to": goal, "gates": gates}
            effects.append(Event("rank.blocked", data, run_id=self._run_id))
        return effects
