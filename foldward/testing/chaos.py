"""`python -m foldward.testing.chaos`: kill core and workers under load, and prove that nothing was lost.

A real `foldward core`, peers that swallow, garble, double, fail and mislabel answers (ScriptedPeer), and a
caller that submits at a steady rate and remembers what it was told. Core and peers are killed with SIGKILL
again and again; then the queue runs empty, core is stopped, and every promise is checked in the database.
Exit 0: all of them hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from foldward.console import Client
from foldward.contracts import clock
from foldward.contracts.errors import FoldwardError
from foldward.contracts.facts import ImportStrategies
from foldward.contracts.jobs import Strategy
from foldward.data import bundled_dir
from foldward.settings import Home
from foldward.testing._chaos_check import check, crashes

KINDS = ("backtest", "oos", "wfv", "cpcv")
PLANS: dict[str, dict[str, Any]] = {"wfv": {"mode": "classic"}, "cpcv": {"groups": 6, "test_groups": 2}}
FATES = {"swallow": 0.02, "garble": 0.02, "double": 0.025, "fail": 0.015, "mislabel": 0.01}
CHUNK = 25  # names of one order
# A lost answer is found by its deadline: the defaults (two minutes) would make a short test wait for long.
SETTINGS = {
    "FOLDWARD_QUEUE__ATTEMPT_S": "5",
    "FOLDWARD_QUEUE__ATTEMPT_MIN_S": "5",
    "FOLDWARD_QUEUE__GRACE_S": "2",
    "FOLDWARD_RETRY__BASE_S": "0.25",
    "FOLDWARD_RETRY__CAP_S": "2",
    "FOLDWARD_BREAKER__RECOVERY_S": "2",
    "FOLDWARD_RANK__AUTO_REQUEST": "false",
    "FOLDWARD_WFV__ENABLED": "false",
}
START_S = 60.0
ENOUGH = 100  # acknowledged requests without which a play proves little
DRAIN_S = 180.0
_pause = threading.Event().wait


class Stage:
    """The processes of one home: a core and peers, each replaced when it is killed."""

    def __init__(self, home: Path, peers: int, seed: int) -> None:
        self.home = Home(home).make()
        self._seed = seed
        self._generation = 0
        self._env = {**os.environ, **SETTINGS, "FOLDWARD_HOME": str(home), "NO_COLOR": "1"}
        self._log = (self.home.logs / "processes.log").open("ab")
        self.core: subprocess.Popen[bytes] | None = None
        self.peers: list[subprocess.Popen[bytes] | None] = [None] * peers
        self.slowest_start_s = 0.0

    def start_core(self) -> None:
        """A core that answers; raises RuntimeError when it does not come up."""
        began = clock.now()
        argv = [sys.executable, "-m", "foldward.cli", "core", "--data", str(bundled_dir()), "--workers", "0"]
        self.core = self._start(argv)
        client = Client(self.home, timeout=2.0)
        while True:
            if self.core.poll() is not None:
                raise RuntimeError(f"core ended with {self.core.returncode}, see {self._log.name}")
            try:
                client.call("core_status")
                break
            except FoldwardError:
                if clock.now() - began > START_S:
                    raise RuntimeError(f"core does not answer after {START_S:g} s") from None
                _pause(0.02)
        self.slowest_start_s = max(self.slowest_start_s, clock.now() - began)

    def start_peer(self, number: int) -> None:
        """A peer with a script of its own; another one each time."""
        self._generation += 1
        holder = self.home.holder() or {}
        endpoint = holder.get("workers") or f"ipc://{self.home.run_dir.absolute()}/link.sock"
        argv = [sys.executable, "-m", "foldward.testing.peer", "--connect", endpoint]
        argv += ["--id", f"peer-{number + 1}", "--capacity", "32", "--cache", str(self.home.cache.absolute())]
        # By number: a peer that comes up after this process was killed would take init for its parent.
        argv += ["--seed", str(self._seed * 100_003 + self._generation), "--parent", str(os.getpid())]
        for fate, share in FATES.items():
            argv += [f"--{fate}", str(share)]
        self.peers[number] = self._start(argv)

    def kill_core(self) -> None:
        """SIGKILL, and a new one."""
        _kill(self.core)
        self.start_core()

    def kill_peer(self, number: int) -> None:
        """SIGKILL, and a new one."""
        _kill(self.peers[number])
        self.start_peer(number)

    def stop_core(self) -> int:
        """SIGTERM; the exit code."""
        assert self.core is not None
        self.core.send_signal(signal.SIGTERM)
        return self.core.wait(15)

    def close(self) -> None:
        """End everything that still runs."""
        for process in (self.core, *self.peers):
            _kill(process)
        self._log.close()

    def _start(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv, env=self._env, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )


class Caller(threading.Thread):
    """Submits at a steady rate, new work each time; asks again for what was not answered.

    told: request id → queued, pending or cached, as it was acknowledged.
    """

    def __init__(self, home: Home, rate: float) -> None:
        super().__init__(name="caller", daemon=True)
        self._client = Client(home, timeout=20.0)
        self._pause_s = CHUNK / rate
        self._done = threading.Event()
        self.told: dict[str, str] = {}
        self.names: list[str] = []
        self.refused: list[str] = []
        self.unanswered = 0
        self.failure: str | None = None

    def run(self) -> None:
        """Until `finish`."""
        due = clock.now()
        try:
            for number in range(1_000_000):
                names = [f"chaos-{number}-{place}" for place in range(CHUNK)]
                self._insist(self._import, names)
                for kind in KINDS:
                    if self._done.is_set():
                        return
                    self._insist(self._submit, kind, names)
                    due = max(due + self._pause_s, clock.now() - 1.0)
                    self._done.wait(max(0.0, due - clock.now()))
        except Exception as error:  # told by the verdict: a thread's own traceback would be lost in the noise
            self.failure = f"{type(error).__name__}: {error}"

    def finish(self) -> None:
        """No further orders; returns when the last is answered."""
        self._done.set()
        self.join(60.0)

    def _insist(self, order: Callable[..., None], *given: Any) -> None:
        # What was not answered may have been done or not: asking again is what a caller does.
        for _ in range(10_000):
            try:
                order(*given)
                return
            except (FoldwardError, OSError):
                self.unanswered += 1
                _pause(0.05)
        raise RuntimeError("core did not answer ten thousand times")

    def _import(self, names: list[str]) -> None:
        params = {"sma_short": 5.0, "sma_long": 20.0}
        strategies = tuple(
            Strategy(name=name, kind="sma", params=params, symbol="AAPL", timeframe=1440) for name in names
        )
        fact = ImportStrategies(strategies=strategies, at_us=clock.utc_us())
        self._client.call("import_strategies", fact=msgspec.to_builtins(fact))
        self.names += names

    def _submit(self, kind: str, names: list[str]) -> None:
        answer = self._client.call("submit", names=names, kind=kind, now=True, plan=PLANS.get(kind))
        for item in answer["items"]:
            if item["status"] in ("queued", "pending", "cached"):
                self.told[item["request_id"]] = item["status"]
            else:
                self.refused.append(f"{item['name']} {kind}: {item['status']} {item.get('code')}")


def run(
    home: Path,
    *,
    kills: int,
    rate: float,
    seed: int,
    peers: int = 3,
    pace: tuple[float, float] = (0.1, 1.2),
    say: Callable[[str], Any] = lambda _: None,
) -> dict[str, Any]:
    """The whole play; {"ok", "violations", …}. pace: seconds between two kills, drawn evenly."""
    rng = random.Random(seed)
    stage = Stage(home, peers, seed)
    began = clock.now()
    victims = {"core": 0, "peer": 0}
    try:
        stage.start_core()
        for number in range(peers):
            stage.start_peer(number)
        caller = Caller(stage.home, rate)
        caller.start()
        for kill in range(1, kills + 1):
            _pause(rng.uniform(*pace))
            # The first is core's, so that the shortest play has one of each.
            victim = rng.randrange(2 * peers) if kill > 1 else 2 * peers
            if victim < peers or kill == 2:
                stage.kill_peer(victim % peers)
                victims["peer"] += 1
            else:
                stage.kill_core()
                victims["core"] += 1
            if kill % 10 == 0 or kill == kills:
                say(f"{kill} of {kills} killed, {len(caller.told)} requests acknowledged")
        # On a slow machine core may have been dead for most of a short play: it goes on until it was a play.
        late = clock.now() + START_S
        while len(caller.told) < ENOUGH and caller.is_alive() and clock.now() < late:
            _pause(0.05)
        caller.finish()
        drained = _drain(stage, say)
        exit_code = stage.stop_core()
    finally:
        stage.close()
    found = check(stage.home.database, caller.told, caller.names)
    violations: list[str] = found.pop("violations")
    reports = crashes(stage.home.logs / "core.log")
    violations += [f"an actor crashed: {line}" for line in reports[:5]]
    violations += [f"refused: {line}" for line in caller.refused[:5]]
    if caller.failure is not None:
        violations.append(f"the caller failed: {caller.failure}")
    if not drained:
        violations.append(f"the queue did not run empty within {DRAIN_S:g} s")
    if exit_code != 0:
        violations.append(f"core ended with {exit_code} after SIGTERM")
    if not caller.told:
        violations.append("nothing was acknowledged, so nothing was tested")
    return {
        "ok": not violations,
        "violations": violations,
        "kills": victims,
        "acknowledged": len(caller.told),
        "unanswered_calls": caller.unanswered,
        "slowest_core_start_s": round(stage.slowest_start_s, 3),
        "seconds": round(clock.now() - began, 1),
        **found,
    }


def _drain(stage: Stage, say: Callable[[str], Any]) -> bool:
    from storage.reads import Reader

    end = clock.now() + DRAIN_S
    told = 0.0
    with Reader(stage.home.database) as reader:
        while (waiting := reader.queue_counts()["open"]) and clock.now() < end:
            if clock.now() - told > 5.0:
                say(f"{waiting} requests are open")
                told = clock.now()
            _pause(0.1)
    return not waiting


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        process.kill()
    if process is not None:
        process.wait()


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    made.add_argument("--kills", type=int, default=200, help="how many processes are killed")
    made.add_argument("--rate", type=float, default=400.0, help="requests a second")
    made.add_argument("--seed", type=int, default=1, help="who is killed when, and how peers misbehave")
    made.add_argument("--peers", type=int, default=3)
    made.add_argument(
        "--home", type=Path, help="an empty folder to use and keep (default: one that is removed)"
    )
    made.add_argument("--json", action="store_true", help="print the verdict as JSON")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: every promise was kept; 1: not."""
    options = parser().parse_args(argv)

    def say(line: str) -> None:
        sys.stderr.write(line + "\n")

    with tempfile.TemporaryDirectory(prefix="fw-chaos-") as folder:
        home = options.home or Path(folder) / "home"
        found = run(
            home, kills=options.kills, rate=options.rate, seed=options.seed, peers=options.peers, say=say
        )
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return 0 if found["ok"] else 1
    counters = {name: count for name, count in found["counters"].items() if count}
    killed = f"{found['kills']['core']} cores and {found['kills']['peer']} peers killed"
    lines = [
        f"{killed} in {found['seconds']:.0f} s; slowest start of core {found['slowest_core_start_s']:.1f} s",
        f"acknowledged {found['acknowledged']}, results {found['results']}, letters {found['letters']}",
        f"counters {counters}",
        *(f"BROKEN {violation}" for violation in found["violations"]),
        "kept: none lost, none applied twice, every figure right" if found["ok"] else "NOT KEPT",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
