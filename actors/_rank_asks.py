"""What RankEvaluator asks the queue for: Submits in pieces, until each is answered or given up. Pure."""

from __future__ import annotations

from typing import Any

from actors._asked import Asked
from actors._effects import Effects, Tell
from foldward.contracts.messages import Submit, Submitted

QUEUE = "oos_queue"
CHUNK = 500  # names in one Submit
ANSWER_S = 60.0  # an OOSQueue that was replaced never answers: ask again after this
PLANS: dict[str, dict[str, Any]] = {
    "wfv": {"mode": "classic"},
    "cpcv": {"groups": 10, "test_groups": 2},
}


class RankAsks:
    """wish: a run is an operator's wish and passes the throttle. address: where the queue answers."""

    def __init__(self, asked: Asked, *, wish: bool, run_id: str, seed: int, address: Any) -> None:
        self._asked = asked
        self._wish = wish
        self._run_id = run_id
        self._seed = seed
        self._address = address
        self._open: dict[str, float] = {}  # tag → until when its answer is awaited
        self._tags = 0

    def __len__(self) -> int:
        return len(self._open)

    def ask(
        self, kind: str, names: tuple[str, ...], now: float, plans: dict[str, dict[str, Any]] | None
    ) -> Effects:
        """One kind of work for these strategies."""
        effects: Effects = []
        for start in range(0, len(names), CHUNK):
            chunk = names[start : start + CHUNK]
            self._tags += 1
            tag = f"ask-{self._tags}"
            self._open[tag] = now + ANSWER_S
            for name in chunk:
                # Until the queue answers; an answer that is lost makes it be asked for again.
                self._asked.hold(name, kind, now + ANSWER_S)
            submit = Submit(
                names=chunk,
                kind=kind,
                now=self._wish,
                origin="rank",
                run_id=self._run_id,
                seed=self._seed,
                plan=PLANS.get(kind),
                plans={name: plans[name] for name in chunk} if plans else None,
                reply_to=self._address,
                tag=tag,
            )
            effects.append(Tell(QUEUE, submit))
        return effects

    def answered(self, message: Submitted) -> bool:
        """Whether this answers something asked here."""
        return self._open.pop(message.tag, None) is not None

    def expire(self, now: float) -> None:
        """Give up what the queue never answered."""
        for tag, until in list(self._open.items()):
            if until <= now:
                del self._open[tag]
