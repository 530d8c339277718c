"""`python -m foldward.testing.peer`: a ScriptedPeer as a process, on the native link or on pushpull."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from foldward.contracts import clock
from foldward.contracts.jobs import Backtest, Heartbeat, Result
from foldward.settings import LinkTable
from foldward.testing.scripted_peer import Script, ScriptedPeer, invented
from foldward.worker._limits import Parent


def parser() -> argparse.ArgumentParser:
    """The options; each share of the script is one."""
    made = argparse.ArgumentParser(prog="python -m foldward.testing.peer", description=__doc__)
    made.add_argument("--connect", help="native link: core's endpoint")
    made.add_argument("--id", default="scripted-1")
    made.add_argument("--capacity", type=int, default=2)
    made.add_argument("--requests", default="tcp://127.0.0.1:5580", help="pushpull: bound PULL")
    made.add_argument("--results", default="tcp://127.0.0.1:5581", help="pushpull: connected PUSH")
    made.add_argument("--connect-requests", action="store_true", help="pushpull: connect instead of bind")
    made.add_argument("--bind-results", action="store_true", help="pushpull: bind instead of connect")
    made.add_argument("--cache", help="echo the window really covered by these cached candles")
    made.add_argument("--heartbeat-s", type=float, help="native: default 10; pushpull: none unless given")
    made.add_argument("--parent", type=int, help="pid whose end is this peer's end (default: who started it)")
    for item in fields(Script):
        kind = int if item.name == "seed" else float
        made.add_argument(f"--{item.name.replace('_', '-')}", type=kind, default=item.default)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Answer by script until the parent dies or a signal ends the process."""
    options = parser().parse_args(argv)
    script = Script(**{item.name: getattr(options, item.name) for item in fields(Script)})
    peer = ScriptedPeer(script, _echoing(options.cache) if options.cache else None, worker=options.id)
    parent = Parent(options.parent)
    settings = _keys()
    wire = _wire(options, settings)
    _live(options, wire, settings)
    serve(wire, peer, lambda: parent.gone())
    return 0


def _live(options: argparse.Namespace, wire: Any, settings: LinkTable) -> None:
    """Signs of life, as this kind of peer sends them."""
    from foldward.wire.links import Heart, ServiceHeart

    def beat() -> Heartbeat:
        return _beat(options.id)

    if options.connect:
        interval_s = options.heartbeat_s or 10.0
        Heart(options.connect, options.id, beat, interval_s=interval_s, settings=settings).start()
    elif options.heartbeat_s:
        ServiceHeart(wire, beat, interval_s=options.heartbeat_s).start()


def serve(wire: Any, peer: ScriptedPeer, done: Any) -> None:
    """Carry out the peer's reactions on a WorkerPort or ServicePort until `done()`."""
    late: list[tuple[float, tuple[bytes, ...]]] = []
    while not done():
        for request_id, raw in wire.poll(10 if late else 250):
            reaction = peer.react(raw)
            if reaction.fate == "die":
                os._exit(9)
            if reaction.fate == "freeze":
                threading.Event().wait()
            if request_id:
                wire.started(request_id)
            if reaction.delay_s:
                late.append((clock.now() + reaction.delay_s, reaction.messages))
            elif reaction.messages:
                wire.results(list(reaction.messages))
        now = clock.now()
        for due, messages in [entry for entry in late if entry[0] <= now]:
            wire.results(list(messages))
            late.remove((due, messages))


def _keys() -> LinkTable:
    """CURVE keys from the environment, where a worker reads them too."""
    given = {
        name: os.environ.get(f"FOLDWARD_LINK__{name.upper()}", "")
        for name in ("curve_public_key", "curve_secret_key", "curve_server_key")
    }
    return LinkTable.model_validate(given)


def _wire(options: argparse.Namespace, settings: LinkTable) -> Any:
    from foldward.wire.links import ServicePort, WorkerPort

    if options.connect:
        return WorkerPort(
            options.connect, options.id, capacity=options.capacity, version="scripted", settings=settings
        )
    return ServicePort(
        options.requests,
        options.results,
        bind_requests=not options.connect_requests,
        bind_results=options.bind_results,
        settings=settings,
    )


def _echoing(cache: str) -> Any:
    from foldward.contracts.jobs import Window
    from foldward.data.bars import NS
    from foldward.data.cache import Cache

    shelf = Cache(cache)
    loaded: dict[str, Any] = {}

    def answer(job: Backtest) -> Result:
        if job.data_id is None:
            return invented(job)
        if job.data_id not in loaded:
            loaded[job.data_id] = shelf.load(job.data_id)
        bars = loaded[job.data_id]
        lo, hi = bars.index_range(job.start_time, job.end_time)
        if hi <= lo:
            return invented(job)
        first, last = int(bars.time[lo]) // NS, int(bars.time[hi - 1]) // NS
        return invented(job, Window(first, last, hi - lo))

    return answer


def _beat(id: str) -> Heartbeat:
    return Heartbeat(id=id, timestamp=clock.utc_us() / 1e6, version="scripted", source="WORKER")


if __name__ == "__main__":
    sys.exit(main())
