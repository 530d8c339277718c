"""One piece of work has one answer, whether a person types it or the queue sends it to a worker."""

from __future__ import annotations

import json
import shutil

import msgspec
import pytest

from foldward.app.candles import Candles
from foldward.cli._app import run
from foldward.contracts.jobs import Costs, Filter, Strategy
from foldward.data import bundled_dir
from foldward.data.cache import Cache

pytestmark = pytest.mark.slow

START, END = 1_490_000_000, 1_500_000_000
RSI = Strategy(
    name="whatever",
    kind="rsi",
    params={"period": 9.0, "low": 25.0},
    symbol="EURUSD",
    sl="1%",
    tp="3atr",
    direction="long",
    units=1000.0,
    costs=Costs(commission_bps=0.5, spread=0.0001),
)
DEFINED = [
    "--data", str(bundled_dir() / "EURUSD_H1.csv"), "--kind", "rsi", "-p", "period=9", "-p", "low=25",
    "--sl", "1%", "--tp", "3atr", "--direction", "long", "--units", "1000", "--commission-bps", "0.5",
    "--spread", "0.0001", "--seed", "7", "--json",
]  # fmt: skip


@pytest.fixture
def typed(tmp_path, capsys):
    def ask(*line):
        assert run([*line, "--home", str(tmp_path / "home")]) == 0
        return json.loads(capsys.readouterr().out)

    return ask


def test_a_backtest_typed_or_queued_is_one_answer(standing, make_job, typed):
    queued = standing.ask(make_job(strategy=RSI, seed=7, start_time=START, end_time=END, include_trades=True))
    assert queued.error is None, queued.error
    answer = typed("backtest", *DEFINED, "--start", str(START), "--end", str(END), "--trades")
    assert answer["result_digest"] == queued.result_digest
    assert answer["metrics"] == queued.metrics
    assert answer["fingerprint"] == queued.fingerprint
    assert answer["window"] == {"start": queued.window.start, "end": queued.window.end, "bars": 2010}
    assert queued.trades > 10
    assert [row["pnl"] for row in answer["trades"]] == [row["pnl"] for row in queued.trade_list]


@pytest.mark.parametrize(
    ("phase", "words", "plan"),
    [
        ("wfv", ["wfv", "run", "--classic"], {"mode": "classic"}),
        (
            "wfv",
            ["wfv", "run", "--train", "90d", "--test", "30d", "--purge", "5"],
            {"mode": "rolling", "train": "90d", "test": "30d", "purge": 5, "embargo": 0},
        ),
        (
            "cpcv",
            ["cpcv", "run", "--groups", "6", "--test-groups", "2"],
            {"groups": 6, "test_groups": 2, "purge": 0, "embargo": 0},
        ),
    ],
)
def test_a_split_typed_or_queued_is_one_report(standing, make_job, typed, phase, words, plan):
    queued = standing.ask(make_job(strategy=RSI, seed=7, phase=phase, plan=plan))
    assert queued.error is None, queued.error
    answer = typed(*words, *DEFINED)
    assert (answer["fingerprint"], answer["result_digest"]) == (queued.fingerprint, queued.result_digest)
    assert {key: answer[key] for key in queued.detail} == queued.detail


@pytest.mark.parametrize("own", [True, False])
def test_a_filter_sees_the_same_candles_typed_or_queued(core, make_job, typed, tmp_path, own):
    folder = tmp_path / "prices"
    folder.mkdir()
    shutil.copy(bundled_dir() / "EURUSD_H1.csv", folder)
    if own:  # a series of its own, which no resampling gives
        rows = (bundled_dir() / "EURUSD_H1.csv").read_text().splitlines()
        (folder / "EURUSD_H4.csv").write_text("\n".join(rows[:1] + rows[1::4]) + "\n")
    rule = Filter(timeframe=240, period=10, logic="PRICE_ABOVE_SMA")
    strategy = msgspec.structs.replace(RSI, filter=rule)
    allow = ("data.spacing", "data.gap", "data.outlier")
    gate = Candles(Cache(tmp_path / "cache"), [folder], allow=allow).gate(strategy)
    assert gate.ok, gate.message
    assert bool(gate.aux) is own
    core.worker()
    queued = core.ask(make_job(strategy=strategy, seed=7, aux_data_ids=gate.aux or None))
    assert queued.error is None, queued.error
    line = [str(folder / "EURUSD_H1.csv") if word.endswith("EURUSD_H1.csv") else word for word in DEFINED]
    allowed = [word for code in allow for word in ("--allow", code)]
    answer = typed("backtest", *line, *allowed, "--filter", "H4:above:10")
    assert answer["result_digest"] == queued.result_digest
    ending = gate.aux["240"] if own else "resampled from the data"
    for notes in (answer["notes"], queued.notes):
        assert any(note.startswith("filter candles H4 ") and note.endswith(ending) for note in notes)
