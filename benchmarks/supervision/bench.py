"""Supervision's costs, against stock pykka and a real Erlang supervisor in the same run.

    python -m benchmarks.supervision.bench [--json]     (or: python benchmarks/supervision/bench.py)

Each figure is the best or the median of several rounds, interleaved where two are compared, so that a busy
machine disturbs both sides alike. Without `erl` the restart is shown in thread starts only.
"""

from __future__ import annotations

import argparse
import functools
import json
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pykka

from supervision import Actor, Child, boot, dynamic, supervisor

clock = time.perf_counter
HERE = Path(__file__).parent


class Stock(pykka.ThreadingActor):
    def on_receive(self, message: Any) -> Any:
        return message


class Ours(Actor):
    def on_receive(self, message: Any) -> Any:
        if message == "boom":
            raise ValueError("boom")
        return message


def per_call(function: Callable[[Any], Any], count: int, settle: Callable[[], Any]) -> tuple[float, float]:
    """Microseconds per call for the sender, and until all are handled."""
    start = clock()
    for number in range(count):
        function(number)
    sent = clock() - start
    settle()
    return sent / count * 1e6, (clock() - start) / count * 1e6


def tell_and_ask(rounds: int = 9) -> dict[str, Any]:
    root = boot(supervisor("root", Child("a", Ours)))
    ours, stock = root.handle("a"), Stock.start()
    figures: dict[str, list[float]] = {}
    try:
        for _ in range(rounds):
            for name, tell, ask in (("stock", stock.tell, stock.ask), ("ours", ours.tell, ours.ask)):
                sent, handled = per_call(tell, 5000, functools.partial(ask, "x"))
                asked, _ = per_call(ask, 500, lambda: None)
                for key, value in (("tell_send", sent), ("tell_handled", handled), ("ask", asked)):
                    figures.setdefault(f"{name}_{key}_us", []).append(value)
    finally:
        root.stop(5.0)
        stock.stop()
    best = {key: round(min(values), 3) for key, values in figures.items()}
    for key in ("tell_send", "tell_handled", "ask"):
        pairs = zip(figures[f"ours_{key}_us"], figures[f"stock_{key}_us"], strict=True)
        best[f"{key}_ratio"] = round(statistics.median(mine / theirs for mine, theirs in pairs), 3)
    return best


def thread_start() -> float:
    began = clock()
    up = threading.Event()
    thread = threading.Thread(target=up.set)
    thread.start()
    up.wait()
    took = clock() - began
    thread.join()
    return took


def wake_up(count: int = 300, threads: int = 5) -> float:
    """Seconds for one sleeping thread to be woken by another that holds the interpreter, and to run."""
    ring: list[queue.SimpleQueue[int]] = [queue.SimpleQueue() for _ in range(threads + 1)]

    def pass_on(take: Callable[[], int], give: Callable[[int], None]) -> None:
        while (item := take()) >= 0:
            give(item)
        give(item)

    for number in range(threads):
        args = (ring[number].get, ring[number + 1].put)
        threading.Thread(target=pass_on, args=args, daemon=True).start()
    took = []
    for item in range(count):
        began = clock()
        ring[0].put(item)
        ring[threads].get()
        took.append((clock() - began) / (threads + 1))
    ring[0].put(-1)
    ring[threads].get()
    return statistics.median(took)


def restarts(count: int = 300) -> dict[str, float]:
    """From telling a child to crash to an answer of its replacement, in microseconds."""
    root = boot(supervisor("root", Child("a", Ours), intensity=1000, period=0.05), on_crash=lambda _: None)
    handle, took, threads = root.handle("a"), [], []
    try:
        for _ in range(count):
            began = clock()
            handle.tell("boom")
            handle.ask("x", retry=True)
            took.append((clock() - began) * 1e6)
            root.flush()  # the crash report of this one is not charged to the next
            threads.append(thread_start() * 1e6)
    finally:
        root.stop(5.0)
    cuts = statistics.quantiles(took, n=100)
    return {
        "restart_p50_us": cuts[49],
        "restart_p95_us": cuts[94],
        "thread_start_p50_us": statistics.median(threads),
        "wake_up_p50_us": wake_up() * 1e6,
    }


def compare_restarts(rounds: int = 5) -> dict[str, Any]:
    """Ours and a real OTP supervisor's in turn, so that a busy machine disturbs both; medians of rounds.

    Erlang's once with its crash reports off, and once with reports made but not printed; ours are on.
    """
    figures: dict[str, Any] = {}
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        erlang = shutil.which("erl") is not None and shutil.which("erlc") is not None
        if erlang:
            compile_it = ["erlc", "-o", folder, str(HERE / "restart.erl")]
            subprocess.run(compile_it, check=True, capture_output=True)
        else:
            figures["erlang"] = "not installed: no comparison with a real Erlang supervisor"
        for _ in range(rounds):
            row = restarts()
            row["restart_in_thread_starts"] = row["restart_p50_us"] / row["thread_start_p50_us"]
            row["restart_in_wake_ups"] = row["restart_p50_us"] / row["wake_up_p50_us"]
            if erlang:
                row |= erlang_restarts(folder)
                for name in ("", "_with_reports"):
                    row[f"restart_ratio_to_erlang{name}"] = (
                        row["restart_p50_us"] / row[f"erlang_restart{name}_p50_us"]
                    )
            for key, value in row.items():
                found.setdefault(key, []).append(value)
    figures.update({key: round(statistics.median(values), 2) for key, values in found.items()})
    if erlang:
        figures["restart_ratio_to_erlang_worst"] = round(max(found["restart_ratio_to_erlang"]), 2)
    return figures


def erlang_restarts(folder: str) -> dict[str, float]:
    """One run of restart.erl, compiled in `folder`."""
    done = subprocess.run(
        ["erl", "-noshell", "-pa", folder, "-s", "restart", "main"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    silent, reporting = (float(word) for word in done.stdout.split())
    return {"erlang_restart_p50_us": silent, "erlang_restart_with_reports_p50_us": reporting}


def population(sizes: tuple[int, ...] = (250, 500, 1000)) -> dict[str, Any]:
    """Starting, looking at and stopping many children."""
    figures: dict[str, Any] = {}
    for size in sizes:
        root = boot(supervisor("root", dynamic("d", Child("w", Ours))))
        sup = root.supervisor("d")
        began = clock()
        for _ in range(size):
            sup.start_child()
        started = clock()
        looks = []
        for _ in range(7):
            look = clock()
            root.snapshot()
            looks.append(clock() - look)
        stopping = clock()
        root.stop(60.0)
        stopped = clock()
        figures[f"start_{size}_ms_per_child"] = round((started - began) / size * 1e3, 4)
        figures[f"stop_{size}_ms_per_child"] = round((stopped - stopping) / size * 1e3, 4)
        figures[f"snapshot_{size}_us_per_child"] = round(min(looks) / size * 1e6, 3)
    return figures


def idle(seconds: float = 3.0) -> dict[str, Any]:
    """CPU of a tree of 20 watched children with an armed timer each, doing nothing."""

    class Ticking(Ours):
        def on_start(self) -> None:
            self.every(3600.0, "tick")

    root = boot(supervisor("root", *(Child(f"c{n}", Ticking, hang_after=30.0) for n in range(20))))
    try:
        before = time.process_time()
        began = clock()
        threading.Event().wait(seconds)
        return {"idle_cpu_percent": round((time.process_time() - before) / (clock() - began) * 100, 3)}
    finally:
        root.stop(5.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    figures: dict[str, Any] = {}
    for part in (tell_and_ask, compare_restarts, population, idle):
        figures.update(part())
    if args.json:
        print(json.dumps(figures))
    else:
        for key, value in figures.items():
            print(f"{key:40} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
