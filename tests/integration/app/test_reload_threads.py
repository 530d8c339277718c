"""Readers during thousands of reloads: a snapshot is whole, and the data gate answers by whole settings."""

import dataclasses
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from foldward.app.candles import Candles
from foldward.app.reload import Reloader
from foldward.contracts.jobs import Strategy
from foldward.data.cache import Cache
from foldward.settings import load

pytestmark = pytest.mark.slow
T = TypeVar("T")


def while_reading(read: Callable[[], T], swap: Callable[[int], object], swaps: int = 2000) -> set[T]:
    """Everything that two threads read while another one swaps."""
    over = threading.Event()
    seen: set[T] = set()

    def look() -> None:
        while not over.is_set():
            seen.add(read())

    readers = [threading.Thread(target=look) for _ in range(2)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads change places in the middle of everything
    for reader in readers:
        reader.start()
    try:
        for number in range(swaps):
            swap(number)
    finally:
        over.set()
        sys.setswitchinterval(interval)
        for reader in readers:
            reader.join(10)
    return seen


def test_no_reader_sees_a_mixture_while_thousands_of_snapshots_are_swapped() -> None:
    pairs = [{"data.coverage_min": step / 97, "queue.grace_s": float(step)} for step in range(97)]
    snapshots = [load(None, {}, pair) for pair in pairs]

    def fresh(version: int) -> Any:
        return dataclasses.replace(snapshots[version % 97], version=version), []

    reload = Reloader(load(None, {}), fresh, lambda _: None, lambda *_: None)

    def read() -> tuple[int, float, float]:
        snapshot = reload.snapshot  # one reference: what it holds belongs together
        return snapshot.version, snapshot.settings.data.coverage_min, snapshot.settings.queue.grace_s

    seen = while_reading(read, lambda _: reload())
    assert reload.snapshot.version == 2001
    whole = {(version, version % 97 / 97, float(version % 97)) for version in range(2, 2002)}
    assert seen - whole <= {(1, 0.95, 5.0)}
    assert len(seen) > 10


def test_the_data_gate_never_answers_by_half_of_its_settings(tmp_path: Path) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        root.mkdir()
    # The first root's file has a gap that only the first settings allow; the second root has no file at all.
    rows = [f"2024-01-{day:02d}T00:00:00Z,1,2,0.5,1.5,10" for day in (*range(1, 6), *range(20, 26))]
    (roots[0] / "X_D1.csv").write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")
    candles = Candles(Cache(tmp_path / "cache"), [roots[0]], ("data.gap",))
    strategy = Strategy(name="s", kind="sma", symbol="X", timeframe=1440)
    assert candles.gate(strategy).ok

    def swap(number: int) -> None:
        if number % 2:
            candles.reconfigure([roots[0]], ("data.gap",), 0.95)
        else:
            candles.reconfigure([roots[1]], (), 0.95)

    def ask() -> tuple[bool, str]:
        said = candles.gate(strategy)
        return said.ok, said.code or ""

    # Never (False, "data.refused"): that would be the first root judged by the second settings.
    assert while_reading(ask, swap, 300) <= {(True, ""), (False, "data.not_found")}
