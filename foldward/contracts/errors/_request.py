"""The caller asked for something that cannot be."""

from __future__ import annotations

from foldward.contracts.errors._base import FoldwardError, declare


class RequestError(FoldwardError):
    """The caller asked for something that cannot be."""

    family = "request"
    exit_code = 1


declare(
    "request.unknown_strategy", "No strategy of that name is stored.", "foldward strategies list", exit_code=4
)
declare("request.unknown_id", "No request, run or dead letter has that id.", "foldward oos list", exit_code=4)
declare(
    "request.not_possible",
    "The request is not in a state in which that can be done to it.",
    "foldward why ID",
    exit_code=4,
)
declare(
    "request.retired",
    "The strategy is retired and takes no more work.",
    "import it under another name to validate it anew",
)
declare(
    "request.bad_strategy",
    "A strategy's definition is not valid.",
    "correct the field named in the message",
    exit_code=2,
)
declare(
    "request.unknown_kind",
    "No such kind of strategy.",
    "docs/reference/kinds.md lists the kinds; core.kinds in the settings adds your own",
    exit_code=2,
)
declare(
    "request.unknown_param",
    "The kind has no such parameter.",
    "docs/reference/kinds.md lists the parameters",
    exit_code=2,
)
declare(
    "request.bad_param",
    "A parameter's value is outside its limits.",
    "choose a value inside these limits",
    exit_code=2,
)
declare(
    "request.bad_window",
    "The window is empty or ends before it starts.",
    "give --start before --end",
    exit_code=2,
)
declare(
    "request.bad_plan",
    "A split plan cannot be carried out on this data.",
    "the message names the limit and the way out",
    exit_code=2,
)
declare("request.bad_seed", "A seed is an integer from 0 to 2^64-1.", "for example --seed 7", exit_code=2)
declare(
    "request.throttled", "The strategy was sent within the throttle window.", "wait, or submit with --now"
)
declare(
    "request.duplicate_name",
    "Two strategies of one file have the same name.",
    "rename one of them",
    exit_code=2,
)
declare(
    "request.exists",
    "A file that should be written exists already.",
    "name another file, or replace this one with --force",
)
declare(
    "request.timeout",
    "The work did not finish within its deadline.",
    "foldward why ID",
    retryable=True,
    fault="machine",
    exit_code=5,
)
declare(
    "request.cancelled", "The request was cancelled by an operator.", "submit it again if it is still wanted"
)
declare(
    "queue.full",
    "The queue holds as many open requests as it may.",
    "wait until workers have caught up, or raise queue.max_open",
    fault="machine",
)
declare(
    "queue.draining",
    "The core drains, or is leaving, and admits nothing more.",
    "foldward resume, or submit again after its restart",
    retryable=True,
    fault="machine",
)
