"""From a strategy's name to a row of the queue: gate, window, seed, digest, payload (spec 1.2).

Pure but for the gate, which is an argument. The windows: an `oos` request gets the newest days, a
`backtest` the bars before them (so the two never share a bar), the plans get the whole series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from actors._candles import CandlesGate, GateResult
from actors._windows import span_of
from foldward.contracts import clock, ids
from foldward.contracts.errors import CATALOGUE, FoldwardError, did_you_mean, suggestion
from foldward.contracts.facts import AdmitRequest
from foldward.contracts.jobs import MAX_SEED, PHASES, Backtest, Strategy, Window, job_digest, unit_seed
from foldward.contracts.messages import Submit, SubmitOutcome

PLANNED = ("wfv", "cpcv", "evidence")

Encode = Callable[[Backtest], bytes]
EngineOf = Callable[[str], str]  # kind → which engine makes its numbers


class Refusal(msgspec.Struct, frozen=True):
    """Why a name is not admitted. `gate` is the gate's word when the candles were the reason."""

    code: str
    message: str
    hint: str | None = None
    gate: GateResult | None = None

    def outcome(self, name: str) -> SubmitOutcome:
        """As the caller hears it."""
        hint = self.hint if self.hint is not None else hint_of(self.code)
        return SubmitOutcome(name=name, status="refused", code=self.code, message=self.message, hint=hint)


def hint_of(code: str) -> str | None:
    """What the catalogue advises for a code."""
    spec = CATALOGUE.get(code)
    return None if spec is None else spec.hint


def check_submit(order: Submit) -> Refusal | None:
    """What is wrong with the order as a whole, whatever the names."""
    if order.kind not in PHASES:
        near = suggestion(order.kind, PHASES)
        return Refusal("request.bad_param", f"kind {order.kind!r} is no kind of request: {near}")
    if not 0 <= order.seed <= MAX_SEED:
        return Refusal("request.bad_seed", f"seed {order.seed} is outside 0 … 2^64-1")
    start, end = order.window or (None, None)
    if start is not None and end is not None and start > end:
        return Refusal("request.bad_window", f"the window ends at {end}, before it starts at {start}")
    return None


def unknown_strategy(name: str, known: Iterable[str]) -> Refusal:
    """No such strategy, with the nearest name."""
    near = did_you_mean(name, known)
    tail = f" — did you mean '{near}'?" if near else ""
    return Refusal("request.unknown_strategy", f"no strategy is named {name!r}{tail}")


def request_window(
    order: Submit, verdict: GateResult, candles: CandlesGate, oos_days: int
) -> Window | Refusal:
    """The exact bars that a request is about: first, last and how many."""
    if order.window is not None:
        start, end = order.window
    else:
        start, end = span_of(order.kind, verdict.last, oos_days)
    window = candles.window(verdict.fingerprint, start, end)
    if window is None or window.bars < verdict.min_bars:
        bars = 0 if window is None else window.bars
        span = f"{_moment(start, verdict.first)} … {_moment(end, verdict.last)}"
        return Refusal(
            "data.too_few_rows",
            f"the {order.kind} window {span} holds {bars} bars, at least {verdict.min_bars} are needed",
            hint=(
                f"give more history: the newest {oos_days} days are kept for out-of-sample work"
                if order.kind == "backtest" and order.window is None
                else None
            ),
        )
    return window


def _moment(given: int | None, otherwise: int) -> str:
    return clock.iso_s(otherwise if given is None else given)


def admit(
    order: Submit,
    strategy: Strategy,
    candles: CandlesGate,
    *,
    encode: Encode,
    engine: EngineOf,
    run_id: str,
    oos_days: int,
    max_open: int,
    now_us: int,
) -> tuple[AdmitRequest, Backtest] | Refusal:
    """One name of an order as the row it would become, or why not."""
    plan = (order.plans or {}).get(strategy.name, order.plan)
    if order.kind in PLANNED and plan is None:
        return Refusal("request.bad_plan", f"a {order.kind} request needs a plan")
    verdict = candles.gate(strategy)
    if not verdict.ok:
        return Refusal(
            verdict.code or "data.refused", verdict.message or "the data gate refused", verdict.hint, verdict
        )
    window = request_window(order, verdict, candles, oos_days)
    if isinstance(window, Refusal):
        return window
    request_id = ids.new_id()
    job = Backtest(
        request_id=request_id,
        strategy=strategy,
        phase=order.kind,  # type: ignore[arg-type]  # checked by check_submit
        trace_id=order.trace_id or request_id,
        run_id=order.run_id if order.run_id != "-" else run_id,
        symbol=strategy.symbol,
        timeframe=strategy.timeframe,
        candles_file=verdict.path,
        data_id=verdict.fingerprint,
        aux_data_ids=verdict.aux or None,
        start_time=window.start,
        end_time=window.end,
        seed=unit_seed(order.seed, strategy.name, order.kind, window.start, window.end),
        include_trades=order.kind in ("backtest", "oos"),
        plan=plan,
    )
    return row_of(job, order, verdict.fingerprint, window, encode, engine, max_open, now_us), job


def row_of(
    job: Backtest,
    order: Submit,
    fingerprint: str,
    window: Window,
    encode: Encode,
    engine: EngineOf,
    max_open: int,
    now_us: int,
) -> AdmitRequest:
    """The fact that makes a request durable. Its digest says what the work is, whoever asks for it."""
    return AdmitRequest(
        request_id=job.request_id,
        name=job.strategy.name,
        kind=job.phase,
        digest=job_digest(
            job.strategy,
            job.phase,
            fingerprint,
            (job.start_time, job.end_time),
            job.seed,
            engine(job.strategy.kind),
            job.plan,
            job.aux_data_ids,
        ),
        payload=encode(job),
        requested_us=now_us,
        due_us=now_us,
        run_id=job.run_id,
        trace_id=job.trace_id,
        priority=order.priority,
        group_id=order.group_id,
        parent_id=order.parent_id,
        origin=order.origin,
        fingerprint=fingerprint,
        window_start=window.start,
        window_end=window.end,
        window_bars=window.bars,
        max_open=max_open,
    )


def patched(job: Backtest, edit: dict[str, object]) -> Backtest | Refusal:
    """The request with an edit laid over it (RFC 7386 JSON merge patch), under its old id.

    Refused when what comes out is no request, with the field named.
    """
    merged = _merge(msgspec.to_builtins(job), edit)
    try:
        return msgspec.convert(merged, Backtest)
    except msgspec.ValidationError as error:
        return Refusal("request.bad_strategy", f"the edited request is not valid: {error}")


def _merge(old: object, patch: object) -> object:
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result


def refused(error: FoldwardError) -> Refusal:
    """A raised error of ours as a refusal."""
    return Refusal(error.code, error.message, error.hint)
