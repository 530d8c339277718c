"""The worker as a process: it answers whatever happens, drains when told, and dies with core."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from foldward.contracts.jobs import Strategy
from foldward.contracts.messages import (
    FrameReceived,
    PeerBeat,
    PeerJoined,
    PeerLeft,
    PeerStarted,
)
from foldward.settings import LinkTable
from foldward.testing import invented
from foldward.wire import dumps, loads
from foldward.wire.links import NativeLink

pytestmark = pytest.mark.slow

KINDS = '''
"""Kinds that misbehave."""
import time
import numpy as np


class Raises:
    """Raises."""
    name = "raises"

    def signals(self, bars, params):
        raise ValueError("no luck")


class Sleeps:
    """Sleeps."""
    name = "sleeps"

    def signals(self, bars, params):
        left = 100_000_000
        while left:
            left -= 1
        return None


class Eats:
    """Eats memory."""
    name = "eats"

    def signals(self, bars, params):
        np.ones(1 << 40)


class Dies:
    """Takes the process with it."""
    name = "dies"

    def signals(self, bars, params):
        import os, threading
        threading.Event().wait(0.1)  # who dies in the same instant is named at his next try
        os._exit(139)


STRATEGIES = [Raises, Sleeps, Eats, Dies]
'''


def test_an_answer_beyond_cores_limit_comes_without_its_lists_or_says_so_in_a_short_one(
    make_core, make_job, eurusd, tmp_path
):
    job = make_job(phase="oos", include_trades=True)
    for limit, told in ((20_000, (None, True)), (1_100, ("wire.oversize", False))):
        core = make_core(max_frame=limit)
        core.worker("--data-root", str(tmp_path), "--max-frame", str(limit))
        answer = core.ask(job)
        assert (answer.code, answer.trades_truncated) == told, answer
        assert answer.trade_list is None
        assert len(core.of(FrameReceived)[0].frames[0]) <= limit
        assert core.of(PeerLeft) == []  # the connection did not break over it
        core.close()


def test_a_request_is_answered_with_everything_that_was_asked_for(standing, make_job, eurusd):
    job = make_job(
        phase="oos", include_trades=True, end_time=eurusd.last, start_time=eurusd.last - 86_400 * 180
    )
    answer = standing.ask(job)
    assert answer.error is None
    assert (answer.request_id, answer.trace_id, answer.worker) == (job.request_id, "trace-1", "worker-1")
    assert answer.fingerprint == eurusd.fingerprint
    assert answer.window.end == eurusd.last
    assert answer.trades == len(answer.trade_list) > 10
    assert answer.wins + answer.losses <= answer.trades
    assert answer.win_rate == pytest.approx(100 * answer.metrics["win_rate"])
    assert answer.result_digest.startswith("sha256:")
    assert len(answer.equity) <= 400
    assert sum(row[0] for row in answer.blocks["rows"]) == answer.metrics["days"]
    assert set(answer.timings) == {"load", "run", "encode"}


def test_the_same_work_has_the_same_digest_whoever_computes_it(core, make_job):
    core.worker()
    core.worker(id="worker-2")
    first, second = core.ask(make_job()), core.ask(make_job(trace_id="other"), "worker-2")
    assert first.result_digest == second.result_digest
    assert core.ask(make_job(start_time=1_500_000_000)).result_digest != first.result_digest


def test_a_request_is_reported_as_started_before_it_is_answered(core, make_job):
    core.worker()
    job = make_job()
    core.ask(job)
    kinds = [type(m) for _, m in core.told if getattr(m, "request_id", job.request_id) == job.request_id]
    assert core.of(PeerStarted)[0].request_id == job.request_id
    assert kinds.index(PeerStarted) < kinds.index(FrameReceived)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"strategy": Strategy(name="s", kind="smaa")}, "request.unknown_kind"),
        ({"strategy": Strategy(name="s", kind="sma", params={"sma_shrt": 5.0})}, "request.unknown_param"),
        ({"data_id": "sha256:" + "0" * 64}, "data.not_found"),
        ({"data_id": None}, "request.bad_param"),
        ({"data_id": None, "candles_file": "/etc/passwd"}, "data.outside_root"),
        ({"data_id": None, "candles_file": "../../etc/passwd"}, "data.outside_root"),
        ({"start_time": 2_000_000_000}, "request.bad_window"),
        ({"phase": "wfv", "plan": {"mode": "sideways"}}, "request.bad_plan"),
    ],
)
def test_a_request_that_cannot_be_is_answered_with_its_code(standing, make_job, fields, code):
    answer = standing.ask(make_job(**fields))
    assert (answer.code, bool(answer.error)) == (code, True)


def test_bytes_that_are_no_request_are_answered_under_the_id_of_the_envelope(standing, eurusd):
    answer = standing.ask(b'{"action":"BACKTEST","strategy":')
    assert (answer.request_id, answer.code) == ("on-envelope", "wire.unparseable")


def test_a_kind_that_fails_or_eats_memory_is_answered_and_the_worker_lives(core, make_job, tmp_path):
    (tmp_path / "bad_kinds.py").write_text(KINDS)
    process = core_worker_with(core, tmp_path, "--memory-mb", "2048", "--timeout-s", "0.5")
    for kind, code in (("raises", "engine.failed"), ("eats", "engine.memory"), ("sleeps", "engine.timeout")):
        answer = core.ask(make_job(strategy=Strategy(name="s", kind=kind)))
        assert (kind, answer.code) == (kind, code), answer.error
    assert core.ask(make_job()).error is None
    assert process.poll() is None


def test_a_kind_that_kills_the_process_is_known_by_name_before_it_does(core, make_job, tmp_path):
    (tmp_path / "bad_kinds.py").write_text(KINDS)
    process = core_worker_with(core, tmp_path)
    job = make_job(strategy=Strategy(name="s", kind="dies"))
    core.link.send("worker-1", job.request_id, dumps(job))
    core.wait(PeerLeft)
    assert process.wait(10) == 139
    assert [started.request_id for started in core.of(PeerStarted)] == [job.request_id]


def core_worker_with(core, folder: Path, *options: str):
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(folder)
    try:
        argv = [sys.executable, "-m", "foldward.worker", "--connect", core.link.endpoint, "--id", "worker-1"]
        argv += ["--cache", str(folder / "cache"), "--kinds", "bad_kinds", *options]
        process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        core.processes.append(process)
        core.wait(PeerJoined)
        return process
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def test_a_killed_worker_is_missed_in_well_under_a_second(core, make_job):
    process = core.worker()
    began = time.monotonic()
    process.send_signal(signal.SIGKILL)
    core.wait(PeerLeft)
    assert core.told[-1][0] - began < 0.5
    core.worker()
    assert core.ask(make_job()).error is None


def test_a_frozen_worker_is_missed_by_the_heartbeats_of_the_socket(make_core):
    core = make_core(heartbeat_ms=100, heartbeat_timeout_ms=300)
    process = core.worker(module="foldward.testing.peer")
    process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    core.wait(PeerLeft, timeout=5.0)
    assert time.monotonic() - began < 2.0
    process.send_signal(signal.SIGCONT)
    core.wait(PeerJoined, 2)


def test_sigterm_lets_the_worker_finish_and_leave(core, make_job):
    process = core.worker()
    core.ask(make_job())
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert core.wait(PeerLeft)[0].reason == "bye SIGTERM"


def test_sigterm_gives_back_a_job_that_takes_too_long(core, make_job, tmp_path):
    (tmp_path / "bad_kinds.py").write_text(KINDS)
    process = core_worker_with(core, tmp_path)
    job = make_job(strategy=Strategy(name="s", kind="sleeps"))
    core.link.send("worker-1", job.request_id, dumps(job))
    core.wait(PeerStarted)
    process.send_signal(signal.SIGTERM)
    assert core.wait(PeerLeft, timeout=8.0)[0].reason == "bye SIGTERM"
    assert process.wait(10) == 0


def test_a_worker_with_another_engine_is_refused_and_says_why(tmp_path):
    told = []
    link = NativeLink(told.append, LinkTable(), tmp_path, engine="foldward-0")
    link.start()
    try:
        argv = [sys.executable, "-m", "foldward.worker", "--connect", link.endpoint, "--id", "worker-1"]
        argv += ["--cache", str(tmp_path / "cache")]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    finally:
        link.close()
    assert done.returncode == 1
    assert "wire.unsupported: worker-1 computes with foldward-" in done.stderr
    assert "core with foldward-0: install the same foldward on both" in done.stderr
    assert told == []


def test_a_worker_ends_when_its_parent_dies(core, tmp_path):
    script = (
        "import subprocess, sys, os, time\n"
        "p = subprocess.Popen(sys.argv[1:])\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    argv = [sys.executable, "-m", "foldward.worker", "--connect", core.link.endpoint, "--id", "worker-1"]
    parent = subprocess.Popen(
        [sys.executable, "-c", script, *argv, "--cache", str(tmp_path / "cache")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        pid = int(parent.stdout.readline())
        core.wait(PeerJoined)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    assert core.wait(PeerLeft, timeout=5.0)[0].peer == "worker-1"
    deadline = time.monotonic() + 5.0
    while Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < deadline, "the worker outlives its parent"
        os.sched_yield()


def test_the_heart_beats_while_the_worker_computes(core, make_job, tmp_path):
    (tmp_path / "bad_kinds.py").write_text(KINDS)
    core_worker_with(core, tmp_path, "--heartbeat-s", "0.25")
    job = make_job(strategy=Strategy(name="s", kind="sleeps"))
    core.link.send("worker-1", job.request_id, dumps(job))
    core.wait(PeerStarted)
    core.wait(PeerBeat, len(core.of(PeerBeat)) + 2)
    beat = core.of(PeerBeat)[-1]
    assert (beat.peer, beat.beat.id, beat.beat.source) == ("worker-1", "worker-1", "WORKER")
    assert beat.beat.data["received"] == 1.0


def test_the_trace_is_in_the_workers_log(core, make_job, tmp_path):
    core.worker()
    core.ask(make_job(strategy=Strategy(name="s", kind="smaa"), trace_id="trace-xyz"))
    line = (tmp_path / "worker-1.log").read_text().splitlines()[-1]
    assert "trace_id=trace-xyz" in line
    assert "request.unknown_kind" in line


def test_walk_forward_combinations_and_evidence_report_in_detail(standing, make_job):
    wfv = standing.ask(make_job(phase="wfv", plan={"mode": "rolling", "train": "120d", "test": "60d"}))
    assert wfv.error is None, wfv.error
    assert wfv.detail["planned"] == len(wfv.detail["folds"]) > 1
    assert wfv.sharpe is None
    assert wfv.reasons["sharpe"] == "phase wfv reports in detail"
    cpcv = standing.ask(make_job(phase="cpcv", plan={"groups": 6, "test_groups": 2}))
    assert cpcv.error is None, cpcv.error
    assert cpcv.detail["splits"] == 15
    evidence = standing.ask(make_job(phase="evidence", plan={"trials": {"n": 10, "sharpe_std": 0.02}}))
    assert evidence.error is None, evidence.error
    assert evidence.detail["psr"] is not None
    assert wfv.result_digest != cpcv.result_digest


def test_many_windows_come_back_in_one_answer(standing, make_job, eurusd):
    third = (eurusd.last - eurusd.first) // 3
    spans = ((eurusd.first, eurusd.first + third), (eurusd.first + third + 1, eurusd.last))
    answer = standing.ask(make_job(windows=spans))
    parts = answer.detail["windows"]
    assert parts[0]["window"]["start"] == eurusd.first
    single = standing.ask(make_job(start_time=spans[1][0], end_time=spans[1][1]))
    assert parts[1]["result_digest"] == single.result_digest


def test_both_encodings_are_answered_in_kind(core, make_job):
    core.worker()
    job = make_job()
    core.link.send("worker-1", job.request_id, dumps(job, "sexp"))
    raw = core.wait(FrameReceived)[0].frames[0]
    assert raw[:1] == b"("
    assert loads(raw).result_digest == core.ask(make_job()).result_digest


def test_the_self_test_passes():
    done = subprocess.run([sys.executable, "-m", "foldward.worker", "--self-test"], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_worker_is_ready_quickly(core, eurusd):
    core.worker()
    assert 0.0 < ready_after(core.folder / "worker-1.log") < 5.0  # 1.1 s on two quiet cores


def ready_after(log: Path) -> float:
    line = next(line for line in log.read_text().splitlines() if "is ready after" in line)
    return float(line.split("is ready after ")[1].split(" s")[0])


def test_scripted_peers_give_the_invented_answer_on_the_native_link(core, make_job):
    core.worker(module="foldward.testing.peer")
    job = make_job()
    answer = core.ask(job)
    assert answer.sharpe == invented(job).sharpe
    assert answer.worker == "worker-1"
