"""Where a job's candles may come from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from foldward.contracts.errors import DataError
from foldward.data.bars import NS, Bars, day_ends
from foldward.worker._candles import inside_roots, resampled


def bars(n: int = 48) -> Bars:
    time = (np.arange(n, dtype=np.int64) * 3600 + 1_700_006_400) * NS
    price = np.linspace(1.0, 2.0, n)
    return Bars(time, price, price, price, price, price, day_ends(time), 60, "sha256:00")


def test_a_path_inside_a_root_is_taken_and_one_outside_is_not(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    (root / "a.csv").write_text("x")
    (tmp_path / "secret.csv").write_text("x")
    (root / "link.csv").symlink_to(tmp_path / "secret.csv")
    (tmp_path / "data-other").mkdir()
    assert inside_roots(str(root / "a.csv"), [root]) == root / "a.csv"
    assert inside_roots("a.csv", [root]) == root / "a.csv"
    for path in (
        "../secret.csv",
        str(tmp_path / "secret.csv"),
        "link.csv",
        "../data-other/a.csv",
        "a\0b",
        "/",
    ):
        with pytest.raises(DataError) as caught:
            inside_roots(path, [root])
        assert caught.value.code == "data.outside_root"
    with pytest.raises(DataError, match="none is declared"):
        inside_roots("a.csv", [])


@pytest.mark.parametrize(
    ("minutes", "exact"),
    [
        (60, True),  # the bars themselves
        (240, True),
        (1440, True),
        (90, False),  # would cut bars in two
        (30, False),
        (420, False),  # seven hours begin at another hour each day
        (10_080, False),  # weeks begin on Sunday here and on Monday there
        (43_200, False),
    ],
)
def test_only_timeframes_that_are_the_same_series_are_resampled(minutes, exact):
    assert (resampled(bars(), minutes) is not None) is exact


def test_a_resampled_bar_closes_where_its_last_bar_closed():
    four = resampled(bars(), 240)
    assert four.time[:3].tolist() == [1_700_006_400 * NS, 1_700_020_800 * NS, 1_700_035_200 * NS]
    assert four.close[0] == bars().close[3]
    assert four.open[1] == bars().open[4]


def test_bars_that_open_beside_their_grid_are_not_resampled():
    late = bars()
    shifted = replace(late, time=late.time + 1800 * NS)
    assert resampled(shifted, 240) is None
