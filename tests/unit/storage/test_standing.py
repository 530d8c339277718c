"""Sums over all strategies, and sizes on the disk."""

from foldward.contracts.facts import RecordVerdict


def test_strategies_are_counted_by_rank_and_verdict(facts, do, reader):
    assert reader.standing() == {"ranks": {}, "verdicts": {}}
    do(facts.imported(facts.strategy("a"), facts.strategy("b"), facts.strategy("c")))
    do(
        RecordVerdict(
            name="a", verdict="FAIL", stage="B", rank="graveyard", gates=(), reasons=(), numbers={}, at_us=1
        )
    )
    assert reader.standing() == {
        "ranks": {"graveyard": 1, "incubator": 2},
        "verdicts": {"FAIL": 1, "none": 2},
    }


def test_sizes_are_those_of_the_files(reader, path):
    found = reader.sizes()
    assert found["database_bytes"] == path.stat().st_size
    assert found["free_bytes"] > 0
    assert found["wal_bytes"] >= 0
