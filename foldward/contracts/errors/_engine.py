"""A simulation could not give a number."""

from __future__ import annotations

from foldward.contracts.errors._base import FoldwardError, declare


class EngineError(FoldwardError):
    """A simulation or a statistic could not be computed."""

    family = "engine"
    exit_code = 1


declare(
    "engine.invariant",
    "A simulation broke one of its own rules.",
    "the run is INVALID; report it with the run id",
    fault="us",
)
declare(
    "engine.lookahead",
    "The strategy's signal changes when later bars are added.",
    "use only bars up to the decision",
    fault="caller",
)
declare(
    "engine.nondeterministic",
    "The same input gave two different results.",
    "remove global randomness and clocks from the strategy",
    fault="caller",
)
declare(
    "engine.not_finite",
    "The strategy returned NaN or infinity.",
    "guard the division or the warm-up",
    fault="caller",
)
declare(
    "engine.failed",
    "The engine failed on this request.",
    "foldward why ID; the traceback is in the worker's log",
    retryable=True,
    fault="us",
)
declare(
    "engine.memory",
    "The worker ran out of memory.",
    "use a shorter window or raise core.memory_mb",
    retryable=True,
    fault="machine",
)
declare(
    "engine.timeout",
    "The computation took longer than its limit.",
    "use a shorter window or raise queue.attempt_max_s",
    retryable=True,
    fault="machine",
)
