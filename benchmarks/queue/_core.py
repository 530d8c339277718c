"""One measurement of Foldward's queue in a process of its own; prints a line of JSON.

    python _core.py WHAT [--jobs N] [--format json|sexp] [--tree queue|whole] [--home DIR] [--profile FILE]

WHAT: throughput | latency | restart | resend. Telemetry, OOSQueue, Dispatcher, DBWriter, DeadLetter and the
native link are the product's; the worker is `_worker.py`, a process that answers at once. With `--tree whole`
all other actors of `foldward core` run too (RankEvaluator judging every result, Reporter, WFVScheduler …).
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _threads

from actors.telemetry import Telemetry
from foldward.app import collector
from foldward.contracts.facts import ImportStrategies
from foldward.contracts.jobs import Strategy
from foldward.contracts.messages import Cancel, Look, Settled, Submit, Submitted, Write
from foldward.settings import Home, Settings, Snapshot
from foldward.testing.actor_world import Candles
from foldward.testing.queue_tree import queue_tree
from foldward.wire.links import make_link, native_endpoint
from storage.reads import Reader
from supervision import KEEP, Child, Inbox, Root, boot

HERE = Path(__file__).parent
LIMIT_S = 120.0


def settings_of(encoding: str) -> Settings:
    """The defaults, with the encoding of the link and nobody who asks for work by itself."""
    return Settings.model_validate(
        {
            "link": {"format": encoding},
            "core": {"workers": 0},
            "rank": {"auto_request": False},
            "wfv": {"enabled": False},
        }
    )


class Ears:
    """What the benchmark hears of settled requests, as the Reporter would."""

    def __init__(self) -> None:
        self.applied = 0
        self.wanted = 0
        self.all = threading.Event()
        self.at: dict[str, float] = {}

    def __call__(self, message: Any) -> None:
        if type(message) is Settled and message.state == "applied":
            self.at[message.request_id] = time.perf_counter()
            self.applied += 1
            if self.applied == self.wanted:
                self.all.set()

    def expect(self, count: int) -> None:
        """Wait for so many from now on."""
        self.applied, self.wanted = 0, count
        self.all.clear()


class Core:
    """A tree in this process, and the workers beside it."""

    def __init__(self, home: Path, options: argparse.Namespace) -> None:
        self.home = home
        self.settings = settings_of(options.format)
        self.ears = Ears()
        self.endpoint = native_endpoint(self.settings.link, home)
        self._whole = options.tree == "whole"
        self._workers: list[subprocess.Popen[bytes]] = []
        self.root: Root = None  # type: ignore[assignment]

    @property
    def database(self) -> Path:
        return self.home / "foldward.db"

    def start(self) -> None:
        """Bring the tree up."""
        self.root = boot(self._whole_tree() if self._whole else self._queue_tree())
        collector.calm()

    def _queue_tree(self) -> Child:
        tree = queue_tree(
            self.database,
            lambda sink: make_link(self.settings.link, self.home, sink),
            settings=self.settings,
            heard=self.ears,
        )
        kwargs = {"path": self.home / "telemetry.jsonl", "settings": self.settings.telemetry}
        return _replaced(tree, Child("telemetry", Telemetry, kwargs=kwargs, inbox=KEEP))

    def _whole_tree(self) -> Child:
        from actors.reporter import Reporter
        from foldward.app.tree import Parts, build
        from foldward.app.wiring import Wiring

        ears = self.ears

        class Listening(Reporter):
            """The Reporter, heard."""

            def on_receive(self, message: Any) -> Any:
                ears(message)
                return super().on_receive(message)

        home = Home(self.home)
        home.make()
        parts = Parts(
            home=home,
            snapshot=Snapshot(settings=self.settings, origins={}, file=None, config_hash="bench"),
            run_id="bench",
            seed=0,
            candles=Candles(),  # type: ignore[arg-type]
            engine=lambda _kind: "bench",
            endpoint=self.endpoint,
            data_roots=[],
            wiring=Wiring("bench"),
        )
        self.endpoint = native_endpoint(self.settings.link, home.run_dir)
        self.home = home.root
        tree = build(parts)
        reporter = _found(tree, "reporter")
        assert reporter is not None
        kwargs = reporter.kwargs
        return _replaced(tree, Child("reporter", Listening, kwargs=kwargs, inbox=KEEP))

    def worker(self, name: str = "worker-1", *extra: str, wait: bool = True) -> subprocess.Popen[bytes]:
        """Start a worker; returns when it is connected."""
        argv = [sys.executable, str(HERE / "_worker.py"), "--connect", self.endpoint, "--id", name, *extra]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._workers.append(process)
        if wait:
            until(lambda: name in [peer["id"] for peer in self.look()["workers"]])
        return process

    def look(self) -> dict[str, Any]:
        """The Dispatcher's view."""
        found: dict[str, Any] = self.root.handle("dispatcher").ask(Look(), timeout=10.0)
        return found

    def strategies(self, count: int) -> list[str]:
        """Store so many strategies."""
        params = {"sma_short": 5.0, "sma_long": 20.0}
        names = [f"s{number}" for number in range(count)]
        inbox = Inbox()
        fact = ImportStrategies(
            strategies=tuple(
                Strategy(name=name, kind="sma", params=params, symbol="EURUSD", timeframe=1440)
                for name in names
            ),
            at_us=1,
        )
        self.root.handle("db_writer").tell(Write(fact=fact, reply_to=inbox))
        assert inbox.get(LIMIT_S).ok
        return names

    def submit(self, names: list[str], inbox: Inbox) -> None:
        """One order; it is answered when all its rows are committed."""
        self.root.handle("oos_queue").tell(Submit(names=tuple(names), kind="oos", reply_to=inbox))

    def stop(self) -> None:
        """End the tree and the workers."""
        if self.root is not None:
            self.root.stop(5.0)
        for process in self._workers:
            process.kill()
            process.wait()


def _replaced(tree: Child, child: Child) -> Child:
    """The tree with another child of that id."""
    if tree.id == child.id:
        return child
    if tree.nest is None:
        return tree
    children = tuple(_replaced(inner, child) for inner in tree.nest.children)
    return dataclasses.replace(tree, nest=dataclasses.replace(tree.nest, children=children))


def _found(tree: Child, id: str) -> Child | None:
    if tree.id == id or tree.nest is None:
        return tree if tree.id == id else None
    return next((found for inner in tree.nest.children if (found := _found(inner, id))), None)


def until(holds: Callable[[], Any], limit_s: float = LIMIT_S, step_s: float = 0.005) -> Any:
    """Wait for a condition; its value."""
    end = time.perf_counter() + limit_s
    pause = threading.Event()
    while not (value := holds()):
        if time.perf_counter() > end:
            raise TimeoutError(f"not within {limit_s} s")
        pause.wait(step_s)
    return value


def pragmas(database: Path) -> dict[str, Any]:
    """What the writer's connection has (it verifies them at open; a reader sees the file's own)."""
    import apsw

    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    mode = connection.pragma("journal_mode")
    connection.close()
    return {"journal_mode": mode, "synchronous": "FULL", "sqlite": apsw.sqlite_lib_version()}


def throughput(core: Core, options: argparse.Namespace) -> dict[str, Any]:
    """All jobs in one order; the clock runs from the order to the last commit's news."""
    core.start()
    worker = core.worker("worker-1", "--capacity", str(options.capacity))
    names = core.strategies(options.jobs + options.warm)
    inbox = Inbox()
    core.ears.expect(options.warm)
    core.submit(names[: options.warm], inbox)
    inbox.get(LIMIT_S)
    assert core.ears.all.wait(LIMIT_S)
    gc.collect()
    core.ears.expect(options.jobs)
    watch = _threads.Watch()
    before = _threads.process_us(worker.pid)
    began = time.perf_counter()
    core.submit(names[options.warm :], inbox)
    answer: Submitted = inbox.get(LIMIT_S)
    admitted = time.perf_counter() - began
    assert all(item.status == "queued" for item in answer.items)
    if not core.ears.all.wait(LIMIT_S):
        raise TimeoutError(f"{core.ears.applied} of {options.jobs} applied")
    seconds = time.perf_counter() - began
    threads = watch.shares(options.jobs)
    worked = (_threads.process_us(worker.pid) - before) / options.jobs
    with Reader(core.database) as reader:
        counters = reader.counters()
    total = options.jobs + options.warm
    assert (counters["success"], counters["sent"]) == (total, total), counters
    return {
        "jobs_per_s": options.jobs / seconds,
        "seconds": seconds,
        "admitted_s": admitted,
        "core_cpu_us_per_job": sum(threads.values()),
        "worker_cpu_us_per_job": worked,
        "threads_us_per_job": threads,
        "pragmas": pragmas(core.database),
    }


def latency(core: Core, options: argparse.Namespace) -> dict[str, Any]:
    """One job every 1/rate seconds; from the order to the news that its answer is committed."""
    core.start()
    core.worker("worker-1", "--capacity", str(options.capacity))
    names = core.strategies(options.jobs + 50)
    inbox = Inbox()
    pause = threading.Event()
    sent: dict[str, float] = {}
    core.ears.expect(len(names))
    step = 1.0 / options.rate
    due = time.perf_counter()
    orders: list[float] = []
    for name in names:
        due += step
        pause.wait(max(0.0, due - time.perf_counter()))
        orders.append(time.perf_counter())
        core.submit([name], inbox)
    for began in orders:
        (item,) = inbox.get(LIMIT_S).items
        sent[item.request_id] = began
    assert core.ears.all.wait(LIMIT_S)
    took = sorted(1e3 * (core.ears.at[key] - began) for key, began in list(sent.items())[50:])
    return {
        "rate": options.rate,
        "p50_ms": took[len(took) // 2],
        "p99_ms": took[min(len(took) - 1, -(-99 * len(took) // 100) - 1)],
        "max_ms": took[-1],
    }


def restart(core: Core, options: argparse.Namespace) -> dict[str, Any]:
    """Fill with open requests, kill core with SIGKILL, start it anew with a worker that waits for it."""
    argv = [sys.executable, __file__, "fill", "--jobs", str(options.jobs), "--home", str(core.home)]
    filler = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert filler.stdout is not None
    assert filler.stdout.readline() == b"filled\n"
    filler.send_signal(signal.SIGKILL)
    filler.wait()
    core.worker("worker-1", "--capacity", str(options.capacity), wait=False)
    argv = [sys.executable, __file__, "serve", "--home", str(core.home)]
    threading.Event().wait(1.0)  # the worker is up and knocks at the door
    began = time.perf_counter()
    server = subprocess.Popen(argv)
    try:
        reader = Reader(core.database)
        base = reader.counters().get("sent", 0)
        until(lambda: reader.counters().get("sent", 0) > base, step_s=0.001)
        first = time.perf_counter() - began
        until(lambda: reader.counters().get("success", 0) >= options.jobs, step_s=0.05)
        drained = time.perf_counter() - began
        reader.close()
    finally:
        server.kill()
        server.wait()
    return {"open": options.jobs, "first_send_s": first, "all_applied_s": drained}


def fill(core: Core, options: argparse.Namespace) -> None:
    """For `restart`: open requests and no worker, until killed."""
    core.start()
    inbox = Inbox()
    core.submit(core.strategies(options.jobs), inbox)
    assert len(inbox.get(LIMIT_S).items) == options.jobs
    sys.stdout.write("filled\n")
    sys.stdout.flush()
    threading.Event().wait()


def serve(core: Core, _options: argparse.Namespace) -> None:
    """For `restart`: a core, until killed."""
    core.start()
    threading.Event().wait()


def resend(core: Core, options: argparse.Namespace) -> dict[str, Any]:
    """Kill the worker that began a request; until another has it. The worst of several."""
    core.start()
    names = core.strategies(options.rounds)
    took = []
    inbox = Inbox()
    reader = Reader(core.database)
    for number, name in enumerate(names):
        holder = core.worker(f"holder-{number}", "--hold", "--capacity", "1")
        core.submit([name], inbox)
        (item,) = inbox.get(LIMIT_S).items
        until(lambda key=item.request_id: reader.request(key).status == "sent")
        other = core.worker(f"other-{number}", "--hold", "--capacity", "1")
        began = time.perf_counter()
        os.kill(holder.pid, signal.SIGKILL)
        until(lambda key=item.request_id: reader.request(key).sends == 2, step_s=0.001)
        took.append(time.perf_counter() - began)
        assert reader.request(item.request_id).failures == 0
        core.root.handle("oos_queue").tell(Cancel(request_ids=(item.request_id,), reply_to=inbox))
        assert inbox.get(LIMIT_S).request_ids == (item.request_id,)
        other.kill()
        holder.wait()
        other.wait()
        until(lambda: not core.look()["workers"])
    reader.close()
    return {"rounds": options.rounds, "worst_s": max(took), "median_s": sorted(took)[len(took) // 2]}


def main() -> None:
    """One measurement."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=["throughput", "latency", "restart", "resend", "fill", "serve"])
    options.add_argument("--jobs", type=int, default=5000)
    options.add_argument("--warm", type=int, default=200)
    options.add_argument("--capacity", type=int, default=500)
    options.add_argument("--rate", type=float, default=100.0)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--format", choices=["json", "sexp"], default="json")
    options.add_argument("--tree", choices=["queue", "whole"], default="queue")
    options.add_argument("--home", type=Path)
    options.add_argument("--profile", type=Path, help="write cProfile data of each thread to this folder")
    given = options.parse_args()
    if given.profile:
        _threads.profile(given.profile)
    with tempfile.TemporaryDirectory(prefix="fw-bench-") as folder:
        core = Core(given.home or Path(folder), given)
        try:
            answer = globals()[given.what](core, given)
        finally:
            core.stop()
            if given.profile:
                _threads.write(given.profile)
    if answer is not None:
        sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
