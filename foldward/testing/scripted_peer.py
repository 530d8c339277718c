"""A peer that misbehaves by script: swallows, garbles, doubles, delays, mislabels, fails, freezes, dies.

What it does with a request depends on the script's seed and on how many requests came before, never on time.
Its numbers are invented from the request itself, so that every copy of the peer gives the same answer.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from foldward.contracts.canonical import digest
from foldward.contracts.errors import WireError
from foldward.contracts.ids import new_id
from foldward.contracts.jobs import Backtest, Result, Window
from foldward.testing.fake_link import FakeLink, FakePeer
from foldward.wire import dumps, encoding_of, loads

Answer = Callable[[Backtest], Result]


@dataclass(frozen=True)
class Script:
    """Shares of requests (0 to 1) that meet each fate; the rest are answered. Fates are drawn in this order.

    swallow: no answer. garble: bytes that are no message. double: the answer twice. fail: the error form.
    mislabel: an answer under an id that nobody has. freeze: no answer, and none ever after. die: the process
    ends without a word. delay: the answer comes delay_s later.
    """

    seed: int = 0
    swallow: float = 0.0
    garble: float = 0.0
    double: float = 0.0
    fail: float = 0.0
    mislabel: float = 0.0
    freeze: float = 0.0
    die: float = 0.0
    delay: float = 0.0
    delay_s: float = 0.1

    FATES = ("swallow", "garble", "double", "fail", "mislabel", "freeze", "die", "delay")

    def __post_init__(self) -> None:
        total = sum(getattr(self, fate) for fate in self.FATES)
        if total > 1.0 + 1e-9 or any(getattr(self, fate) < 0 for fate in self.FATES):
            raise ValueError(f"the shares of a script lie between 0 and 1 and sum to at most 1, not {total}")


@dataclass(frozen=True)
class Reaction:
    """What to do with one request: its fate, and the messages to send after delay_s seconds."""

    fate: str
    messages: tuple[bytes, ...] = ()
    delay_s: float = 0.0


@dataclass
class ScriptedPeer:
    """Decides; whoever holds the socket carries it out. `counts` says how many requests met which fate."""

    script: Script = Script()
    answer: Answer | None = None
    worker: str = "scripted"
    counts: dict[str, int] = field(default_factory=dict)
    held: list[bytes] = field(default_factory=list)
    frozen: bool = False

    def __post_init__(self) -> None:
        self._random = random.Random(self.script.seed)

    def react(self, raw: bytes) -> Reaction:
        """The reaction to one request."""
        draw = self._random.random()
        noise = self._random.getrandbits(64)
        fate = "answer"
        for name in Script.FATES:
            share = getattr(self.script, name)
            if draw < share:
                fate = name
                break
            draw -= share
        if self.frozen:
            fate = "freeze"
        self.counts[fate] = self.counts.get(fate, 0) + 1
        if fate in ("swallow", "freeze", "die"):
            self.frozen = self.frozen or fate == "freeze"
            return Reaction(fate)
        encoding = encoding_of(raw)
        try:
            job = loads(raw)
        except WireError as error:
            unreadable = Result(request_id="MISSING", error=error.message, code=error.code)
            return Reaction("unreadable", (dumps(unreadable, encoding),))
        if not isinstance(job, Backtest):
            return Reaction("unreadable")
        result = msgspec.structs.replace((self.answer or invented)(job), worker=self.worker)
        if fate == "garble":
            return Reaction(fate, (garbled(dumps(result, encoding), noise),))
        if fate == "fail":
            failure = Result(
                request_id=job.request_id,
                strategy_name=job.strategy.name,
                trace_id=job.trace_id,
                attempt=job.attempt,
                error="the script says so",
                code="engine.failed",
            )
            return Reaction(fate, (dumps(failure, encoding),))
        if fate == "mislabel":
            result = msgspec.structs.replace(result, request_id=new_id())
        data = dumps(result, encoding)
        if fate == "double":
            return Reaction(fate, (data, data))
        return Reaction(fate, (data,), self.script.delay_s if fate == "delay" else 0.0)


def invented(job: Backtest, window: Window | None = None) -> Result:
    """A plausible answer that depends only on strategy, data, window and seed; no window is echoed unless
    one is given."""
    strategy = msgspec.to_builtins(job.strategy)
    strategy.pop("name")
    work = digest(
        [strategy, job.data_id, job.candles_file, job.start_time, job.end_time, job.seed, job.phase]
    )
    bits = hashlib.sha256(work.encode()).digest()
    share = [byte / 255.0 for byte in bits]
    trades = 20 + bits[0]
    wins = round(trades * (0.3 + 0.4 * share[1]))
    metrics = {
        "trades": float(trades),
        "pnl": round(2000.0 * (share[2] - 0.4), 6),
        # Finer than the others: an out-of-sample Sharpe that equals the in-sample one is refused as a mirror.
        "sharpe": round(3.0 * int.from_bytes(bits[8:12], "big") / 2**32 - 1.0, 9),
        "sortino": round(4.0 * share[4] - 1.0, 6),
        "max_drawdown": round(0.4 * share[5], 6),
        "win_rate": wins / trades,
        "profit_factor": round(0.6 + 1.6 * share[6], 6),
    }
    if job.phase in ("wfv", "cpcv", "evidence"):
        names = (*metrics, "wins", "losses")
        return Result(
            request_id=job.request_id,
            strategy_name=job.strategy.name,
            reasons=dict.fromkeys(names, f"phase {job.phase} reports in detail"),
            detail={"invented": True, "sharpe": metrics["sharpe"]},
            result_digest=work,
            engine="scripted",
            fingerprint=job.data_id,
            window=window,
            trace_id=job.trace_id,
            attempt=job.attempt,
            seed=job.seed,
        )
    return Result(
        request_id=job.request_id,
        strategy_name=job.strategy.name,
        trades=trades,
        wins=wins,
        losses=trades - wins,
        pnl=metrics["pnl"],
        sharpe=metrics["sharpe"],
        sortino=metrics["sortino"],
        max_drawdown=metrics["max_drawdown"],
        win_rate=100.0 * wins / trades,
        profit_factor=metrics["profit_factor"],
        metrics=dict(metrics),
        result_digest=work,
        engine="scripted",
        profile=job.strategy.profile,
        fingerprint=job.data_id,
        window=window,
        trace_id=job.trace_id,
        attempt=job.attempt,
        seed=job.seed,
    )


def garbled(data: bytes, noise: int) -> bytes:
    """The bytes, broken in one of five ways; never a valid message."""
    way = noise % 5
    if way == 0:
        return data[: max(1, len(data) // 2)]
    if way == 1:
        return b"\xff" + data
    if way == 2:
        return b""
    if way == 3:
        return data[:1] + data
    return data.replace(b"BACKTEST_RESULT", b"BACKTEST_RESULLT")


def attach(link: FakeLink, peer: ScriptedPeer, name: str = "scripted-1", **join: Any) -> FakePeer:
    """Put a scripted peer on a FakeLink. Delayed answers wait in `peer.held` until the test sends them."""

    def work(request_id: str, raw: bytes) -> None:
        reaction = peer.react(raw)
        if reaction.fate == "die":
            hands.leave()
            return
        if reaction.fate != "freeze":
            hands.started(request_id)
        if reaction.delay_s:
            peer.held += reaction.messages
            return
        for message in reaction.messages:
            hands.answer(message)

    hands = link.connect(name, on_work=work, **join)
    return hands
