"""The gate over real files: which candles a strategy and its filter get."""

from __future__ import annotations

import pytest

from foldward.app.candles import Candles
from foldward.contracts.jobs import Filter, Strategy
from foldward.data.cache import Cache

HOURS = 24 * 40


def write(folder, name: str, step: int, spoil: str = "") -> None:
    rows = ["time,open,high,low,close,volume"]
    for i in range(HOURS * 3600 // step):
        close = 100 + (i * 7 % 11) / 10
        rows.append(f"{1_700_006_400 + step * i},100.5,102,99,{close},5")
    (folder / name).write_text("\n".join(rows) + "\n" + spoil)


def gate(folder, minutes: int = 240, profile: str = "next_open"):
    candles = Candles(Cache(folder / "cache"), [folder])
    rule = Filter(timeframe=minutes, period=3, logic="PRICE_ABOVE_SMA")
    strategy = Strategy(name="s", kind="sma", symbol="X", timeframe=60, filter=rule, profile=profile)
    return candles, candles.gate(strategy)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "X_H1.csv", 3600)
    return tmp_path


def test_a_filter_takes_the_file_of_its_timeframe(folder):
    write(folder, "X_H4.csv", 14_400)
    candles, answer = gate(folder)
    plain = candles.gate(Strategy(name="p", kind="sma", symbol="X", timeframe=60))
    higher = candles.gate(Strategy(name="h", kind="sma", symbol="X", timeframe=240))
    assert answer.aux == {"240": higher.fingerprint}
    assert (answer.fingerprint, plain.aux) == (plain.fingerprint, {})


def test_without_such_a_file_nothing_is_refused_and_nothing_named(folder):
    candles, answer = gate(folder)
    assert answer.ok
    assert answer.aux == {}
    assert candles.refusals() == []


def test_a_filter_whose_file_is_bad_is_refused_with_the_file_named(folder):
    write(folder, "X_H4.csv", 14_400, spoil="1,2,3\n")
    _, answer = gate(folder)
    assert (answer.ok, answer.code) == (False, "data.refused")
    assert answer.message.startswith("the filter's H4 candles: ")
    assert answer.path.endswith("X_H4.csv")


def test_profile_peer_keeps_the_peers_own_rule(folder):
    write(folder, "X_H4.csv", 14_400)
    _, answer = gate(folder, profile="peer")
    assert answer.aux == {}
