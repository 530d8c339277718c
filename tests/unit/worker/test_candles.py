"""Where a job's candles may come from."""

from __future__ import annotations

import numpy as np
import pytest

from foldward.contracts.errors import DataError, RequestError
from foldward.data.bars import NS, Bars, day_ends
from foldward.worker._candles import inside_roots, window_of


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


def test_a_window_is_a_series_of_its_own_with_its_last_day_closed():
    whole = bars()
    part = window_of(whole, whole.first() + 3600, whole.first() + 5 * 3600)
    assert (part.first(), part.last(), len(part)) == (whole.first() + 3600, whole.first() + 5 * 3600, 5)
    assert part.day_end.tolist() == [0, 0, 0, 0, 1]
    assert window_of(whole, None, None) is whole
    with pytest.raises(RequestError) as caught:
        window_of(whole, whole.last(), None)
    assert caught.value.code == "request.bad_window"
