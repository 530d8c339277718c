"""Microseconds a message in both encodings, and messages a second over each link.

python benchmarks/wire/bench_wire.py [--count 5000] [--json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from loguru import logger

from foldward.contracts.ids import new_id
from foldward.contracts.jobs import Backtest, Strategy
from foldward.contracts.messages import FrameReceived, Message, PeerJoined
from foldward.settings import LinkTable
from foldward.testing import invented
from foldward.wire import dumps, loads
from foldward.wire.links import NativeLink, PushPullLink


def tiny_job() -> Backtest:
    strategy = Strategy(name="sma-5-20", kind="sma", params={"sma_short": 5.0, "sma_long": 20.0})
    return Backtest(request_id=new_id(), strategy=strategy, data_id="sha256:" + "0a" * 32, phase="oos")


def microseconds(call: Any, count: int) -> float:
    """The best of five rounds."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(count // 5):
            call()
        best = min(best, (time.perf_counter() - began) / (count // 5))
    return round(best * 1e6, 2)


def codec(count: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, message in (("request", tiny_job()), ("result", invented(tiny_job()))):
        for form in ("json", "sexp"):
            raw = dumps(message, form)
            figures[f"{name}_{form}"] = {
                "bytes": len(raw),
                "encode_us": microseconds(lambda m=message, f=form: dumps(m, f), count),
                "decode_us": microseconds(lambda r=raw: loads(r), count),
            }
    return figures


def round_trips(mode: str, form: str, count: int, window: int) -> float:
    """Requests answered a second by one scripted peer, `window` of them on the way."""
    done = threading.Event()
    joined = threading.Event()
    answered = 0
    jobs = iter([(f"r-{n}", dumps(tiny_job(), form)) for n in range(count)])

    def sink(message: Message) -> None:
        nonlocal answered
        if type(message) is FrameReceived:
            answered += 1
            if answered == count:
                done.set()
            following = next(jobs, None)
            if following is not None:
                link.send(peer, *following)
        elif type(message) is PeerJoined:
            joined.set()

    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-m", "foldward.testing.peer"]
        if mode == "native":
            link: Any = NativeLink(sink, LinkTable(format=form), Path(folder))
            link.start()
            peer = "scripted-1"
            argv += ["--connect", link.endpoint]
        else:
            ends = {"request_endpoint": "tcp://127.0.0.1:*", "result_endpoint": "tcp://127.0.0.1:*"}
            link = PushPullLink(sink, LinkTable(mode="pushpull", format=form, bind_requests=True, **ends))
            link.start()
            peer = link.peer
            argv += ["--connect-requests", "--requests", link.request_endpoint]
            argv += ["--results", link.result_endpoint]
        process = subprocess.Popen(argv)
        try:
            if not joined.wait(30):
                raise RuntimeError("the peer did not join")
            began = time.perf_counter()
            for _ in range(min(window, count)):
                link.send(peer, *next(jobs))
            if not done.wait(120):
                raise RuntimeError(f"{answered} of {count} answers")
            return round(count / (time.perf_counter() - began))
        finally:
            process.kill()
            process.wait()
            link.close()


def echo(count: int) -> float:
    """Messages a second through the native link alone: the peer sends back what it gets, unread."""
    from foldward.wire.links import WorkerPort

    done = threading.Event()
    joined = threading.Event()
    answered = 0

    def sink(message: Message) -> None:
        nonlocal answered
        if type(message) is FrameReceived:
            answered += 1
            if answered == count:
                done.set()
        elif type(message) is PeerJoined:
            joined.set()

    with tempfile.TemporaryDirectory() as folder:
        link = NativeLink(sink, LinkTable(), Path(folder))
        link.start()

        def peer() -> None:
            port = WorkerPort(link.endpoint, "echo", capacity=1000)
            back = 0
            while back < count:
                work = port.poll(100)
                back += len(work)
                port.results([data for _, data in work])
            done.wait(60)
            port.close(0)

        thread = threading.Thread(target=peer)
        thread.start()
        joined.wait(30)
        data = dumps(tiny_job())
        began = time.perf_counter()
        for number in range(count):
            link.send("echo", f"r-{number}", data)
        done.wait(120)
        rate = round(count / (time.perf_counter() - began))
        thread.join()
        link.close()
        return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--window", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logger.remove()
    figures: dict[str, Any] = {"codec": codec(options.count), "native_echo_per_s": echo(options.count)}
    for mode in ("native", "pushpull"):
        for form in ("json", "sexp"):
            figures[f"{mode}_{form}_per_s"] = round_trips(mode, form, options.count, options.window)
    print(json.dumps(figures) if options.json else json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
