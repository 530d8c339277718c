"""The reader: one read-only connection for one thread, answering everything the product asks."""

from __future__ import annotations

from storage.reads._dead import DeadReads
from storage.reads._figures import FigureReads
from storage.reads._periods import PeriodReads
from storage.reads._queue import QueueReads
from storage.reads._results import ResultReads
from storage.reads._standing import StandingReads
from storage.reads._strategies import StrategyReads


class Reader(QueueReads, ResultReads, StrategyReads, DeadReads, FigureReads, PeriodReads, StandingReads):
    """Works while the core is down, and beside it; it never waits for the writer, nor the writer for it.

    Reader(path): the file is opened at the first question, and again when another one has taken its place.
    Use it from one thread; `with reader.snapshot():` gives several questions one state.
    """
