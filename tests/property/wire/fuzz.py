"""A longer fuzz run, by hand: mutated messages in both encodings; anything but WireError ends it.

python tests/property/wire/fuzz.py [--seconds 60] [--seed 1]
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Backtest, Candle, Filter, Heartbeat, Strategy
from foldward.testing import invented
from foldward.wire import dumps, loads

TOKENS = (
    b"(", b")", b"{", b"}", b"[", b"]", b'"', b"\\", b" . ", b":", b",", b"null", b"nil", b"NaN", b"1e999",
    b"-0.0", b"1d0", b"#<x y>", b"\xff", b"\x00", b"\xc3\xbc", b"true", b"9" * 400, b"[" * 70, b"(" * 70,
)  # fmt: skip


def corpus() -> list[bytes]:
    """One message of each kind in each encoding."""
    strategy = Strategy(
        name="s",
        kind="bb",
        params={"period": 20.0},
        sl="2atr",
        tp="3atr",
        filter=Filter(timeframe=240, period=5, logic="PRICE_ABOVE_SMA"),
    )
    job = Backtest(
        request_id="r",
        strategy=strategy,
        candles=(Candle(1, 1.0, 2.0, 0.5, 1.5),),
        plan={"a": [1, None]},
        windows=((1, 2),),
    )
    messages = [job, invented(job), Heartbeat(id="w", timestamp=1.0, data={"a": 1.0})]
    found = [dumps(message, form) for message in messages for form in ("json", "sexp")]
    return [*found, dumps(job, "json", peer=True)]


def mutate(raw: bytes, rng: random.Random) -> bytes:
    """Up to six random edits."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(data) + 1)
        way = rng.randrange(5)
        if way == 0 and data:
            data[place % len(data)] = rng.randrange(256)
        elif way == 1:
            del data[place : place + rng.randint(1, 30)]
        elif way == 2:
            data[place:place] = rng.choice(TOKENS)
        elif way == 3:
            other = rng.randrange(len(data) + 1)
            data[place:place] = data[min(place, other) : max(place, other)][:200]
        else:
            del data[place:]
    return bytes(data)


def main() -> int:
    """Exit code 0 when nothing but WireError escaped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    seeds = corpus()
    began = time.monotonic()
    count = good = 0
    while time.monotonic() - began < options.seconds:
        raw = mutate(rng.choice(seeds), rng)
        count += 1
        try:
            message = loads(raw)
            again = loads(dumps(message, "sexp"))
            if repr(loads(dumps(message))) != repr(again):
                print(f"the encodings differ on {raw!r}")
                return 1
            good += 1
        except WireError as error:
            if not error.message or error.raw not in (raw, b""):
                print(f"an error without its bytes: {raw!r}")
                return 1
        except Exception as error:  # that is what is looked for
            print(f"{type(error).__name__}: {error} from {raw!r}")
            return 1
    print(f"{count} messages, {good} of them still valid, nothing but WireError escaped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
