"""A Ray cluster as one worker: the same answers, and nothing lost when its parts are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from foldward.contracts.jobs import Strategy
from foldward.contracts.messages import FrameReceived, PeerBeat, PeerJoined, PeerLeft, PeerStarted
from foldward.wire import dumps, loads

pytest.importorskip("ray", reason="the cluster needs Ray: pip install 'foldward[cluster]'")
pytestmark = pytest.mark.slow

READY_S = 90.0  # two cores that others use too
KINDS = '''
"""Kinds that misbehave."""
import os
import time


class Dies:
    """Takes its process with it."""
    name = "dies"

    def signals(self, bars, params):
        os._exit(139)


class Waits:
    """Says who computes it, and waits until it is told to go on."""
    name = "waits"
    params = {"n": 0.0}

    def signals(self, bars, params):
        folder = os.environ["WAITS"]
        with open(f"{folder}/{params['n']:g}-{os.getpid()}", "w"):
            pass
        while not os.path.exists(f"{folder}/go"):
            time.sleep(0.01)
        return [0] * len(bars)


STRATEGIES = [Dies, Waits]
'''


def bridge(core, folder: Path, *options: str, cluster: str = "local:2") -> subprocess.Popen[bytes]:
    (folder / "cluster_kinds.py").write_text(KINDS)
    (folder / "waits").mkdir(exist_ok=True)
    argv = [sys.executable, "-m", "foldward.worker", "--connect", core.link.endpoint, "--id", "cluster-1"]
    argv += ["--cluster", cluster, "--cache", str(folder / "cache"), "--kinds", "cluster_kinds"]
    argv += ["--log", str(folder / "cluster.log"), "--heartbeat-s", "0.2", *options]
    env = {**os.environ, "PYTHONPATH": str(folder), "WAITS": str(folder / "waits")}
    joined = len(core.of(PeerJoined))
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=env)
    core.processes.append(process)
    core.wait(PeerJoined, joined + 1, timeout=READY_S)
    return process


def send(core, jobs, peer: str = "cluster-1") -> None:
    for job in jobs:
        core.link.send(peer, job.request_id, dumps(job))


def answers(core, count: int, timeout: float = READY_S):
    found = [loads(frame.frames[0]) for frame in core.wait(FrameReceived, count, timeout)]
    return {answer.request_id: answer for answer in found}


def crossings(make_job, count: int):
    return [
        make_job(
            strategy=Strategy(
                name=f"s{fast}",
                kind="sma",
                params={"sma_short": float(fast), "sma_long": float(fast + 15)},
                symbol="EURUSD",
            ),
            phase=("backtest", "oos", "wfv", "cpcv")[fast % 4],
            plan=(None, None, {"mode": "classic"}, {"groups": 6, "test_groups": 2})[fast % 4],
        )
        for fast in range(2, 2 + count)
    ]


def test_a_cluster_gives_the_digests_of_one_worker_and_of_two(make_core, core, make_job, tmp_path):
    jobs = crossings(make_job, 120)
    core.worker()
    core.worker(id="worker-2")
    send(core, jobs, "worker-1")
    alone = {job_id: answer.result_digest for job_id, answer in answers(core, 120).items()}
    core.told.clear()
    send(core, jobs[::2], "worker-1")
    send(core, jobs[1::2], "worker-2")
    both = {job_id: answer.result_digest for job_id, answer in answers(core, 120).items()}
    core.told.clear()

    process = bridge(core, tmp_path)
    assert core.of(PeerJoined)[-1].capacity == 2 * 2 * 10
    send(core, jobs)
    found = answers(core, 120)
    assert {job_id: answer.result_digest for job_id, answer in found.items()} == alone == both
    assert None not in alone.values()
    whole = found[jobs[0].request_id]
    assert whole.worker.startswith("cluster-1@")
    assert whole.error is None
    beat = core.wait(PeerBeat, 1)[-1].beat
    assert beat.data["cpus"] == 2.0

    bad = [
        make_job(strategy=Strategy(name="s", kind="smaa")),
        make_job(data_id="sha256:" + "0" * 64),
        make_job(data_id=None, candles_file="/etc/passwd"),
    ]
    send(core, bad)
    found = answers(core, 123)
    codes = [found[job.request_id].code for job in bad]
    assert codes == ["request.unknown_kind", "data.not_found", "data.outside_root"]
    core.link.send("cluster-1", "on-envelope", b'{"action":"BACKTEST","strategy":')
    assert answers(core, 124)["on-envelope"].code == "wire.unparseable"

    process.send_signal(signal.SIGTERM)
    assert core.wait(PeerLeft)[-1].reason == "bye SIGTERM"
    process.send_signal(signal.SIGTERM)  # it leaves the cluster now, and is not to be hurried
    assert process.wait(20) == 0


def test_a_killed_process_of_the_cluster_loses_nothing(core, make_job, tmp_path):
    process = bridge(core, tmp_path)
    waiting = [
        make_job(strategy=Strategy(name=f"w{n}", kind="waits", params={"n": float(n)})) for n in range(2)
    ]
    jobs = crossings(make_job, 30)
    send(core, waiting)  # few requests: each has a task of its own
    victims = pids(tmp_path, 2)
    send(core, jobs)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    pids(tmp_path, 4)  # both run again, elsewhere
    (tmp_path / "waits" / "go").touch()
    found = answers(core, 32)
    assert {job.request_id for job in [*waiting, *jobs]} == set(found)
    assert [answer.code for answer in found.values() if answer.error is not None] == []
    assert len(core.of(FrameReceived)) == 32  # each once
    assert core.of(PeerLeft) == []
    assert process.poll() is None


def test_a_request_that_kills_every_process_is_given_up_alone(core, make_job, tmp_path):
    bridge(core, tmp_path)
    poison = make_job(strategy=Strategy(name="poison", kind="dies"))
    jobs = crossings(make_job, 20)
    send(core, [*jobs[:10], poison, *jobs[10:]])
    found = answers(core, 21)
    assert found[poison.request_id].code == "supervision.crash_loop"
    assert [a.code for name, a in found.items() if name != poison.request_id and a.error] == []
    # Core would take the bridge's death for the request's: it is told of no beginning.
    assert core.of(PeerStarted) == []


@pytest.fixture
def nodes(tmp_path, monkeypatch):
    """A cluster whose nodes are daemons of their own on this machine."""
    from ray.cluster_utils import Cluster

    (tmp_path / "cluster_kinds.py").write_text(KINDS)
    (tmp_path / "waits").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("WAITS", str(tmp_path / "waits"))
    soon = {
        "health_check_period_ms": 500,
        "health_check_timeout_ms": 500,
        "health_check_failure_threshold": 2,
    }
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": soon}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster
    cluster.shutdown()


def test_a_killed_node_loses_nothing_and_a_killed_head_gives_the_work_back(core, make_job, nodes, tmp_path):
    node = nodes.add_node(num_cpus=2)
    process = bridge(core, tmp_path, cluster=nodes.address)
    waiting = [
        make_job(strategy=Strategy(name=f"w{n}", kind="waits", params={"n": float(n)})) for n in range(3)
    ]
    jobs = crossings(make_job, 20)
    send(core, waiting)
    pids(tmp_path, 3)
    send(core, jobs)
    nodes.remove_node(node, allow_graceful=False)
    (tmp_path / "waits" / "go").touch()
    found = answers(core, 23)
    assert set(found) == {job.request_id for job in [*waiting, *jobs]}
    assert [answer.code for answer in found.values() if answer.error is not None] == []
    assert len(core.of(FrameReceived)) == 23

    begun = len(pids(tmp_path, 3))
    (tmp_path / "waits" / "go").unlink()
    send(core, [make_job(strategy=Strategy(name="late", kind="waits", params={"n": 9.0}))])
    begins(tmp_path, "9-*")
    assert begun >= 3
    nodes.head_node.kill_raylet()
    assert core.wait(PeerLeft, timeout=READY_S)[0].peer == "cluster-1"
    assert process.wait(READY_S) != 0


def test_a_node_with_other_kinds_is_refused_before_any_work(core, make_job, nodes, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "cluster_kinds.py").write_text(KINDS + "\n# edited\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "other")}
    argv = [sys.executable, "-m", "foldward.worker", "--connect", core.link.endpoint, "--cluster"]
    argv += [nodes.address, "--cache", str(tmp_path / "cache"), "--kinds", "cluster_kinds"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=READY_S)
    assert done.returncode == 1
    assert "wire.unsupported: the cluster would give other numbers" in done.stderr
    assert "dies foldward-" in done.stderr
    assert core.of(PeerJoined) == []


def pids(folder: Path, count: int) -> list[int]:
    """Processes that have begun a waiting request, as soon as there are so many."""
    pause = threading.Event()
    for _ in range(int(READY_S / 0.02)):
        found = sorted({int(file.name.partition("-")[2]) for file in (folder / "waits").glob("*-*")})
        if len(found) >= count:
            return found
        pause.wait(0.02)
    raise AssertionError(f"{found} after {READY_S} s, not {count}")


def begins(folder: Path, pattern: str) -> None:
    """Wait until a waiting request has begun."""
    pause = threading.Event()
    for _ in range(int(READY_S / 0.02)):
        if list((folder / "waits").glob(pattern)):
            return
        pause.wait(0.02)
    raise AssertionError(f"nothing has begun like {pattern}")
