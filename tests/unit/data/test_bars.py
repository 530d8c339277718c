"""Where a trading day ends."""

import numpy as np
import pytest

from foldward.data.bars import NS, day_ends

HOUR = 3600
DAY = 24 * HOUR
SUNDAY = 1_704_585_600  # 2024-01-07T00:00:00Z


def days(opens):
    """How many days the bars that open at these Unix seconds make."""
    return int(day_ends(np.array(opens, dtype=np.int64) * NS).sum())


@pytest.mark.parametrize(("hour", "count"), [(19, 2), (20, 2), (21, 1), (23, 1)])
def test_a_sunday_evening_of_under_four_hours_joins_monday(hour, count):
    assert days(range(SUNDAY + hour * HOUR, SUNDAY + DAY + 22 * HOUR, HOUR)) == count


def test_a_sunday_evening_without_a_monday_is_a_day():
    assert days([SUNDAY + 22 * HOUR, SUNDAY + 23 * HOUR, SUNDAY + 2 * DAY]) == 2


@pytest.mark.parametrize("hour", [21, 22])
def test_daily_bars_that_open_in_the_evening_are_days_of_their_own(hour):
    """Five sessions a week that begin Sunday to Thursday at the New York close."""
    opens = [SUNDAY + hour * HOUR + (7 * week + day) * DAY for week in range(4) for day in range(5)]
    assert days(opens) == 20
    summer = [at - HOUR * (at > SUNDAY + DAY) for at in opens]  # the clock moves after the first bar
    assert days(summer) == 20


def test_half_day_bars_of_a_sunday_evening_belong_to_monday():
    opens = [SUNDAY + 22 * HOUR + 12 * HOUR * i for i in range(10)]
    assert days(opens) == 5
