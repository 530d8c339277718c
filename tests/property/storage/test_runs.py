"""Facts written as runs, with few statements for many, mean what they mean one by one."""

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foldward.contracts.facts import (
    AdmitRequest,
    ApplyResult,
    FailAttempt,
    GiveUp,
    HoldDeadLetter,
    ImportStrategies,
    LeaseRequest,
    SettleDeadLetter,
)
from foldward.contracts.jobs import Backtest, Result, Strategy
from foldward.settings import StorageTable
from foldward.wire import dumps
from storage import open_writer
from storage.maintenance import fsck
from storage.reads import Reader

T0 = 1_770_000_000_000_000
IDS = st.integers(0, 7)
NAMES = st.sampled_from(["a", 'b"\u0000\n', "ß", "d"])
DIGESTS = st.sampled_from([None, "sha256:x", "sha256:y"])
NUMBER = st.none() | st.floats(-2, 2)
TABLES = (
    "oos_queue",
    "results",
    "strategies",
    "events",
    "counters",
    "latencies",
    "trade_lists",
    "dead_letters",
)


def rid(n):
    return f"01980000-0000-7000-8000-{n:012d}"


def strategy(name, version=0):
    return Strategy(name=name, kind="sma", params={"n": float(version)}, symbol="X")


# Per id: name, kind, work. A request id means one piece of work, and equal work has one name and kind.
WORK = [
    ("a", "oos", 0),
    ("a", "oos", 1),
    ("a", "oos", 0),
    ('b"\u0000\n', "backtest", 2),
    ('b"\u0000\n', "backtest", 2),
    ("ß", "wfv", 3),
    ("d", "backtest", 4),
    ("a", "backtest", 5),
]


def admit(n, at, version):
    name, kind, work = WORK[n]
    job = Backtest(request_id=rid(n), strategy=strategy(name, version), phase=kind)
    return AdmitRequest(
        request_id=rid(n),
        name=name,
        kind=kind,
        digest=f"sha256:{work:064x}",
        payload=dumps(job),
        requested_us=T0 + at,
        due_us=T0,
        max_open=5,
    )


def answer(n, digest, sharpe, pnl, reasons, trades, at, attempt, verdict):
    result = Result(
        request_id=rid(n),
        sharpe=sharpe,
        pnl=pnl,
        trades=3,
        reasons=reasons,
        result_digest=digest,
        attempt=attempt,
        verdict=verdict,
        trade_list=({"entry": 1.5},) * trades if trades else None,
    )
    return ApplyResult(result=result, received_us=T0 + at, at_us=T0 + at)


ADMIT = st.builds(admit, IDS, IDS, st.integers(0, 1))
LEASE = st.builds(
    lambda n, at: LeaseRequest(request_id=rid(n), worker="w", sent_us=T0 + at, deadline_us=T0 + 99), IDS, IDS
)
ANSWER = st.builds(
    answer,
    IDS,
    DIGESTS,
    NUMBER,
    NUMBER,
    st.dictionaries(st.sampled_from(["sharpe", "pnl", "win_rate"]), st.just("none"), max_size=2),
    st.integers(0, 2),
    IDS,
    st.integers(1, 2),
    st.sampled_from(["OK", "OK", "INVALID"]),
)
FAIL = st.builds(
    lambda n: FailAttempt(request_id=rid(n), code="c", error="e", due_us=T0, at_us=T0, cause="result"), IDS
)
REDEFINE = st.builds(
    lambda name, version: ImportStrategies(strategies=(strategy(name, version),), at_us=T0 + 5),
    NAMES,
    st.integers(0, 1),
)
LETTER = st.builds(
    lambda n, reason, payload, error, direction, at: HoldDeadLetter(
        reason=reason,
        code=f"wire.{reason}",
        error=error,
        payload=payload,
        at_us=T0 + at,
        direction=direction,
        peer="p",
        request_id=None if n is None else rid(n),
    ),
    st.none() | IDS,
    st.sampled_from(["schema", "oversize"]),
    st.sampled_from([b"", b"x", b"\xff\x00", b"long" * 9]),
    st.sampled_from(["e", "password=hunter2"]),
    st.sampled_from(["result", "result", "message"]),
    IDS,
)
SETTLE = st.builds(
    lambda n, state: SettleDeadLetter(dead_id=n, state=state, outcome="applied", at_us=T0 + 7),
    st.integers(1, 5),
    st.sampled_from(["held", "replayed", "dropped"]),
)
GIVE_UP = st.builds(
    lambda n: GiveUp(request_id=rid(n), reason="exhausted", code="c", error="e", at_us=T0 + 8), IDS
)
RUN = st.one_of(
    st.lists(LETTER, min_size=1, max_size=9),
    st.lists(SETTLE, min_size=1, max_size=2),
    st.lists(GIVE_UP, min_size=1, max_size=1),
    st.lists(ADMIT, min_size=1, max_size=9),
    st.lists(LEASE, min_size=1, max_size=9),
    st.lists(ANSWER, min_size=1, max_size=9),
    st.lists(FAIL, min_size=1, max_size=2),
    st.lists(REDEFINE, min_size=1, max_size=2),
)


def content(path):
    """Everything but the order in which timeline rows of different requests were given their numbers."""
    with Reader(path) as reader:
        connection = reader._connection()
        tables = {}
        for table in TABLES:
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            rows = [
                dict(zip(names, row, strict=True)) for row in connection.execute(f"SELECT * FROM {table}")
            ]
            if table == "events":
                steps = {}
                for row in rows:
                    steps.setdefault(row.pop("request_id"), []).append((row["event"], row["at"], row["data"]))
                tables[table] = steps
            else:
                tables[table] = sorted(msgspec.json.encode(row, enc_hook=repr) for row in rows)
        return tables


def as_the_queue_would(runs):
    """An id that was answered is never admitted again: a request gets a fresh one."""
    answered = set()
    for run in runs:
        for fact in run:
            if isinstance(fact, ApplyResult):
                answered.add(fact.result.request_id)
            if not isinstance(fact, AdmitRequest) or fact.request_id not in answered:
                yield fact


@pytest.mark.slow
@given(st.lists(RUN, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_runs_and_single_facts_leave_the_same_file_and_the_same_answers(runs):
    facts = list(as_the_queue_would(runs))
    first = ImportStrategies(
        strategies=tuple(strategy(name) for name in ["a", 'b"\u0000\n', "ß"]), at_us=T0 - 9
    )
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for way in ("together", "singly"):
            path = Path(folder) / f"{way}.db"
            # Few letters have room, so that the bound is met as well.
            writer = open_writer(path, StorageTable(synchronous="NORMAL", dead_max_rows=7))
            writer.apply([first])
            if way == "together":
                outcomes = writer.apply(facts)
            else:
                outcomes = [outcome for fact in facts for outcome in writer.apply([fact])]
            revision, standing = writer.revision, writer.open_rows
            writer.close()
            assert fsck(path)["violations"] == []
            found[way] = ([(o.ok, o.value) for o in outcomes], revision, standing, content(path))
        for part, other in zip(found["together"], found["singly"], strict=True):
            assert part == other
