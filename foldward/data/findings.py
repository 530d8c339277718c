"""What a check of candles says: findings, each a rule with how often and where it is broken.

A finding of severity ERROR refuses the file, WARN is recorded on every verdict computed from it. A code that
the caller allowed is reported as WARN with `allowed` true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from foldward.contracts.clock import iso_s
from foldward.contracts.errors import DataError, RequestError, suggestion

ERROR = "ERROR"
WARN = "WARN"
MAX_PLACES = 5

RULES: Mapping[str, str] = {
    "data.missing_file": "the file exists",
    "data.not_a_file": "the path is a file",
    "data.unreadable": "the file can be read as what it is",
    "data.empty": "the file has bytes",
    "data.no_rows": "the file has rows",
    "data.encoding": "text is UTF-8",
    "data.missing_column": "the header has timestamp, open, high, low, close, volume",
    "data.duplicate_column": "no two columns have one meaning",
    "data.cell_count": "every row has as many cells as the header",
    "data.not_numeric": "every cell is a number",
    "data.not_finite": "every number is finite",
    "data.missing_value": "no cell is empty",
    "data.not_positive": "price > 0",
    "data.negative_volume": "volume >= 0",
    "data.zero_volume": "volume > 0",
    "data.geometry": "low <= open, close <= high",
    "data.bad_time": "every time can be read",
    "data.naive_time": "every time states its zone",
    "data.ambiguous_time": "a time has one meaning",
    "data.unsorted": "times increase",
    "data.duplicate": "no row stands twice",
    "data.conflict": "a time has one row",
    "data.spacing": "bars stand on the grid of the timeframe",
    "data.gap": "no bar is missing inside the calendar",
    "data.outlier": "no log return is far outside its neighbourhood",
    "data.stale": "the same bar does not repeat",
    "data.future": "the last bar is finished",
}

# Judgements about the market may be accepted by a person; a broken table may not.
ALLOWABLE = frozenset(
    {
        "data.future",
        "data.gap",
        "data.missing_column",
        "data.outlier",
        "data.spacing",
        "data.stale",
    }
)


class Place(NamedTuple):
    """Where a rule is broken. line: the header is line 1; for Parquet, the row number. time: ISO-8601 UTC."""

    line: int | None
    time: str | None
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: line, time, detail."""
        return self._asdict()

    def text(self, file: str) -> str:
        """`close 500 > high 106 (prices.csv line 3, 2024-01-01T01:00:00Z)`."""
        where = file if self.line is None else f"{file} line {self.line}"
        return f"{self.detail} ({where}{'' if self.time is None else ', ' + self.time})"


@dataclass(frozen=True)
class Finding:
    """One broken rule: its code, how bad, how often, and the first places.

    hint: what to do about this very file, where that is known; else None, and the code's own hint holds.
    """

    code: str
    severity: str
    rule: str
    count: int
    places: tuple[Place, ...]
    allowed: bool = False
    hint: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; `allowed` appears only when true, `hint` only where there is one."""
        body: dict[str, Any] = {
            "code": self.code,
            "severity": self.severity,
            "rule": self.rule,
            "count": self.count,
            "places": [place.to_dict() for place in self.places],
        }
        if self.allowed:
            body["allowed"] = True
        if self.hint is not None:
            body["hint"] = self.hint
        return body

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Finding:
        """The inverse of `to_dict`."""
        return cls(
            body["code"],
            body["severity"],
            body["rule"],
            body["count"],
            tuple(Place(**place) for place in body["places"]),
            body.get("allowed", False),
            body.get("hint"),
        )


def finding(
    code: str, severity: str, count: int, places: Iterable[Place], hint: str | None = None
) -> Finding:
    """A finding of a known rule with its first places."""
    return Finding(code, severity, RULES[code], count, tuple(places)[:MAX_PLACES], hint=hint)


@dataclass(frozen=True)
class Report:
    """The answer of a check: all findings, not only the first.

    first, last: Unix seconds UTC of the outer bars; coverage: bars present / bars the calendar expects; all
    three and `fingerprint` are None when the table could not be read that far (a refused file has no
    fingerprint). timeframe: minutes, declared or inferred. calendar: the inferred trading calendar in words.
    """

    file: str
    accepted: bool
    rows: int
    first: int | None
    last: int | None
    coverage: float | None
    fingerprint: str | None
    findings: tuple[Finding, ...]
    timeframe: int | None
    symbol: str
    calendar: str | None
    provenance: str

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that refuse the file."""
        return tuple(item for item in self.findings if item.severity == ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are recorded and do not refuse, allowed ones included."""
        return tuple(item for item in self.findings if item.severity != ERROR)

    @property
    def allowed(self) -> tuple[str, ...]:
        """The codes that would have refused the file and that the caller accepted."""
        return tuple(item.code for item in self.findings if item.allowed)

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `data check`; times are ISO-8601 UTC."""
        return {
            "file": self.file,
            "accepted": self.accepted,
            "rows": self.rows,
            "first": None if self.first is None else iso_s(self.first),
            "last": None if self.last is None else iso_s(self.last),
            "coverage": self.coverage,
            "fingerprint": self.fingerprint,
            "symbol": self.symbol,
            "timeframe": self.timeframe,
            "calendar": self.calendar,
            "provenance": self.provenance,
            "findings": [item.to_dict() for item in self.findings],
        }

    def error(self) -> DataError | None:
        """The finding that matters most as an exception with its own code, or None for an accepted file.

        A broken rule that nobody can accept comes before a judgement that the caller may accept.
        """
        if not self.errors:
            return None
        worst = min(self.errors, key=lambda item: item.code in ALLOWABLE)
        line = worst.places[0].text(self.file) if worst.places else f"not so: {worst.rule} ({self.file})"
        reached = worst.places and worst.places[0].line is not None
        look = f"foldward data check {self.file}" if reached else None
        return DataError(
            worst.code,
            line,
            hint=worst.hint or look,
            report=self.to_dict(),
            file=self.file,
        )

    def refusal(self) -> DataError | None:
        """The same as the data gate says it: code `data.refused`, the finding's own code in the message.

        `context["report"]` is the whole report, `context["cause"]` the code of the worst finding.
        """
        error = self.error()
        if error is None:
            return None
        return DataError(
            "data.refused",
            f"{error.code}: {error.message}",
            hint=error.hint,
            report=self.to_dict(),
            cause=error.code,
            file=self.file,
        )


def check_allow(allow: Iterable[str]) -> tuple[str, ...]:
    """The codes to accept, sorted. Raises RequestError `request.bad_param` for one that cannot be."""
    codes = sorted(set(allow))
    for code in codes:
        if code not in ALLOWABLE:
            why = "is a broken table and cannot be accepted" if code in RULES else "is not a data code"
            raise RequestError(
                "request.bad_param", f"allow: {code} {why}; {suggestion(code, ALLOWABLE)}", field="allow"
            )
    return tuple(codes)
