"""Moving averages whose sums run within blocks are those of plain sums, on every side of a block's border."""

from math import fsum

import numpy as np
import pytest

from foldward.backtest import _kernels as k
from foldward.backtest._signals import column

UP, DOWN = k.LONG_ENTRY | k.SHORT_EXIT, k.SHORT_ENTRY | k.LONG_EXIT


def crossings(close, short, long):
    """Bar by bar, with exact sums."""
    wishes, before = np.zeros(len(close), dtype=np.uint8), 0
    for i in range(long - 1, len(close)):
        fast = fsum(close[i - short + 1 : i + 1]) / short
        slow = fsum(close[i - long + 1 : i + 1]) / long
        now = 0 if abs(fast - slow) <= 1e-12 * slow else 1 if fast > slow else -1
        if i >= long:
            wishes[i] = UP if now > 0 >= before else DOWN if now < 0 <= before else 0
        before = now
    return wishes


@pytest.mark.parametrize(
    ("n", "short", "long"), [(2047, 3, 8), (2048, 1, 2), (2049, 5, 30), (2300, 50, 2049)]
)
def test_they_cross_where_exact_sums_cross(n, short, long):
    close = np.round(100 + 3 * np.sin(np.arange(n) / 7.0) + np.arange(n) % 5 * 0.1, 1)
    wishes = np.full(n, 255, dtype=np.uint8)
    k.signal_sma(column(close), wishes, short, long)
    expected = crossings(close.tolist(), short, long)
    assert np.flatnonzero(expected).size > 10
    np.testing.assert_array_equal(wishes, expected)


def test_four_blocks_at_once_and_the_rest_one_by_one_give_the_same_sums():
    n = 4 * k.SPAN + 700
    close = 100 + np.sin(np.arange(n) / 9.0) + np.arange(n) % 7 * 0.05
    whole, part = np.full(n, 255, dtype=np.uint8), np.full(4 * k.SPAN - 1, 255, dtype=np.uint8)
    k.signal_sma(column(close), whole, 7, 21)
    k.signal_sma(column(close[: len(part)]), part, 7, 21)
    np.testing.assert_array_equal(whole[: len(part)], part)


@pytest.mark.parametrize("price", [0.1, 1.1, 99_999.9])
def test_a_price_that_rests_is_no_crossing(price):
    wishes = np.zeros(9000, dtype=np.uint8)
    k.signal_sma(column(np.full(9000, price)), wishes, 3, 7)
    assert not wishes.any()


def test_fewer_bars_than_the_long_average_are_no_wish():
    wishes = np.full(9, 255, dtype=np.uint8)
    k.signal_sma(column(np.arange(9.0)), wishes, 2, 10)
    assert not wishes.any()
