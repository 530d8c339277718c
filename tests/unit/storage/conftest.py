"""A database for each test, copied from one that was made once, and short ways to say a fact."""

import shutil

import msgspec
import pytest

from foldward.contracts.facts import (
    AdmitRequest,
    ApplyResult,
    CancelRequests,
    FailAttempt,
    GiveUp,
    HoldDeadLetter,
    ImportStrategies,
    LeaseRequest,
)
from foldward.contracts.jobs import Backtest, Result, Strategy, Window
from foldward.settings import StorageTable
from foldward.wire import dumps
from storage import open_writer
from storage.reads import Reader

T0 = 1_770_000_000_000_000  # a moment in 2026, in microseconds UTC


def request_id(number: int) -> str:
    return f"01980000-0000-7000-8000-{number:012d}"


class Facts:
    """Facts about request `n` with everything that a test does not care about filled in."""

    def strategy(self, name="alpha", **fields):
        fields.setdefault("params", {"sma_short": 5, "sma_long": 20})
        return Strategy(name=name, kind="sma", symbol="EURUSD", **fields)

    def admit(self, n=1, name="alpha", kind="oos", strategy=None, **fields):
        strategy = strategy or self.strategy(name)
        job = Backtest(request_id=request_id(n), strategy=strategy, phase=kind)
        fields.setdefault("digest", f"sha256:{n:064x}")
        fields.setdefault("requested_us", T0)
        fields.setdefault("due_us", T0)
        fields.setdefault("payload", dumps(job))
        return AdmitRequest(request_id=request_id(n), name=name, kind=kind, **fields)

    def lease(self, n=1, **fields):
        fields.setdefault("worker", "worker-1")
        fields.setdefault("sent_us", T0 + 1_000)
        fields.setdefault("deadline_us", T0 + 120_000_000)
        return LeaseRequest(request_id=request_id(n), **fields)

    def fail(self, n=1, **fields):
        fields.setdefault("code", "engine.failed")
        fields.setdefault("error", "division by zero")
        fields.setdefault("due_us", T0 + 5_000_000)
        fields.setdefault("cause", "result")
        return FailAttempt(request_id=request_id(n), at_us=T0 + 3_000, **fields)

    def give_up(self, n=1, **fields):
        fields.setdefault("reason", "exhausted")
        fields.setdefault("code", "engine.failed")
        fields.setdefault("error", "failed 8 times")
        fields.setdefault("at_us", T0 + 4_000)
        return GiveUp(request_id=request_id(n), **fields)

    def cancel(self, n=1):
        return CancelRequests(request_ids=(request_id(n),), why="operator", at_us=T0 + 4_000)

    def result(self, n=1, **fields):
        fields.setdefault("strategy_name", "alpha")
        fields.setdefault("trades", 42)
        fields.setdefault("wins", 20)
        fields.setdefault("losses", 22)
        fields.setdefault("pnl", 12.5)
        fields.setdefault("sharpe", 0.61)
        fields.setdefault("sortino", 0.9)
        fields.setdefault("max_drawdown", 0.12)
        fields.setdefault("win_rate", 47.5)
        fields.setdefault("profit_factor", 1.3)
        fields.setdefault("window", Window(1, 2, 3))
        fields.setdefault("result_digest", "sha256:aa")
        return Result(request_id=request_id(n), **fields)

    def answer(self, n=1, at_us=T0 + 250_000, peer="worker-1", unverified=False, **fields):
        return ApplyResult(
            result=self.result(n, **fields),
            received_us=at_us,
            at_us=at_us + 500,
            peer=peer,
            unverified=unverified,
        )

    def letter(self, n=1, payload=b"no answer"):
        return HoldDeadLetter(
            reason="schema", code="wire.schema", error="", payload=payload, at_us=T0, request_id=request_id(n)
        )

    def imported(self, *strategies, at_us=T0 - 1_000_000):
        return ImportStrategies(strategies=strategies or (self.strategy(),), at_us=at_us)


@pytest.fixture
def facts():
    return Facts()


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("template") / "foldward.db"
    open_writer(path, StorageTable(synchronous="NORMAL")).close()
    return path


@pytest.fixture
def path(template, tmp_path):
    return shutil.copy(template, tmp_path / "foldward.db")


@pytest.fixture
def settings():
    return StorageTable(synchronous="NORMAL", busy_timeout_ms=50)


@pytest.fixture
def writer(path, settings):
    writer = open_writer(path, settings)
    writer._connection.pragma("synchronous", 0)  # no test here pulls the plug
    yield writer
    writer.close()


@pytest.fixture
def reader(path):
    with Reader(path) as reader:
        yield reader


@pytest.fixture
def do(writer):
    """Make facts true one after the other; the value of the last. Fails the test when one is refused."""

    def do(*these):
        value = None
        for fact in these:
            (outcome,) = writer.apply([fact])
            assert outcome.ok, outcome
            value = outcome.value
        return value

    return do


@pytest.fixture
def builtins():
    return msgspec.to_builtins
