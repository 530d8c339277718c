"""A longer fuzz run, by hand: mutated messages in both encodings; anything but WireError ends it.

python tests/property/wire/fuzz.py [--count 1000000] [--seed 1]
"""

from __future__ import annotations

import argparse
import random
import sys

import msgspec

from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Backtest, Candle, Fault, Filter, Heartbeat, Strategy, Window
from foldward.testing import invented
from foldward.wire import dumps, loads
from foldward.wire.codec import _carefully

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
    rich = msgspec.structs.replace(
        invented(job),
        window=Window(1, 2, 2),
        notes=("one", "two"),
        equity=((1, 1.0), (2, 1.5)),
        trade_list=({"timestamp": 1, "pnl": 1.0, "direction": "long"},),
        blocks={"rows": [[1, 0.5]]},
        faults=(Fault("engine.nan", "x"),),
    )
    messages = [
        job,
        msgspec.structs.replace(job, candles=None),
        invented(job),
        rich,
        Heartbeat(id="w", timestamp=1.0, data={"a": 1.0}),
    ]
    found = [dumps(message, form) for message in messages for form in ("json", "sexp")]
    return [*found, dumps(job, "json", peer=True)]


def mutate(raw: bytes, rng: random.Random) -> bytes:
    """One to six random edits."""
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
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
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    seeds = corpus()
    good = 0
    for _ in range(options.count):
        raw = mutate(rng.choice(seeds), rng)
        try:
            message = loads(raw)
            if repr(message) != repr(_carefully(raw)):
                print(f"the quick reader differs on {raw!r}")
                return 1
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
    print(f"{options.count} messages, {good} of them still valid, nothing but WireError escaped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
