"""The data gate's memory: an answer holds as long as every place where the series may lie stays as it was."""

from pathlib import Path

import pytest

from foldward.app.candles import Candles
from foldward.contracts.jobs import Strategy
from foldward.data.cache import Cache

STRATEGY = Strategy(name="s", kind="sma", symbol="X", timeframe=1440)


def write(root: Path, close: float, name: str = "X_D1.csv") -> None:
    root.mkdir(exist_ok=True)
    rows = [f"2024-01-{day:02d}T00:00:00Z,1,3,0.5,{close},10" for day in range(1, 11)]
    (root / name).write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")


@pytest.fixture
def candles(tmp_path: Path) -> Candles:
    return Candles(Cache(tmp_path / "cache"), [tmp_path / "one", tmp_path / "two"])


def test_an_answer_is_remembered_until_the_file_changes(candles: Candles, tmp_path: Path) -> None:
    write(tmp_path / "two", 1.5)
    first = candles.gate(STRATEGY)
    assert first.ok
    assert candles.gate(STRATEGY) is first
    write(tmp_path / "two", 2.0)
    assert candles.gate(STRATEGY).fingerprint not in ("", first.fingerprint)


def test_a_file_in_an_earlier_root_takes_over(candles: Candles, tmp_path: Path) -> None:
    write(tmp_path / "two", 1.5)
    second = candles.gate(STRATEGY)
    write(tmp_path / "one", 2.0)
    first = candles.gate(STRATEGY)
    assert first.path == str(tmp_path / "one" / "X_D1.csv")
    (tmp_path / "one" / "X_D1.csv").unlink()
    assert candles.gate(STRATEGY).fingerprint == second.fingerprint


def test_a_link_out_of_the_roots_is_passed_over_and_does_not_hide_a_change(
    candles: Candles, tmp_path: Path
) -> None:
    write(tmp_path / "elsewhere", 2.5)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "X_D1.csv").symlink_to(tmp_path / "elsewhere" / "X_D1.csv")
    write(tmp_path / "two", 1.5)
    found = candles.gate(STRATEGY)
    assert found.path == str(tmp_path / "two" / "X_D1.csv")
    write(tmp_path / "two", 2.0)
    assert candles.gate(STRATEGY).fingerprint != found.fingerprint


def test_without_a_file_the_cache_is_asked_every_time(candles: Candles, tmp_path: Path) -> None:
    assert candles.gate(STRATEGY).code == "data.not_found"
    write(tmp_path / "import", 1.5)
    Cache(tmp_path / "cache").ensure(tmp_path / "import" / "X_D1.csv")
    assert candles.gate(STRATEGY).ok


def test_a_refusal_names_the_file_without_its_folder_and_every_finding(tmp_path: Path) -> None:
    row = "2024-01-{:02d}T00:00:00Z,1,{},0.5,1.5,{}"
    rows = [row.format(day, 0.9 if day == 3 else 3, "nan" if day == 5 else 10) for day in range(1, 11)]
    said = []
    for place in ("here", "there"):
        folder = tmp_path / place
        folder.mkdir()
        (folder / "X_D1.csv").write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")
        refused = Candles(Cache(tmp_path / "cache" / place), [folder]).gate(STRATEGY)
        assert refused.path == str(folder / "X_D1.csv")
        assert [item["code"] for item in refused.findings][:2] == ["data.not_finite", "data.geometry"]
        said.append(refused.message)
    assert (
        said
        == ["data.not_finite: volume is nan (X_D1.csv line 6, 2024-01-05T00:00:00Z); also data.geometry ×1"]
        * 2
    )
