"""Random damage to the file: what the check finds, by its two halves together."""

import random
import shutil

import pytest

from foldward.contracts.errors import StorageError
from foldward.contracts.facts import AdmitRequest, ApplyResult, ImportStrategies
from foldward.contracts.jobs import Result, Strategy
from foldward.settings import StorageTable
from storage import open_writer
from storage.maintenance import fsck

T0 = 1_770_000_000_000_000


@pytest.mark.slow
def test_most_random_damage_is_found(tmp_path):
    rng = random.Random(11)
    path = tmp_path / "foldward.db"
    writer = open_writer(path, StorageTable(synchronous="NORMAL"))
    facts = [ImportStrategies(strategies=(Strategy(name="a", kind="sma"),), at_us=T0)]
    for n in range(400):
        request_id = f"01980000-0000-7000-8000-{n:012d}"
        facts.append(
            AdmitRequest(
                request_id=request_id,
                name=f"s{n}",
                kind="backtest",
                digest=f"sha256:{n:064x}",
                payload=rng.randbytes(900),
                requested_us=T0,
                due_us=T0,
            )
        )
        if n % 2:
            trades = tuple({"timestamp": i, "pnl": rng.random()} for i in range(60))
            result = Result(request_id=request_id, sharpe=rng.random(), trades=60, trade_list=trades)
            facts.append(ApplyResult(result=result, received_us=T0 + 5, at_us=T0 + 6))
    assert all(outcome.ok for outcome in writer.apply(facts))
    writer.close()
    assert fsck(path)["ok"]

    size, found = path.stat().st_size, 0
    for _ in range(60):
        copy = tmp_path / "copy.db"
        shutil.copy(path, copy)
        with open(copy, "r+b") as file:
            for _ in range(3):
                file.seek(rng.randrange(100, size))
                file.write(rng.randbytes(1))
        try:
            found += not fsck(copy)["ok"]
        except StorageError:
            found += 1
        for suffix in ("-wal", "-shm"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    assert found >= 54, found
