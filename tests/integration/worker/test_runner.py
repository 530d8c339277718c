"""run_job and the desk in this process: every path answers."""

from __future__ import annotations

import json

import msgspec
import pytest

from foldward.contracts.jobs import Backtest, Candle, Filter, Strategy
from foldward.data import bundled_dir
from foldward.data.cache import Cache
from foldward.wire import dumps, loads
from foldward.worker import run_job
from foldward.worker import runner as runner_module
from foldward.worker.desk import Desk
from foldward.worker.self_test import self_test, tiny_job

pytestmark = pytest.mark.slow


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def test_inline_candles_are_held_to_the_data_contract(cache):
    good = run_job(tiny_job(), cache)
    assert (good.error, good.window.bars, good.trades) == (None, 200, 8)
    rows = list(tiny_job().candles)
    rows[5] = msgspec.structs.replace(rows[5], h=1.0)
    bad = run_job(msgspec.structs.replace(tiny_job(), candles=tuple(rows)), cache)
    assert bad.code == "data.geometry"
    assert "candle 5" in bad.error


def test_a_peers_candles_are_resampled_to_the_timeframe_of_its_strategy(cache):
    """The peer's message names one timeframe, the strategy's; the candles' own is theirs to show."""
    flat = {"name": "s", "indicator_type": "sma", "sma_short": 2, "sma_long": 3, "sl": 9.0, "tp": 9.0}
    rows = [
        {"t": 3600 * i, "o": p, "h": p, "l": p, "c": p, "v": 1.0} for i, p in enumerate([5, 5, 5, 9] * 30)
    ]
    message = {
        "action": "BACKTEST",
        "request_id": "r",
        "strategy": {**flat, "timeframe": 240},
        "candles": rows,
    }
    job = loads(json.dumps(message).encode())
    peer = msgspec.structs.replace(job.strategy, profile="peer")
    done = run_job(msgspec.structs.replace(job, strategy=peer), cache)
    assert (done.error, done.trades) == (None, 0)  # every four hours close at 9: nothing ever crosses
    assert run_job(job, cache).code == "data.spacing"  # our own profile resamples nothing

    filed = msgspec.structs.replace(job, strategy=peer, candles=None, candles_file="AAPL_D1.csv")
    weekly = msgspec.structs.replace(filed, strategy=msgspec.structs.replace(peer, timeframe=10080))
    weekly = msgspec.structs.replace(weekly, timeframe=10080)
    done = run_job(weekly, cache, data_roots=[bundled_dir()])
    assert (done.error, done.trades > 0) == (None, True)


def test_a_file_in_a_data_root_is_checked_and_cached(cache):
    job = Backtest(
        request_id="r",
        strategy=Strategy(name="s", kind="sma", timeframe=1440),
        candles_file="SP500_D1.csv",
        timeframe=1440,
        include_trades=True,
    )
    answer = run_job(job, cache, data_roots=[bundled_dir()])
    assert answer.error is None, answer.error
    assert answer.fingerprint == cache.find("SP500", 1440)[0].fingerprint
    assert len(answer.trade_list) == min(500, answer.trades)


def test_a_damaged_cache_entry_is_stored_anew_and_noted(cache):
    entry = cache.ensure(bundled_dir() / "SP500_D1.csv", 1440, symbol="SP500")
    column = next(path for path in sorted(entry.folder.iterdir()) if path.name.startswith("close"))
    column.chmod(0o644)
    data = bytearray(column.read_bytes())
    data[-1] ^= 0xFF
    column.write_bytes(data)
    job = Backtest(
        request_id="r",
        strategy=Strategy(name="s", kind="sma", timeframe=1440),
        data_id=entry.fingerprint,
        timeframe=1440,
    )
    answer = run_job(job, Cache(cache.root))
    assert answer.error is None, answer.error
    assert "the cache entry was damaged and has been stored anew" in answer.notes


def test_a_filter_without_candles_of_its_own_sees_the_data_resampled(cache):
    rule = Filter(timeframe=240, period=3, logic="PRICE_ABOVE_SMA")
    strategy = msgspec.structs.replace(tiny_job().strategy, filter=rule)
    job = msgspec.structs.replace(tiny_job(), strategy=strategy)
    answer = run_job(job, cache)
    assert "filter candles H4 resampled from the data" in answer.notes
    assert answer.trades < 8
    rows = tuple(
        Candle(1_700_006_400 + 14_400 * i, 100.0 + i % 2, 102.0, 99.0, 101.0 - i % 2, 5.0) for i in range(50)
    )
    own = run_job(msgspec.structs.replace(job, aux_candles={"H4": rows}), cache)
    assert own.error is None, own.error
    assert not any("resampled" in note for note in own.notes)


def test_a_filter_sees_candles_of_its_own_from_the_cache(cache, tmp_path):
    lines = ["time,open,high,low,close,volume"]
    lines += [f"{1_700_006_400 + 14_400 * i},100,102,99,{100 + i % 2},5" for i in range(50)]
    (tmp_path / "X_H4.csv").write_text("\n".join(lines) + "\n")
    entry = cache.ensure(tmp_path / "X_H4.csv", 240, symbol="X", utc=True, allow=("data.stale",))
    rule = Filter(timeframe=240, period=3, logic="PRICE_ABOVE_SMA")
    strategy = msgspec.structs.replace(tiny_job().strategy, filter=rule)
    job = msgspec.structs.replace(tiny_job(), strategy=strategy)
    named = msgspec.structs.replace(job, aux_data_ids={"240": entry.fingerprint})
    answer = run_job(named, cache)
    assert answer.error is None, answer.error
    assert f"filter candles H4 {entry.fingerprint}" in answer.notes
    in_file = msgspec.structs.replace(job, aux_candles_files={"240": "X_H4.csv"})
    assert answer.result_digest == run_job(in_file, cache, data_roots=[tmp_path]).result_digest
    assert answer.result_digest != run_job(job, cache).result_digest
    lost = msgspec.structs.replace(job, aux_data_ids={"240": "sha256:" + "0" * 64})
    assert run_job(lost, cache).code == "data.not_found"


def test_evidence_deflates_on_the_bars_of_the_trials(cache):
    def sheet(**more):
        trials = {"n": 9, "sharpe_std": 0.05, **more}
        answer = run_job(daily(cache, phase="evidence", plan={"trials": trials}), cache)
        assert answer.error is None, answer.error
        return answer.detail, answer.window

    whole, window = sheet()
    middle = window.start + (window.end - window.start) // 2
    inside, _ = sheet(window=[window.start, middle])
    assert whole["dsr_observations"] == whole["observations"] == inside["observations"]
    assert 0 < inside["dsr_observations"] < whole["dsr_observations"]
    assert inside["psr"] == whole["psr"]
    assert inside["dsr"] != whole["dsr"]


def test_a_filter_whose_candles_would_be_a_guess_lets_nothing_pass(cache):
    rule = Filter(timeframe=10_080, period=1, logic="PRICE_ABOVE_SMA")
    strategy = msgspec.structs.replace(tiny_job().strategy, filter=rule)
    answer = run_job(msgspec.structs.replace(tiny_job(), strategy=strategy), cache)
    assert answer.trades == 0
    assert "no W1 candles for the filter: every entry is blocked" in answer.notes


def test_auxiliary_candles_may_lie_in_a_file(cache, tmp_path):
    lines = ["time,open,high,low,close,volume"]
    lines += [f"{1_700_006_400 + 14_400 * i},100,102,99,{100 + i % 2},5" for i in range(50)]
    (tmp_path / "X_H4.csv").write_text("\n".join(lines) + "\n")
    rule = Filter(timeframe=240, period=3, logic="PRICE_ABOVE_SMA")
    strategy = msgspec.structs.replace(tiny_job().strategy, filter=rule)
    job = msgspec.structs.replace(tiny_job(), strategy=strategy, aux_candles_files={"240": "X_H4.csv"})
    answer = run_job(job, cache, data_roots=[tmp_path])
    assert answer.error is None, answer.error
    assert run_job(job, cache).code == "data.outside_root"


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (MemoryError(), "engine.memory"),
        (ZeroDivisionError("x"), "engine.failed"),
        (RecursionError("deep"), "engine.failed"),
        (runner_module.TimeIsUp(1.0), "engine.timeout"),
    ],
)
def test_whatever_happens_inside_is_answered(cache, monkeypatch, raised, code):
    def broken(*args):
        raise raised

    monkeypatch.setattr(runner_module, "_run", broken)
    answer = run_job(tiny_job(), cache, worker="w")
    assert (answer.code, answer.worker, bool(answer.error)) == (code, "w", True)


def test_a_broken_rule_of_the_engine_gives_no_number_and_says_which(cache, monkeypatch):
    from foldward.backtest import plugins

    class Peeks:
        """Looks at the last bar."""

        name = "peeks_ahead"

        def signals(self, bars, params):
            import numpy as np

            return np.where(bars.close[-1] > bars.close, 1, -1)

    plugins.register_plugin(Peeks)
    job = msgspec.structs.replace(tiny_job(), strategy=Strategy(name="s", kind="peeks_ahead"))
    answer = run_job(job, cache)
    assert answer.sharpe is None
    assert (answer.verdict, answer.faults[0].code) == ("INVALID", "engine.lookahead")
    assert loads(dumps(answer)) == answer


def daily(cache, **fields):
    entry = cache.ensure(bundled_dir() / "SP500_D1.csv", 1440, symbol="SP500")
    strategy = Strategy(
        name="s", kind="sma", params={"sma_short": 20.0, "sma_long": 100.0}, timeframe=1440, units=5.0
    )
    return Backtest(
        request_id="r", strategy=strategy, data_id=entry.fingerprint, timeframe=1440, seed=7, **fields
    )


START = 1_262_304_000  # 2010-01-01


def test_a_split_inside_a_window_warms_up_on_the_bars_before_it(cache):
    plan = {"mode": "rolling", "train": 300, "test": 200}
    answer = run_job(daily(cache, phase="wfv", start_time=START, plan=plan), cache)
    assert answer.error is None, answer.error
    first = answer.detail["folds"][0]
    assert first["train"]["start"] == answer.window.start >= START
    alone = run_job(daily(cache, start_time=first["train"]["start"], end_time=first["train"]["end"]), cache)
    assert (first["is_trades"], first["is_pnl"]) == (alone.trades, pytest.approx(alone.pnl))
    groups = run_job(
        daily(cache, phase="cpcv", start_time=START, plan={"groups": 4, "test_groups": 1}), cache
    )
    assert groups.window == answer.window
    assert groups.detail["splits"] == 4


def test_many_windows_in_one_job_equal_each_alone(cache):
    spans = ((START, START + 86_400 * 365), (START + 86_400 * 365, START + 86_400 * 900))
    answer = run_job(daily(cache, windows=spans), cache)
    for row, (start, end) in zip(answer.detail["windows"], spans, strict=True):
        alone = run_job(daily(cache, start_time=start, end_time=end), cache)
        assert (row["result_digest"], row["metrics"]) == (alone.result_digest, alone.metrics)


def test_evidence_knows_the_neighbouring_parameters(cache):
    job = daily(cache, phase="evidence", plan={"trials": {"n": 1}})
    detail = run_job(job, cache).detail
    assert 0.0 <= detail["neighbourhood_stability"] <= 1.0
    assert [row["factor"] for row in detail["costs"]] == [1.0, 2.0, 3.0]
    assert detail["costs"][0]["sharpe"] == pytest.approx(detail["sharpe"])
    assert detail["costs"][0]["pnl"] > detail["costs"][1]["pnl"] > detail["costs"][2]["pnl"]
    assert set(detail["delay"]) == set(detail["costs"][0]) - {"factor"}
    given = run_job(msgspec.structs.replace(job, plan={"neighbours": [0.0, 0.0]}), cache).detail
    assert given["neighbourhood_stability"] == 0.0


def test_evidence_from_numbers_alone_needs_no_candles(cache):
    plan = {"returns": [0.01, -0.005] * 50, "periods_per_year": 252}
    job = Backtest(request_id="r", strategy=Strategy(name="s", kind="sma"), phase="evidence", plan=plan)
    answer = run_job(job, cache)
    assert answer.error is None, answer.error
    assert answer.detail["psr"] is not None
    assert answer.window is None
    assert answer.result_digest == run_job(msgspec.structs.replace(job, request_id="q"), cache).result_digest


def test_an_answer_that_is_too_large_goes_without_its_lists(cache):
    whole = Desk(cache).answer(dumps(tiny_job()))
    small = Desk(cache, max_frame=len(whole) - 1)
    job = dumps(msgspec.structs.replace(tiny_job(), candles=tiny_job().candles))
    small.max_frame = max(len(job), 1)
    answer = loads(Desk(cache)._encode(tiny_job(), run_job(tiny_job(), cache), "json"))
    assert answer.trade_list
    tight = Desk(cache, max_frame=3000)
    lean = loads(tight._encode(tiny_job(), run_job(tiny_job(), cache), "json"))
    assert (lean.trade_list, lean.trades_truncated, lean.equity, lean.trades) == (None, True, None, 8)
    none = loads(Desk(cache, max_frame=100)._encode(tiny_job(), run_job(tiny_job(), cache), "json"))
    assert none.code == "wire.oversize"


def test_an_answer_that_cannot_be_written_says_so(cache):
    broken = msgspec.structs.replace(run_job(tiny_job(), cache), timings={"run": float("nan")})
    assert loads(Desk(cache)._encode(tiny_job(), broken, "json")).code == "wire.not_finite"


def test_the_flat_spelling_takes_the_desks_profile(cache):
    flat = {"name": "a", "indicator_type": "sma", "sma_short": 3, "sma_long": 9, "sl": 1.0, "tp": 1.5}
    body = json.loads(dumps(tiny_job()))
    body["strategy"] = flat
    peer = loads(Desk(cache, profile="peer").answer(json.dumps(body).encode()))
    own = loads(Desk(cache).answer(json.dumps(body).encode()))
    named = {**body, "strategy": {**flat, "profile": "next_open"}}
    told = loads(Desk(cache, profile="peer").answer(json.dumps(named).encode()))
    assert (peer.profile, own.profile, told.profile) == ("peer", "next_open", "next_open")
    assert told.result_digest == own.result_digest != peer.result_digest


def test_the_self_test_passes():
    assert self_test() == 0
