"""Walk forward: learn on a window, be judged on the next one, move on.

R. Pardo, "The Evaluation and Optimization of Trading Strategies" (2008), ch. 11. In bars the windows are
those of scikit-learn's TimeSeriesSplit(gap=) and skfolio's WalkForward(purged_size=, reduce_test=True).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np

from foldward.splits._refuse import BadPlan, count_of, whole
from foldward.splits._when import DAY, duration, is_duration, nanoseconds
from foldward.splits.fold import Fold, Indices, indices

MAX_FOLDS = 10_000
Window = int | str | dt.timedelta | np.timedelta64


class WalkForward:
    """A rolling or anchored walk forward.

    train, test, step: all three in bars (int) or all three in calendar time (`"90d"`, `"6h"`, `"4w"`,
    timedelta); step defaults to test, so that the test windows tile time. anchored: every train part begins
    at the first bar. purge, embargo: bars left out between a train part and its test part; in a walk forward
    train always precedes test, so both widen the same gap (purge against labels that reach into the test,
    embargo against serial correlation).

    In bars, a rolling train part always has `train` bars and the gap moves the test window. In calendar time
    the windows stand fixed on the calendar (windows of whole days begin at midnight UTC) and the gap is cut
    from the end of the train part.

    The last bar is always used: the last test window ends with it and may be shorter than `test` (unless
    step > test, which asks for untested bars). A calendar window without bars gives an empty range.

    Raises RequestError `request.bad_plan` for windows that are not positive, mixed units, data too short for
    one fold, a train part that the gap swallows, and more than MAX_FOLDS folds.
    """

    def __init__(
        self,
        train: Window,
        test: Window,
        step: Window | None = None,
        anchored: bool = False,
        purge: int = 0,
        embargo: int = 0,
    ) -> None:
        self.train = train
        self.test = test
        self.step = test if step is None else step
        self.anchored = bool(anchored)
        self.purge = whole(purge, "purge", 0)
        self.embargo = whole(embargo, "embargo", 0)
        windows = {"train": train, "test": test, "step": self.step}
        self.calendar = is_duration(train)
        mixed = [name for name, value in windows.items() if is_duration(value) != self.calendar]
        if mixed:
            raise BadPlan(
                f"train is {train!r} and {mixed[0]} is {windows[mixed[0]]!r}: one is in bars, one in time",
                hint="give all windows in bars, or all as durations such as 90d",
                field=mixed[0],
            )
        read = (lambda value, name: duration(value, name)) if self.calendar else _bars
        self._train, self._test, self._step = (read(value, name) for name, value in windows.items())

    def __repr__(self) -> str:
        return (
            f"WalkForward(train={self.train!r}, test={self.test!r}, step={self.step!r}, "
            f"anchored={self.anchored}, purge={self.purge}, embargo={self.embargo})"
        )

    def ranges(self, data: Any) -> list[Fold]:
        """The folds in time order as half-open ranges.

        data: the number of bars, or their times (needed for windows in calendar time): datetime64, aware
        datetimes, or int64 nanoseconds or seconds, increasing.
        """
        folds = list(self._calendar_folds(data) if self.calendar else self._bar_folds(count_of(data)))
        if not folds:
            raise BadPlan(
                f"the data end before the first test window: train={self.train}, gap={self.purge}+"
                f"{self.embargo} leaves nothing to test",
                hint="shorten train, purge or embargo, or give more history",
            )
        return folds

    def split(self, data: Any) -> Iterator[tuple[Indices, Indices]]:
        """(train, test) integer index arrays of each fold; arguments as in `ranges`."""
        for fold in self.ranges(data):
            yield indices(fold.train), indices(fold.test)

    def _bar_folds(self, n: int) -> Iterator[Fold]:
        gap = self.purge + self.embargo
        first = self._train + gap
        self._check_count(max(0, n - first), self._step)
        for test_start in range(first, n, self._step):
            stop = min(test_start + self._test, n)
            train_stop = test_start - gap
            start = 0 if self.anchored else train_stop - self._train
            yield Fold(((start, train_stop),), ((test_start, stop),))
            if stop == n:
                return

    def _calendar_folds(self, data: Any) -> Iterator[Fold]:
        if np.ndim(data) == 0:
            raise BadPlan(
                f"train={self.train} is calendar time, and a number of bars has no calendar",
                hint="pass the bars' times, or give the windows in bars",
            )
        times = nanoseconds(data)
        n = len(times)
        origin = int(times[0])
        if all(span % DAY == 0 for span in (self._train, self._test, self._step)):
            origin -= origin % DAY
        last = int(times[-1])
        self._check_count(max(0, last - origin - self._train), self._step)
        start_at = origin
        gap = self.purge + self.embargo
        while (test_at := start_at + self._train) <= last:
            edges = (start_at, test_at, test_at + self._test)
            start, test_start, stop = (int(cut) for cut in np.searchsorted(times, edges, side="left"))
            if self.anchored:
                start = 0
            train_stop = test_start - gap
            if train_stop <= start < test_start:
                raise BadPlan(
                    f"purge + embargo is {gap} bars and the train part before bar {test_start} has "
                    f"{test_start - start}",
                    hint="lengthen train, or shorten purge and embargo",
                    limit=test_start - start - 1,
                )
            yield Fold(((start, max(start, train_stop)),), ((test_start, stop),))
            if stop == n:
                return
            start_at += self._step

    def _check_count(self, room: int, step: int) -> None:
        folds = -(-room // step)
        if folds > MAX_FOLDS:
            raise BadPlan(
                f"step={self.step} gives {folds:,} folds; the limit is {MAX_FOLDS:,}",
                hint="lengthen step",
                limit=MAX_FOLDS,
            )


def _bars(value: object, name: str) -> int:
    return whole(value, name, 1)
