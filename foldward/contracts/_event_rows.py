"""The table of event types: what `foldward.contracts.events` makes public."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["debug", "info", "warning", "error", "critical"]


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """One documented event type. `keys` maps each key of `data` to what it means."""

    name: str
    when: str
    keys: dict[str, str]
    severity: Severity = "info"
    after_commit: bool = False


_OOS = {
    "request_id": "the request",
    "oos_kind": '"a-rank" for rank validation, else the request\'s kind (backtest, oos, wfv, cpcv, evidence)',
    "strategy": "name of the strategy",
    "status": "the request's state after this step",
    "attempt": "how often it has been sent",
    "latency_sec": "seconds from acceptance to result; null before a result",
}
_WFV = {
    "wfv_id": "the walk-forward run",
    "strategy": "name of the strategy",
    "split_ratio": "out-of-sample share of a classic split; null for rolling plans",
}
_BEAT = {
    "heartbeat_id": "id of this sign of life",
    "source": "who sent it: BRAIN, WORKER, …",
    "status": "what the sender says about itself; of one that says nothing `lost`, of a worker process of our"
    " own that lives and does not answer `frozen`",
}
_SNAPSHOT = {"path": "the file written", "figures": "the written figures in short"}
_MOVE = {
    "strategy": "name of the strategy",
    "from": "rank before",
    "to": "rank after; for a blocked move the rank it would have had",
    "gates": "the gates that decided, each with name, value, threshold and passed",
}
_DEAD = {
    "dead_id": "number of the dead letter",
    "code": "error code",
    "size": "bytes kept",
    "count": "how often the same bytes came",
    "outcome": "what became of it",
}
_CHILD = {
    "supervisor": "the supervisor's id",
    "child": "the child's id; null when the event is about the supervisor itself",
    "reason": "why",
    "restarts": "restarts of the child so far",
    "backoff_s": "seconds until the next attempt; null when there is none",
    "incarnation": "which incarnation of the child",
    "code": "what kind of crash its end was; null for every other end and event",
}
_BREAKER = {
    "breaker": "which breaker",
    "failures": "consecutive failures",
    "retry_at": "when it lets a probe through, UTC; null when it may at once, and while closed",
}
_DIGEST = {"result_digest": "digest of the result"}
_ERROR = {"error": "what happened", "code": "error code"}

ROWS: tuple[EventType, ...] = (
    EventType(
        name="oos.requested",
        when="a request's row is committed as pending",
        keys=_OOS
        | {
            "start_ts": "first bar of the window, Unix seconds",
            "end_ts": "last bar of the window, Unix seconds",
            "digest": "identity of the work",
        },
        after_commit=True,
    ),
    EventType(
        name="oos.deferred",
        when="a request waits because nothing can take it",
        keys=_OOS | {"reason": "no_worker, paused, inflight, rate, …", "age_sec": "age of the request"},
    ),
    EventType(
        name="oos.throttled",
        when="an automatic repeat came within the throttle window",
        keys=_OOS | {"reason": "why it is held back", "age_sec": "seconds since the last accepted send"},
    ),
    EventType(
        name="oos.dispatch_failed",
        when="the bytes of a request did not leave",
        keys=_OOS | _ERROR,
        severity="warning",
    ),
    EventType(
        name="oos.retry",
        when="an attempt failed and the next is due",
        keys=_OOS | _ERROR | {"failures": "failures so far", "next_attempt_at": "when it is due again, UTC"},
        severity="warning",
        after_commit=True,
    ),
    EventType(
        name="oos.result",
        when="a result is applied",
        keys=_OOS | {"sharpe": "Sharpe of the result", "trades": "trades of the result"} | _DIGEST,
        after_commit=True,
    ),
    EventType(
        name="oos.duplicate", when="an equal answer came again", keys=_OOS | _DIGEST, after_commit=True
    ),
    EventType(
        name="oos.stale",
        when="an answer came for an id that is unknown or no longer open",
        keys=_OOS | _DIGEST,
        severity="warning",
        after_commit=True,
    ),
    EventType(
        name="oos.nondeterministic",
        when="a second answer to the same request differs from the first",
        keys=_OOS | _DIGEST,
        severity="error",
        after_commit=True,
    ),
    EventType(
        name="oos.mirror_rejected",
        when="an out-of-sample Sharpe equals the in-sample one over another window",
        keys=_OOS | {"is_sharpe": "the in-sample Sharpe"},
        severity="warning",
    ),
    EventType(
        name="wfv.started",
        when="a walk-forward run is committed as pending",
        keys=_WFV
        | {
            "is_bars": "bars in sample, of the first fold; null when the candles cannot be read any more",
            "oos_bars": "bars out of sample, of the first fold; null as is_bars",
            "folds": "planned folds; null as is_bars",
        },
        after_commit=True,
    ),
    EventType(
        name="wfv.part_received",
        when="one part of a walk-forward result is known",
        keys=_WFV | {"part": '"IS", "OOS" or the number of the fold', "sharpe": "Sharpe of the part"},
    ),
    EventType(
        name="wfv.result",
        when="a walk-forward run has ended with a result",
        keys=_WFV
        | {
            "generation": "generation of the strategy",
            "required_oos": "Sharpe that was required out of sample",
            "degradation": "(in-sample - out-of-sample) / in-sample Sharpe",
            "decision": "validated, overfit, weak; or invalid",
            "is_sharpe": "Sharpe in sample",
            "oos_sharpe": "Sharpe out of sample",
        },
        after_commit=True,
    ),
    EventType(
        name="wfv.deferred",
        when="the scheduling guard starts nothing",
        keys=_WFV
        | {
            "reason": "disabled, interval, pending or no_candidate",
            "pending": "runs under way",
            "oldest_age_sec": "age of the oldest run under way; null when there is none",
        },
        severity="debug",
    ),
    EventType(
        name="wfv.expired",
        when="a walk-forward run ended without a result",
        keys=_WFV | {"reason": "why", "age_sec": "how long it was under way"},
        severity="warning",
        after_commit=True,
    ),
    EventType(
        name="cpcv.started",
        when="a combinatorial run is committed as pending",
        keys={
            "cpcv_id": "the run",
            "strategy": "name of the strategy",
            "paths": "planned paths; null when the strategy is gone",
            "basis": "what is measured: test_sets, or with a grid paths; null as paths",
        },
        after_commit=True,
    ),
    EventType(
        name="cpcv.result",
        when="a combinatorial run has ended with a result",
        keys={
            "cpcv_id": "the run",
            "strategy": "name of the strategy",
            "passed": "test sets or paths that passed their gates",
            "pass_rate": "share that passed",
            "median_sharpe": "median Sharpe",
            "median_maxdd": "median largest drawdown",
            "is_passed": "whether the run as a whole passed",
        },
        after_commit=True,
    ),
    EventType(name="heartbeat.sent", when="our own sign of life went out", keys=_BEAT, severity="debug"),
    EventType(name="heartbeat.recv", when="a peer's sign of life came", keys=_BEAT, severity="debug"),
    EventType(
        name="heartbeat.lost", when="a peer that sent signs of life is silent", keys=_BEAT, severity="warning"
    ),
    EventType(
        name="heartbeat.discord_sent",
        when="a sign of life went to the operator",
        keys=_BEAT,
        severity="debug",
    ),
    EventType(
        name="metrics.snapshot", when="system_metrics.json was written", keys=_SNAPSHOT, severity="debug"
    ),
    EventType(
        name="status.snapshot",
        when="live_status.json or oos_status.txt was written",
        keys=_SNAPSHOT,
        severity="debug",
    ),
    EventType(
        name="rank.cycle",
        when="a rank cycle has ended",
        keys={
            "considered": "strategies looked at",
            "requested": "requests made",
            "moved": "ranks changed",
            "failures": "{data_invalid, send_failure, db_error} of this cycle",
            "seconds": "how long it took",
        },
        after_commit=True,
    ),
    EventType(name="rank.changed", when="a strategy's rank changed", keys=_MOVE, after_commit=True),
    EventType(
        name="rank.blocked",
        when="a verdict cannot be reached because a number, a threshold or evidence is missing",
        keys=_MOVE,
        after_commit=True,
    ),
    EventType(
        name="dead_letter.held", when="bytes are kept", keys=_DEAD, severity="warning", after_commit=True
    ),
    EventType(name="dead_letter.replayed", when="a dead letter was replayed", keys=_DEAD, after_commit=True),
    EventType(name="dead_letter.dropped", when="a dead letter was dropped", keys=_DEAD, after_commit=True),
    EventType(name="supervisor.started", when="a supervisor and its children are up", keys=_CHILD),
    EventType(name="supervisor.child_terminated", when="a child has ended", keys=_CHILD),
    EventType(
        name="supervisor.child_restarted", when="a child was restarted", keys=_CHILD, severity="warning"
    ),
    EventType(name="supervisor.child_hung", when="a child was abandoned", keys=_CHILD, severity="error"),
    EventType(
        name="supervisor.budget_spent",
        when="a supervisor gave up after too many restarts",
        keys=_CHILD,
        severity="critical",
    ),
    EventType(name="supervisor.shutdown", when="a supervisor stops", keys=_CHILD),
    EventType(name="breaker.opened", when="a circuit breaker opened", keys=_BREAKER, severity="warning"),
    EventType(name="breaker.half_open", when="a circuit breaker lets one probe through", keys=_BREAKER),
    EventType(name="breaker.closed", when="a circuit breaker closed", keys=_BREAKER),
    EventType(
        name="link.flooded",
        when="a link is read slowly because of what is no answer; said once a minute while it lasts",
        keys={
            "link": "native or pushpull",
            "junk": "messages that were no answers, since it began",
            "per_s": "how many a second are read",
        },
        severity="warning",
    ),
    EventType(
        name="data.refused",
        when="the data gate refused candles",
        keys={
            "file": "the file",
            "codes": "codes of the findings that refused it",
            "findings": "how many findings there are",
        },
        severity="warning",
    ),
    EventType(
        name="config.reloaded",
        when="a new settings snapshot is in force",
        keys={"snapshot": "id of the snapshot", "findings": "what was noted"},
    ),
    EventType(
        name="config.reload_rejected",
        when="new settings are wrong; the old ones stay",
        keys={"snapshot": "id of the snapshot that stays", "findings": "what is wrong"},
        severity="error",
    ),
    EventType(name="db.backup", when="a backup is made and checked", keys={"path": "the file"}),
    EventType(
        name="run.started",
        when="a run's row is committed; core outside a run says it when it is up",
        keys={
            "run_id": "the run",
            "seed": "its seed",
            "strategies": "how many strategies it validates; null outside a run",
            "digest": "digest of its strategies; null outside a run",
        },
        after_commit=True,
    ),
    EventType(
        name="run.finished",
        when="a run has all its verdicts",
        keys={
            "run_id": "the run",
            "seed": "its seed",
            "strategies": "how many strategies it validated",
            "digest": "digest of its results",
        },
        after_commit=True,
    ),
    EventType(name="report.daily", when="the daily report is written", keys={"path": "the file"}),
)
