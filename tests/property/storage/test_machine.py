"""The request machine against a model of a few lines: any order of facts, any grouping, restarts between."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from foldward.contracts.facts import (
    AdmitRequest,
    ApplyResult,
    CancelRequests,
    FailAttempt,
    GiveUp,
    HoldDeadLetter,
    LeaseRequest,
    RecordVerdict,
    RecoverLeases,
    RequeueRequest,
    ReturnLease,
    SettleDeadLetter,
)
from foldward.contracts.jobs import Result
from foldward.settings import StorageTable
from storage import open_writer
from storage.maintenance import fsck
from storage.reads import Reader

T0 = 1_770_000_000_000_000
NUMBERS = st.integers(0, 2)
OPEN = ("pending", "sent", "retry")


def rid(n):
    return f"01980000-0000-7000-8000-{n:012d}"


class Machine(RuleBasedStateMachine):
    """Three ids, three strategies, three digests; the model is one dictionary."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.path = Path(self.folder) / "foldward.db"
        self.settings = StorageTable(synchronous="NORMAL")
        self.writer = open_writer(self.path, self.settings)
        self.reader = Reader(self.path)
        self.rows = {}  # id → [status, sends, failures, kind, name, digest]
        self.results = {}  # id → (result digest, digest)
        self.batch = []

    def teardown(self):
        self.flush()
        assert fsck(self.path)["violations"] == []
        self.reader.close()
        self.writer.close()
        shutil.rmtree(self.folder)

    # Facts wait in a batch until `commit`, so that groupings are explored as well as orders.
    def add(self, fact, expected):
        self.batch.append((fact, expected))

    def flush(self):
        batch, self.batch = self.batch, []
        outcomes = self.writer.apply([fact for fact, _ in batch])
        for (fact, expected), outcome in zip(batch, outcomes, strict=True):
            if expected is RuntimeError:
                assert not outcome.ok, fact
            else:
                assert outcome.ok, (fact, outcome)
                if expected is not ...:
                    assert outcome.value == expected, (fact, outcome)

    @rule(
        n=NUMBERS, kind=st.sampled_from(["oos", "wfv"]), name=st.sampled_from("abc"), work=st.integers(0, 2)
    )
    def admit(self, n, kind, name, work):
        digest = f"sha256:{work:064x}"
        fact = AdmitRequest(
            request_id=rid(n), name=name, kind=kind, digest=digest, payload=b"{}", requested_us=T0, due_us=T0
        )
        answered = [
            i for i, (_, known) in self.results.items() if known == digest and i not in self.conflicts()
        ]
        standing = [i for i, row in self.rows.items() if row[0] in OPEN and row[5] == digest]
        if kind == "oos" and not standing:
            standing = [i for i, r in self.rows.items() if r[0] in OPEN and r[3] == "oos" and r[4] == name]
        if answered:
            self.add(fact, {"status": "cached", "request_id": answered[-1], "code": None})
        elif standing:
            status = "queued" if standing[0] == rid(n) else "pending"
            self.add(fact, {"status": status, "request_id": standing[0], "code": None})
        elif rid(n) in self.rows:
            self.add(fact, RuntimeError)
        elif rid(n) in self.results:
            return  # ids are never used twice once answered: the queue makes a fresh one
        else:
            self.add(fact, {"status": "queued", "request_id": rid(n), "code": None})
            self.rows[rid(n)] = ["pending", 0, 0, kind, name, digest]

    def conflicts(self):
        return getattr(self, "_conflicts", set())

    @rule(n=NUMBERS)
    def lease(self, n):
        row = self.rows.get(rid(n))
        fact = LeaseRequest(request_id=rid(n), worker="w", sent_us=T0 + 1, deadline_us=T0 + 2)
        if row and row[0] in ("pending", "retry"):
            row[0], row[1] = "sent", row[1] + 1
            self.add(fact, row[1])
        else:
            self.add(fact, None)

    @rule(n=NUMBERS)
    def give_back(self, n):
        row = self.rows.get(rid(n))
        fact = ReturnLease(request_id=rid(n), due_us=T0 + 3, at_us=T0 + 2, reason="gone")
        if row and row[0] == "sent":
            row[0] = "retry"
            self.add(fact, ...)
        else:
            self.add(fact, None)

    @rule(n=NUMBERS, cause=st.sampled_from(["send", "result", "deadline"]))
    def fail(self, n, cause):
        row = self.rows.get(rid(n))
        fact = FailAttempt(request_id=rid(n), code="c", error="e", due_us=T0 + 9, at_us=T0 + 2, cause=cause)
        if row and row[0] in OPEN:
            row[0], row[2] = "retry", row[2] + 1
            self.add(fact, {"failures": row[2], "sends": row[1]})
        else:
            self.add(fact, None)

    @rule(n=NUMBERS, reason=st.sampled_from(["exhausted", "crash_loop"]))
    def give_up(self, n, reason):
        row = self.rows.get(rid(n))
        fact = GiveUp(request_id=rid(n), reason=reason, code="c", error="e", at_us=T0 + 5)
        if row and row[0] in OPEN:
            # The failure that ends it is one of its failures; the death of a worker is none.
            row[0], row[2] = "error", row[2] + (reason == "exhausted")
            self.add(fact, ...)
        else:
            self.add(fact, None)

    @rule(n=NUMBERS)
    def cancel(self, n):
        row = self.rows.get(rid(n))
        fact = CancelRequests(request_ids=(rid(n), rid(n)), why="operator", at_us=T0 + 5)
        if row and row[0] in OPEN:
            row[0] = "cancelled"
            self.add(fact, [rid(n)])
        else:
            self.add(fact, [])

    @rule(n=NUMBERS, answer=st.sampled_from(["sha256:x", "sha256:y"]))
    def answer(self, n, answer):
        row = self.rows.get(rid(n))
        result = Result(request_id=rid(n), sharpe=0.5, trades=3, result_digest=answer)
        fact = ApplyResult(result=result, received_us=T0 + 4, at_us=T0 + 4)
        self.add(fact, ...)
        if row and row[0] in OPEN:
            self.results[rid(n)] = (answer, row[5])
            del self.rows[rid(n)]
        elif rid(n) in self.results and self.results[rid(n)][0] != answer:
            self._conflicts = {*self.conflicts(), rid(n)}

    @rule(n=NUMBERS)
    def requeue(self, n):
        row = self.rows.get(rid(n))
        fact = RequeueRequest(request_id=rid(n), due_us=T0 + 6, at_us=T0 + 6)
        if row is None or row[0] in ("pending", "sent"):
            self.add(fact, False)
            return
        others = [r for i, r in self.rows.items() if r[0] in OPEN and i != rid(n)]
        taken = any(r[5] == row[5] or (row[3] == r[3] == "oos" and r[4] == row[4]) for r in others)
        if row[0] == "retry":
            self.add(fact, True)
        elif taken:
            self.add(fact, False)
        else:
            row[0], row[2] = "pending", 0
            self.add(fact, True)

    @rule()
    def recover(self):
        sent = [row for row in self.rows.values() if row[0] == "sent"]
        for row in sent:
            row[0] = "retry"
        self.add(RecoverLeases(due_us=T0 + 7, at_us=T0 + 7), len(sent))

    @rule(payload=st.sampled_from([b"", b"\xff", b"(a . b)"]), n=st.none() | NUMBERS)
    def hold(self, payload, n):
        request_id = None if n is None else rid(n)
        self.add(
            HoldDeadLetter(
                reason="schema", code="c", error="e", payload=payload, at_us=T0, request_id=request_id
            ),
            ...,
        )

    @rule(dead_id=st.integers(1, 6), state=st.sampled_from(["held", "replayed"]))
    def settle(self, dead_id, state):
        self.flush()
        letter = self.reader.dead_letter(dead_id)
        if letter is None or letter.direction != "request":
            self.add(SettleDeadLetter(dead_id=dead_id, state=state, outcome="o", at_us=T0 + 9), ...)

    @rule()
    def a_fact_that_is_refused(self):
        self.add(
            RecordVerdict(name="nobody", stage="A", verdict="FAIL", rank="B", gates=(), reasons=(), at_us=T0),
            RuntimeError,
        )

    @rule()
    def commit(self):
        self.flush()

    @precondition(lambda self: not self.batch)
    @rule()
    def restart(self):
        self.writer.close()
        self.writer = open_writer(self.path, self.settings)

    @invariant()
    def the_file_says_what_the_model_says(self):
        if self.batch:
            return
        for n in range(3):
            row, expected = self.reader.request(rid(n)), self.rows.get(rid(n))
            if expected is None:
                assert row is None
            else:
                assert [row.status, row.sends, row.failures] == expected[:3]
            result = self.reader.result(rid(n))
            assert (result is None) == (rid(n) not in self.results)
            if result is not None:
                assert result.result_digest == self.results[rid(n)][0]
        assert self.writer.open_rows == sum(row[0] in OPEN for row in self.rows.values())


TestMachine = pytest.mark.slow(Machine.TestCase)
TestMachine.settings = settings(
    max_examples=120, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
