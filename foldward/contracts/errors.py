"""Every error that Foldward raises on purpose.

    FoldwardError                code, message, hint, context, retryable, fault, run_id, trace_id
    ├─ RequestError              request.*      the caller asked for something that cannot be
    ├─ DataError                 data.*         candles or files break the data contract
    ├─ WireError                 wire.*         bytes that are not a message; owns the bytes
    ├─ EngineError               engine.*       a simulation could not give a number
    ├─ StorageError              storage.*      the database or the disk
    ├─ ConfigError               config.*       settings, flags, environment
    ├─ SupervisionError          supervision.*  the tree
    ├─ ProviderError             provider.*     a market data provider
    └─ InternalError             internal.*     our fault: a bug

A leaf is a row of `CATALOGUE`: a stable dotted code with what it means, what to do, whether a retry can
help and whose fault it is. Raising an unknown code is itself an internal error, so the catalogue is whole.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class ErrorSpec(NamedTuple):
    """One documented error code."""

    meaning: str
    hint: str
    retryable: bool = False
    fault: str = "caller"  # caller | data | peer | machine | us
    exit_code: int | None = None  # None: the family's


CATALOGUE: dict[str, ErrorSpec] = {}


def declare(code: str, meaning: str, hint: str, **fields: Any) -> None:
    """Add a code to the catalogue; a second declaration of the same code is a programming error."""
    if code in CATALOGUE:
        raise ValueError(f"error code {code} is declared twice")
    CATALOGUE[code] = ErrorSpec(meaning, hint, **fields)


class FoldwardError(Exception):
    """Base of all errors raised on purpose.

    `code` is stable and dotted; `hint` says what to do; `context` holds what, where and which value;
    `retryable` and `fault` come from the catalogue unless given.
    """

    family = "internal"
    exit_code = 70

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        run_id: str = "-",
        trace_id: str = "-",
        **context: Any,
    ) -> None:
        spec = CATALOGUE.get(code)
        if spec is None:
            raise ValueError(f"error code {code} is not in the catalogue")
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = spec.hint if hint is None else hint
        self.retryable = spec.retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.fault = spec.fault
        self.run_id = run_id
        self.trace_id = trace_id
        self.context: Mapping[str, Any] = context
        if spec.exit_code is not None:
            self.exit_code = spec.exit_code

    def __str__(self) -> str:
        return self.message

    def line(self) -> str:
        """The one line a person gets on stderr."""
        tail = f" — hint: {self.hint}" if self.hint else ""
        return f"error {self.code}: {self.message}{tail}"

    def as_dict(self) -> dict[str, Any]:
        """JSON form: code, message, hint, retryable, fault and the context."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
            "fault": self.fault,
            "context": dict(self.context),
        }


class RequestError(FoldwardError):
    """The caller asked for something that cannot be."""

    family = "request"
    exit_code = 1


class DataError(FoldwardError):
    """Candles or a file break the data contract."""

    family = "data"
    exit_code = 7


class WireError(FoldwardError):
    """Bytes that are not a valid message. Owns the bytes, so that nothing is lost (spec 2)."""

    family = "wire"
    exit_code = 1

    def __init__(
        self, code: str, raw: bytes = b"", position: int | None = None, message: str = "", **fields: Any
    ) -> None:
        super().__init__(code, message or code, position=position, **fields)
        self.raw = raw
        self.position = position


class EngineError(FoldwardError):
    """A simulation or a statistic could not be computed."""

    family = "engine"
    exit_code = 1


class StorageError(FoldwardError):
    """The database or the disk refused."""

    family = "storage"
    exit_code = 8


class ConfigError(FoldwardError):
    """Settings, flags or environment are wrong."""

    family = "config"
    exit_code = 2


class SupervisionError(FoldwardError):
    """The tree could not do what was asked."""

    family = "supervision"
    exit_code = 1


class ProviderError(FoldwardError):
    """A market data provider failed."""

    family = "provider"
    exit_code = 1


class InternalError(FoldwardError):
    """A bug of ours."""

    family = "internal"
    exit_code = 70


FAMILIES: dict[str, type[FoldwardError]] = {
    cls.family: cls
    for cls in (
        RequestError,
        DataError,
        WireError,
        EngineError,
        StorageError,
        ConfigError,
        SupervisionError,
        ProviderError,
        InternalError,
    )
}


def is_retryable(code: str) -> bool:
    """Whether a result that carries `code` may be tried again; an unknown code may (peers have their own)."""
    spec = CATALOGUE.get(code)
    return True if spec is None else spec.retryable


def did_you_mean(wrong: str, known: Iterable[str]) -> str | None:
    """The nearest known name, or None when nothing is near enough to be a typing slip."""
    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    if near:
        return near[0]
    lowered = {name.lower(): name for name in known}
    near = difflib.get_close_matches(wrong.lower(), list(lowered), n=1, cutoff=0.6)
    return lowered[near[0]] if near else None


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """`did you mean 'sma'?` or, when nothing is near, the list of what is known."""
    names = sorted(known)
    near = did_you_mean(wrong, names)
    return f"did you mean '{near}'?" if near else f"known: {', '.join(names)}"


# The catalogue. The order is the order of docs/ERROR_CODES.md.
declare(
    "request.unknown_strategy", "No strategy of that name is stored.", "foldward strategies list", exit_code=4
)
declare("request.unknown_id", "No request, run or dead letter has that id.", "foldward oos list", exit_code=4)
declare("request.retired", "The strategy is retired and takes no more work.", "foldward strategies list")
declare(
    "request.bad_strategy",
    "A strategy's definition is not valid.",
    "correct the field named in the message",
    exit_code=2,
)
declare(
    "request.unknown_kind", "No such kind of strategy.", "the message names the nearest kind", exit_code=2
)
declare(
    "request.unknown_param",
    "The kind has no such parameter.",
    "the message names the nearest parameter",
    exit_code=2,
)
declare(
    "request.bad_param",
    "A parameter's value is outside its limits.",
    "the message names the limits",
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
declare("request.bad_seed", "A seed is an integer from 0 to 2^64-1.", "give such an integer", exit_code=2)
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
    "The core is leaving and admits nothing more.",
    "submit again after its restart",
    retryable=True,
    fault="machine",
)

declare("data.missing_file", "The file does not exist.", "check the path", fault="data")
declare("data.not_a_file", "The path is a directory or a device.", "name a file", fault="data")
declare(
    "data.unreadable",
    "The file cannot be read.",
    "check its permissions and that it is what its ending says",
    fault="data",
)
declare("data.empty", "The file has no bytes.", "export the data again", fault="data")
declare("data.no_rows", "The file has a header and no rows.", "export the data again", fault="data")
declare("data.encoding", "The text is not UTF-8.", "save the file as UTF-8", fault="data")
declare(
    "data.missing_column",
    "A required column is absent.",
    "the header needs timestamp, open, high, low, close, volume",
    fault="data",
)
declare("data.duplicate_column", "Two columns have the same meaning.", "remove one of them", fault="data")
declare(
    "data.cell_count", "A row has too many or too few cells.", "compare the row with the header", fault="data"
)
declare("data.not_numeric", "A cell is not a number.", "correct the cell", fault="data")
declare("data.not_finite", "A cell is infinite or not a number.", "remove or correct the row", fault="data")
declare("data.missing_value", "A cell is empty.", "remove or correct the row", fault="data")
declare("data.not_positive", "A price is zero or negative.", "correct the price", fault="data")
declare("data.negative_volume", "A volume is negative.", "correct the volume", fault="data")
declare(
    "data.zero_volume",
    "A bar has no volume.",
    "nothing to do if the market was closed or quotes carry no volume",
    fault="data",
)
declare(
    "data.geometry",
    "A bar's low, open, close and high are not in order.",
    "foldward data check FILE",
    fault="data",
)
declare("data.bad_time", "A time cannot be read.", "use Unix seconds or ISO-8601 with a zone", fault="data")
declare("data.naive_time", "A time has no zone.", "add Z or an offset, or declare --utc", fault="data")
declare(
    "data.ambiguous_time",
    "A time cannot be told from another unit or format.",
    "use Unix seconds or ISO-8601 with a zone",
    fault="data",
)
declare(
    "data.unsorted",
    "Times do not increase.",
    "sort the rows by time, or foldward data repair FILE",
    fault="data",
)
declare("data.duplicate", "A row stands twice.", "foldward data repair FILE", fault="data")
declare(
    "data.conflict",
    "Two different rows have the same time.",
    "decide which is right and remove the other",
    fault="data",
)
declare("data.spacing", "Rows are not evenly spaced for the timeframe.", "check --timeframe", fault="data")
declare("data.gap", "Bars are missing inside the calendar.", "fetch the missing bars", fault="data")
declare(
    "data.outlier",
    "A price jumps far outside its neighbourhood (a split shows as one).",
    "adjust the series, or accept it with --allow data.outlier",
    fault="data",
)
declare("data.stale", "The same bar repeats.", "fetch the data again", fault="data")
declare("data.future", "The last bar lies in the future or is unfinished.", "drop the last bar", fault="data")
declare(
    "data.too_few_rows",
    "The window holds too few bars for the strategy.",
    "give more history or shorter periods",
    fault="data",
)
declare(
    "data.refused",
    "The data gate refused the candles of this request.",
    "foldward data check FILE",
    fault="data",
)
declare(
    "data.not_found",
    "No candles are known for the symbol and timeframe.",
    "foldward data import FILE, or name a data root that holds SYMBOL_TF.csv",
    fault="data",
)
declare(
    "data.outside_root",
    "The path is outside the declared data roots.",
    "add the folder to core.data_roots",
    fault="data",
)
declare(
    "data.corrupt",
    "A cache entry does not have the content its name says.",
    "it was quarantined; the source is read again",
    fault="machine",
    retryable=True,
)
declare("data.synthetic", "Synthetic data cannot be out-of-sample evidence.", "use real prices", fault="data")

declare("wire.not_utf8", "The frame is not UTF-8.", "send UTF-8", fault="peer")
declare(
    "wire.unparseable",
    "The frame is neither JSON nor an S-expression.",
    "see docs/INTERFACES.md",
    fault="peer",
)
declare("wire.multipart", "The message has more than one frame.", "send one frame a message", fault="peer")
declare("wire.oversize", "The frame is larger than allowed.", "send less than 8 MiB", fault="peer")
declare("wire.too_deep", "The message is nested deeper than allowed.", "nest at most 64 levels", fault="peer")
declare("wire.unknown_type", "The message has no known type.", "see docs/INTERFACES.md", fault="peer")
declare("wire.missing_field", "A required field is absent.", "see docs/INTERFACES.md", fault="peer")
declare(
    "wire.unknown_field",
    "A request has a field that does not exist.",
    "the message names the nearest",
    fault="peer",
)
declare(
    "wire.invalid_field",
    "A field has the wrong type or an impossible value.",
    "see docs/INTERFACES.md",
    fault="peer",
)
declare(
    "wire.not_finite", "A number that must be written is not finite.", "send null with a reason", fault="us"
)
declare(
    "wire.mismatch",
    "The answer does not fit the request.",
    "the payload is kept: foldward dead show ID",
    fault="peer",
)
declare(
    "wire.mirror",
    "An out-of-sample Sharpe equals the in-sample one over another window.",
    "the peer copied a number instead of measuring it: foldward dead show ID",
    retryable=True,
    fault="peer",
)
declare(
    "wire.send_failed",
    "The bytes of a request did not leave.",
    "nothing to do: it goes out again; foldward status shows the links",
    retryable=True,
    fault="machine",
)
declare("wire.missing_request_id", "A BACKTEST has no readable request_id.", "send one", fault="peer")
declare(
    "wire.unsupported",
    "The peer asks for a version or feature this side does not have.",
    "upgrade the older side",
    fault="peer",
)
declare(
    "wire.endpoint_taken",
    "Another process already uses the address.",
    "stop it, or set another endpoint under [link]",
    fault="machine",
    exit_code=2,
)
declare(
    "wire.curve_required",
    "A link beyond this machine needs CURVE keys.",
    "set link.curve_* or link.allow_plain",
    fault="caller",
    exit_code=2,
)

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
    "use a shorter window or raise worker.memory_mb",
    retryable=True,
    fault="machine",
)
declare(
    "engine.timeout",
    "The computation took longer than its limit.",
    "use a shorter window or raise the deadline",
    retryable=True,
    fault="machine",
)

declare(
    "storage.open", "The database cannot be opened.", "check the path and its permissions", fault="machine"
)
declare(
    "storage.newer",
    "The database was written by a newer Foldward.",
    "upgrade Foldward, or restore a backup",
    fault="caller",
)
declare(
    "storage.migration",
    "A migration failed; the database is as it was.",
    "restore the backup named in the message",
    fault="us",
)
declare("storage.write", "A write was refused.", "see the message", retryable=True, fault="machine")
declare(
    "storage.fenced",
    "A replaced actor tried to write.",
    "nothing to do: its successor is running",
    fault="us",
)
declare(
    "storage.disk_full",
    "The disk is full.",
    "free space; nothing acknowledged is lost",
    retryable=True,
    fault="machine",
)
declare(
    "storage.io",
    "The disk reported an error.",
    "check the disk; foldward db fsck",
    retryable=True,
    fault="machine",
)
declare(
    "storage.busy",
    "Another process holds the database.",
    "close the other program",
    retryable=True,
    fault="machine",
)
declare(
    "storage.corrupt",
    "The database is damaged.",
    "foldward db fsck, then foldward db restore FILE",
    fault="machine",
)
declare("storage.backup", "A backup could not be made or does not check.", "see the message", fault="machine")

declare("config.unknown_key", "No such setting.", "the message names the nearest", fault="caller")
declare("config.invalid", "A setting's value is not allowed.", "foldward config check FILE", fault="caller")
declare(
    "config.unreadable", "The settings file cannot be read.", "check the path and its TOML", fault="caller"
)
declare(
    "config.foreign_package",
    "Another distribution owns one of our package names.",
    "install Foldward in a venv of its own",
    fault="machine",
)
declare("config.usage", "The command's words do not fit.", "foldward COMMAND --help", fault="caller")

declare("supervision.not_found", "No child of that id.", "foldward tree", exit_code=4)
declare(
    "supervision.core_running",
    "Another core owns this home.",
    "stop it, or choose another --home",
    exit_code=2,
)
declare("supervision.core_down", "No core is running in this home.", "foldward core --home DIR", exit_code=3)
declare("supervision.web_down", "No dashboard runs in this home.", "foldward web --home DIR", exit_code=3)
declare(
    "supervision.no_answer",
    "The core did not answer in time.",
    "foldward tree; the stacks are in the log",
    retryable=True,
    fault="machine",
    exit_code=5,
)
declare("supervision.refused", "The tree refused what was asked.", "foldward tree")
declare(
    "supervision.hung",
    "A child was busy with one message for too long, or did not stop in time.",
    "its crash report shows where it hung",
    fault="us",
)
declare(
    "supervision.budget_spent",
    "A supervisor had to restart its children too often.",
    "its crash report names the last of them",
    fault="us",
)
declare("supervision.start_failed", "A child did not start.", "the cause follows in the message", fault="us")
declare(
    "supervision.worker_lost",
    "A worker died or its link dropped.",
    "nothing to do: the work goes out again",
    retryable=True,
    fault="machine",
)
declare(
    "supervision.crash_loop",
    "The request's worker died three times on it.",
    "foldward dead show ID",
    fault="caller",
)

declare(
    "provider.failed",
    "The provider did not answer usefully.",
    "try later, or another provider",
    retryable=True,
    fault="peer",
)
declare("provider.refused", "The provider refused the request.", "check symbol and credentials", fault="peer")
declare(
    "provider.open",
    "The provider's circuit breaker is open.",
    "wait until retry_at",
    retryable=True,
    fault="peer",
)

declare("internal.bug", "Something happened that must not.", "report it with the log", fault="us")
