"""One job in, one result out. Every path answers: a number, a reason, or the error's code (spec 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from loguru import logger

from foldward.contracts import clock
from foldward.contracts.canonical import digest
from foldward.contracts.errors import FoldwardError
from foldward.contracts.jobs import Backtest, Result, Window
from foldward.data.bars import NS
from foldward.worker._candles import load_aux, load_bars
from foldward.worker._limits import TimeIsUp, time_limit

if TYPE_CHECKING:
    from foldward.data.bars import Bars
    from foldward.data.cache import Cache


def run_job(
    job: Backtest,
    cache: Cache,
    *,
    data_roots: Sequence[Path] = (),
    worker: str | None = None,
    timeout_s: float | None = None,
) -> Result:
    """The answer to a request; raises nothing but what ends the process (SystemExit, KeyboardInterrupt).

    timeout_s: wall time the job may take; its own deadline_s counts if it is shorter. Codes of the error
    form: those of the request.*, data.* and engine.* families; engine.timeout, engine.memory and
    engine.failed are what happened to the worker.
    """
    began = clock.now()
    limits = [limit for limit in (timeout_s, job.deadline_s) if limit]
    log = logger.bind(trace_id=job.trace_id, request_id=job.request_id)
    try:
        with time_limit(min(limits) if limits else None):
            result = _run(job, cache, data_roots, began)
    except TimeIsUp as late:
        result = failed(job, "engine.timeout", f"not finished after {late.seconds:g} s")
    except MemoryError:
        result = failed(job, "engine.memory", "the worker ran out of memory")
    except FoldwardError as error:
        code = "engine.memory" if _from_memory(error) else error.code
        result = failed(job, code, error.message, retry_after=error.retry_after)
    except RecursionError as error:
        result = failed(job, "engine.failed", f"RecursionError: {error}")
    except Exception as error:  # a plugin or a bug: the request is answered, the traceback is in the log
        log.exception("{} failed", job.strategy.name)
        result = failed(job, "engine.failed", f"{type(error).__name__}: {error}")
    if result.error is not None:
        log.warning("{} {}: {}: {}", job.phase, job.strategy.name, result.code, result.error)
    else:
        log.debug("{} {} in {:.3f} s", job.phase, job.strategy.name, clock.now() - began)
    return msgspec.structs.replace(result, worker=worker)


def _from_memory(error: BaseException) -> bool:
    """Whether an error only wraps the lack of memory."""
    cause = error.__cause__ or error.__context__
    return cause is not None and (isinstance(cause, MemoryError) or _from_memory(cause))


def failed(job: Backtest, code: str, message: str, *, retry_after: float | None = None) -> Result:
    """The error form of an answer to `job`."""
    return Result(
        request_id=job.request_id,
        strategy_name=job.strategy.name,
        trace_id=job.trace_id,
        attempt=job.attempt,
        seed=job.seed,
        error=message[:2000] or code,
        code=code,
        retry_after=retry_after,
    )


def _run(job: Backtest, cache: Cache, roots: Sequence[Path], began: float) -> Result:
    from foldward.backtest import engine_of, validate_strategy

    strategy = validate_strategy(job.strategy)
    job = msgspec.structs.replace(job, strategy=msgspec.structs.replace(strategy, name=job.strategy.name))
    engine = engine_of(strategy.kind)
    if job.phase == "evidence" and job.data_id is None and job.candles_file is None and job.candles is None:
        fields = _evidence(dict(job.plan or {}))
        return _result(job, None, fields, {"run": clock.now() - began}, engine)
    bars, notes = load_bars(job, cache, roots)
    aux, more = load_aux(job, bars, cache, roots)
    loaded = clock.now()
    fields = _PHASES[job.phase](job, bars, aux)
    fields["notes"] = (*fields.get("notes", ()), *notes, *more)
    timings = {"load": loaded - began, "run": clock.now() - loaded}
    return _result(job, bars, fields, timings, engine)


def _result(
    job: Backtest, bars: Bars | None, fields: dict[str, Any], timings: dict[str, float], engine: str
) -> Result:
    made = {"engine": engine, "profile": job.strategy.profile, **fields}
    timings |= made.pop("timings", {})
    if "result_digest" not in made:
        content = {"detail": made["detail"], "window": made.get("window")}
        made["result_digest"] = digest(msgspec.to_builtins(content))
    return Result(
        request_id=job.request_id,
        strategy_name=job.strategy.name,
        trace_id=job.trace_id,
        attempt=job.attempt,
        seed=job.seed,
        fingerprint=bars.fingerprint if bars is not None else None,
        provenance=bars.provenance if bars is not None else "real",
        timings={name: round(seconds, 6) for name, seconds in timings.items()},
        **made,
    )


def _given(job: Backtest, aux: dict[int, Bars]) -> dict[str, Any]:
    """What the engine takes beside bars, strategy and window."""
    return {"seed": job.seed, "aux": aux or None, "swaps": job.swap_history or None}


def _backtest(job: Backtest, bars: Bars, aux: dict[int, Bars]) -> dict[str, Any]:
    from foldward.backtest import simulate_windows
    from foldward.worker._fill import from_outcome

    spans = [(job.start_time, job.end_time), *(job.windows or ())]
    outcome, *parts = simulate_windows(bars, job.strategy, spans, **_given(job, aux))
    began = clock.now()
    fields = from_outcome(job, outcome)
    fields["timings"] = {"encode": clock.now() - began}
    if job.windows:
        fields["detail"] = {
            "windows": [
                {
                    "window": msgspec.to_builtins(part.window),
                    "metrics": part.metrics,
                    "reasons": part.reasons,
                    "verdict": part.verdict,
                    "result_digest": part.digest,
                }
                for part in parts
            ]
        }
        fields["result_digest"] = digest([outcome.digest, *(part.digest for part in parts)])
    return fields


def _report(job: Backtest, bars: Bars, aux: dict[int, Bars]) -> dict[str, Any]:
    from foldward.backtest import cpcv, walk_forward
    from foldward.worker._fill import from_report

    work = walk_forward if job.phase == "wfv" else cpcv
    default = {"mode": "classic"} if job.phase == "wfv" else {}
    plan = dict(job.plan or default)
    # The bars before the window stay: indicators warm up on them, as in a backtest of the same window.
    report = work(bars, job.strategy, plan, start=job.start_time, end=job.end_time, **_given(job, aux))
    fields = from_report(job.phase, msgspec.to_builtins(report))
    lo, hi = bars.index_range(job.start_time, job.end_time)
    fields["window"] = Window(int(bars.time[lo]) // NS, int(bars.time[hi - 1]) // NS, hi - lo)
    return fields


def _measured_evidence(job: Backtest, bars: Bars, aux: dict[int, Bars]) -> dict[str, Any]:
    from foldward.backtest import KINDS, sensitivity, simulate_windows
    from foldward.worker._fill import returns_of

    span, given = (job.start_time, job.end_time), _given(job, aux)
    # Deflation judges the bars on which the trials were compared; everything else judges all of them.
    window = dict((job.plan or {}).get("trials") or {}).get("window")
    spans = [span] if window is None else [span, tuple(window)]
    outcome, *selection = simulate_windows(bars, job.strategy, spans, **given)
    for found in (outcome, *selection):
        if found.faults:
            raise FoldwardError(found.faults[0].code, found.faults[0].message)
    inputs = {
        "returns": returns_of(outcome, job.strategy.cash).tolist(),
        "periods_per_year": outcome.calendar,
        "trade_pnls": outcome.trades["pnl"].tolist(),
        "cash": job.strategy.cash,
        "seed": job.seed,
        **(job.plan or {}),
    }
    if selection:
        inputs["selection"] = returns_of(selection[0], job.strategy.cash).tolist()
    changed = None
    # A plugin's signals are checked at every use, several calls each: a dozen more uses would be minutes.
    if job.strategy.profile != "peer" and KINDS[job.strategy.kind].builtin:
        changed = sensitivity(bars, job.strategy, *span, calendar=outcome.calendar, **given)
        inputs.setdefault("neighbours", changed["neighbours"])
    fields = _evidence(inputs)
    fields["detail"] |= {"costs": changed and changed["costs"], "delay": changed and changed["delay"]}
    fields["window"] = outcome.window
    fields["notes"] = outcome.notes
    return fields


def _evidence(inputs: dict[str, Any]) -> dict[str, Any]:
    from foldward.stats import evidence
    from foldward.worker._fill import from_report

    return from_report("evidence", msgspec.to_builtins(evidence(inputs)))


_PHASES = {
    "backtest": _backtest,
    "oos": _backtest,
    "wfv": _report,
    "cpcv": _report,
    "evidence": _measured_evidence,
}
