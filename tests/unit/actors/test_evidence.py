"""How the trials are learnt from stored backtests."""

from types import SimpleNamespace
from typing import Any

from actors._evidence import EvidenceDesk, trial_of


class Rows:
    """The reader: one strategy, redefined many times."""

    def __init__(self, count: int) -> None:
        self.results: list[Any] = []
        self.revision = 0
        self.asked: list[int] = []
        self.add(count)

    def add(self, count: int) -> None:
        self.revision += 1
        for number in range(len(self.results), len(self.results) + count):
            self.results.insert(0, backtest(number))

    def strategies(self, revision_gt: int, limit: int) -> list[Any]:
        row = SimpleNamespace(name="a", revision=self.revision)
        return [row] if self.revision > revision_gt else []

    def results_of(self, name: str, kind: str, limit: int = 100) -> list[Any]:
        assert (name, kind) == ("a", "backtest")
        self.asked.append(limit)
        return self.results[:limit]

    def result(self, request_id: str) -> Any:
        rows = [[2, 0.01, 0.0002 + int(request_id)], [2, 0.02, 0.0004]]
        return SimpleNamespace(detail={"blocks": {"rows": rows}})


def backtest(number: int, engine: str = "foldward-4") -> Any:
    return SimpleNamespace(
        request_id=str(number), work=f"w{number}", engine=engine, verdict="OK", fingerprint="f",
        window_start=0, window_end=9,
    )  # fmt: skip


def trials(desk: EvidenceDesk, rows: Rows) -> int:
    desk.wait("a", "f")
    while not desk.learn(rows):
        continue
    return int(desk.ready(lambda _: set())["a"]["trials"]["n"])


def test_every_definition_that_a_strategy_ever_had_is_a_trial() -> None:
    assert trials(EvidenceDesk(strict=False), Rows(1000)) == 1000


def test_what_was_read_is_not_read_again() -> None:
    desk, rows = EvidenceDesk(strict=False), Rows(1000)
    assert trials(desk, rows) == 1000
    rows.asked.clear()
    rows.add(3)
    assert trials(desk, rows) == 1003
    assert rows.asked == [100]


def test_exactly_a_page_of_new_ones_is_followed_by_a_look_for_more() -> None:
    desk, rows = EvidenceDesk(strict=False), Rows(100)
    assert trials(desk, rows) == 100
    rows.add(250)
    assert trials(desk, rows) == 350


def test_an_edited_plugin_is_another_try_and_an_upgraded_engine_is_none() -> None:
    first, second = backtest(1, "foldward-4+0123"), backtest(1, "foldward-4+4567")
    assert trial_of(first) != trial_of(second)
    assert trial_of(first) == trial_of(backtest(1, "foldward-5+0123"))
    assert trial_of(backtest(1, "foldward-4")) == trial_of(backtest(1, "foldward-5")) == "w1:0:9"
