"""Four that cheat and one that does not."""

import random
import time

import numpy as np


class Peeks:
    """Buys before every bar that closes higher."""

    name = "peeks"

    def signals(self, bars, params):
        return np.append(np.where(np.diff(bars.close) > 0, 1, 0), 0)


class Draws:
    """Tosses a coin of the process."""

    name = "draws"

    def signals(self, bars, params):
        return np.array([random.choice((-1, 0, 1)) for _ in range(len(bars))])


class Clocks:
    """Trades by the hour of the day on which it is run."""

    name = "clocks"

    def signals(self, bars, params):
        return np.full(len(bars), time.time() % 2 > 1)


class Blanks:
    """Forgets the bars before its average begins."""

    name = "blanks"

    def signals(self, bars, params):
        mean = np.convolve(bars.close, np.ones(5) / 5, mode="valid")
        return np.concatenate((np.full(4, np.nan), np.sign(bars.close[4:] - mean)))


class Honest:
    """Above the mean of the last five closes: long."""

    name = "honest"

    def signals(self, bars, params):
        total = np.cumsum(bars.close)
        mean = total / np.arange(1, len(total) + 1)
        mean[5:] = (total[5:] - total[:-5]) / 5
        return np.where(bars.close > mean, 1, 0)


STRATEGIES = [Peeks, Draws, Clocks, Blanks, Honest]
