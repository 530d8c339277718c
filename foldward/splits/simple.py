"""The two splits with one fold: 80/20 by bars, and the newest days held out."""

from typing import Any

import numpy as np

from foldward.splits._refuse import BadPlan, count_of, whole
from foldward.splits._when import DAY, nanoseconds
from foldward.splits.fold import Fold

CLASSIC_MIN_BARS = 100


def classic(data: Any) -> Fold:
    """The older 80 % to learn from, the newest 20 % to be judged on; more than 100 bars.

    data: the number of bars, or anything with that length. Raises RequestError `request.bad_plan`.
    """
    n = count_of(data)
    if n <= CLASSIC_MIN_BARS:
        raise BadPlan(
            f"the classic split needs more than {CLASSIC_MIN_BARS} bars and has {n}",
            hint="give more history",
            limit=CLASSIC_MIN_BARS + 1,
        )
    cut = n * 4 // 5
    return Fold(((0, cut),), ((cut, n),))


def holdout(times: Any, days: int = 180) -> Fold:
    """The bars of the last `days` days out of sample: from the first one at or after the last bar's time less
    `days` days, as the window of an out-of-sample request.

    times: as in WalkForward.ranges. 180 gives 181 daily bars where every day has one: both ends count. Raises
    RequestError `request.bad_plan` when nothing older remains.
    """
    days = whole(days, "days", 1)
    stamps = nanoseconds(times)
    n = len(stamps)
    cut = int(np.searchsorted(stamps, int(stamps[-1]) - days * DAY, side="left"))
    if cut == 0:
        span = (int(stamps[-1]) - int(stamps[0])) / DAY
        raise BadPlan(
            f"holding out {days} days leaves nothing older: the data span {span:.1f} days",
            hint="hold out fewer days, or give more history",
            limit=int(span),
        )
    return Fold(((0, cut),), ((cut, n),))
