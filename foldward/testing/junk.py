"""`python -m foldward.testing.junk`: everything that is no answer, pushed at a result port without a pause.

Frames through a PUSH socket (random bytes, cut messages, deep nesting, many parts, forged results, requests
where answers belong), and strangers on the bare TCP port (half greetings, ZMTP/1.0, other protocols).
"""

from __future__ import annotations

import argparse
import random
import socket
import sys
from collections.abc import Iterator, Sequence

import zmq

from foldward.contracts.ids import new_id
from foldward.contracts.jobs import Backtest, Strategy
from foldward.testing.scripted_peer import garbled, invented
from foldward.wire import MAX_DEPTH, dumps

KINDS = (
    "noise", "cut_json", "cut_sexp", "garbled", "deep_json", "deep_sexp", "multipart", "empty", "forged_json",
    "forged_sexp", "nameless", "request", "strange_type", "greeting", "large",
)  # fmt: skip
GREETINGS = (
    b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" + b"\x00" * 48,  # ZMTP/3.0, and then nothing
    b"\x01\x00\x06\x00hello",  # ZMTP/1.0: an empty identity, then a frame
    b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the beginning of a TLS handshake
    b"\x00" * 64,
    b"",
)


def frames(count: int, seed: int = 0) -> Iterator[tuple[bytes, ...]]:
    """So many messages, each as its frames; every kind in turn, no two alike but for the empty ones."""
    rng = random.Random(seed)
    for number in range(count):
        yield frame(KINDS[number % len(KINDS)], rng)


def frame(kind: str, rng: random.Random) -> tuple[bytes, ...]:
    """One message of that kind."""
    job = Backtest(request_id=new_id(), strategy=Strategy(name="forged", kind="sma"))
    noise = rng.randbytes(rng.randint(1, 200))
    match kind:
        case "noise":
            return (noise,)
        case "cut_json" | "cut_sexp":
            whole = dumps(invented(job), "json" if kind == "cut_json" else "sexp")
            return (whole[: rng.randrange(20, len(whole))],)
        case "garbled":
            return (garbled(dumps(invented(job)), rng.getrandbits(64)),)
        case "deep_json" | "deep_sexp":
            depth = rng.randint(MAX_DEPTH + 1, 5000)
            return ((b'{"a":[' if kind == "deep_json" else b"(") * depth,)
        case "multipart":
            return (dumps(invented(job)), noise, b"")
        case "empty":
            return (b"",)
        case "forged_json" | "forged_sexp":
            return (dumps(invented(job), "json" if kind == "forged_json" else "sexp"),)
        case "nameless":
            return (dumps(invented(job)).replace(job.request_id.encode(), b"MISSING"),)
        case "request":
            return (dumps(job),)
        case "strange_type":
            return (b'{"type":"%d","result":{}}' % rng.getrandbits(40),)
        case "greeting":
            return (rng.choice(GREETINGS) + noise,)
        case _:
            return (rng.randbytes(rng.randint(10_000, 100_000)),)


def push(endpoint: str, count: int, seed: int = 0, linger_s: float = 600.0) -> int:
    """Push so many junk messages from one connection; returns how many the socket took."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        sock = context.socket(zmq.PUSH)
        sock.connect(endpoint)
        sent = 0
        for parts in frames(count, seed):
            sock.send_multipart(parts)
            sent += 1
        return sent
    finally:
        context.destroy(linger=int(linger_s * 1000))


def knock(endpoint: str, count: int) -> int:
    """Open so many bare TCP connections, all at once, each saying something else; returns how many opened."""
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    opened: list[socket.socket] = []
    try:
        for number in range(count):
            made = socket.create_connection((host, int(port)), timeout=10.0)
            opened.append(made)
            made.sendall(GREETINGS[number % len(GREETINGS)])
        return len(opened)
    finally:
        for made in opened:
            made.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Push, knock, end."""
    made = argparse.ArgumentParser(prog="python -m foldward.testing.junk", description=__doc__)
    made.add_argument("--results", default="tcp://127.0.0.1:5581", help="where answers are pulled")
    made.add_argument("--frames", type=int, default=1000)
    made.add_argument("--connections", type=int, default=100)
    made.add_argument("--seed", type=int, default=0)
    options = made.parse_args(argv)
    if options.connections:
        knock(options.results, options.connections)
    if options.frames:
        push(options.results, options.frames, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
