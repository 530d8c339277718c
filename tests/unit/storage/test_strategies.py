"""Strategies: imported, changed, retired for good, judged."""

import pytest

from foldward.contracts.facts import ImportStrategies, RecordVerdict, RetireStrategies

T0 = 1_770_000_000_000_000
ONE = "01980000-0000-7000-8000-000000000001"


def verdict(name="alpha", **fields):
    fields.setdefault("stage", "B")
    fields.setdefault("verdict", "PASS")
    fields.setdefault("rank", "B")
    fields.setdefault("gates", ({"name": "sharpe", "value": 0.61, "threshold": 0.15, "passed": True},))
    fields.setdefault("reasons", ())
    return RecordVerdict(name=name, at_us=T0 + 9, **fields)


def test_an_import_says_what_became_of_each(facts, do, reader):
    alpha, beta = facts.strategy("alpha"), facts.strategy("beta")
    assert do(facts.imported(alpha, beta, alpha)) == {
        "imported": ["alpha", "beta"],
        "updated": [],
        "unchanged": [],
        "refused": [["alpha", "request.duplicate_name"]],
    }
    changed = facts.strategy("beta", sl="3%")
    again = do(facts.imported(alpha, changed))
    assert (again["unchanged"], again["updated"]) == (["alpha"], ["beta"])
    assert reader.strategy("beta").definition["sl"] == "3%"


def test_a_strategy_starts_in_the_incubator_with_nothing_proven(facts, do, reader):
    do(facts.imported(facts.strategy(generation=2, parent="omega")))
    row = reader.strategy("alpha")
    assert (row.rank, row.verdict, row.stage, row.is_sharpe, row.oos_sharpe) == (
        "incubator",
        None,
        None,
        None,
        None,
    )
    assert (row.kind, row.symbol, row.timeframe, row.params) == (
        "sma",
        "EURUSD",
        60,
        {"sma_short": 5, "sma_long": 20},
    )
    assert (row.generation, row.parent) == (2, "omega")
    assert row.strategy == facts.strategy(generation=2, parent="omega")


def test_one_and_one_point_zero_are_the_same_definition(facts, do):
    do(facts.imported(facts.strategy(params={"sma_short": 5, "sma_long": 20})))
    outcome = do(facts.imported(facts.strategy(params={"sma_short": 5.0, "sma_long": 20.0})))
    assert outcome["unchanged"] == ["alpha"]


def test_a_changed_definition_starts_from_nothing(facts, do, reader):
    do(facts.imported(), facts.admit(), facts.lease(), facts.answer(), verdict(numbers={"dsr": 0.97}))
    assert reader.strategy("alpha").rank == "B"
    do(facts.imported(facts.strategy(tp=2.0), at_us=T0 + 99))
    row = reader.strategy("alpha")
    assert (row.rank, row.verdict, row.gates, row.numbers, row.oos_sharpe) == (
        "incubator",
        None,
        [],
        {},
        None,
    )
    assert row.defined_at == T0 + 99


def test_a_retired_strategy_stays_retired(facts, do, reader):
    do(facts.imported(), facts.admit(), facts.lease())
    assert do(RetireStrategies(names=("alpha", "nobody"), at_us=T0)) == ["alpha"]
    assert reader.request(ONE).status == "cancelled"
    assert do(facts.imported(facts.strategy(sl=1.0)))["refused"] == [["alpha", "request.retired"]]
    assert do(verdict()) is False
    assert reader.strategy("alpha").rank == "retired"
    assert do(RetireStrategies(names=("alpha",), at_us=T0)) == []


def test_a_verdict_is_recorded_with_its_gates_and_only_once(facts, do, reader):
    do(facts.imported())
    assert do(verdict(reasons=("enough trades",), numbers={"psr": 0.9, "dsr": None})) is True
    revision = reader.strategy("alpha").revision
    assert do(verdict(reasons=("enough trades",), numbers={"psr": 0.9, "dsr": None})) is False
    row = reader.strategy("alpha")
    assert (row.verdict, row.stage, row.rank, row.reasons, row.revision) == (
        "PASS",
        "B",
        "B",
        ["enough trades"],
        revision,
    )
    assert row.gates == [{"name": "sharpe", "value": 0.61, "threshold": 0.15, "passed": True}]


def test_changes_are_followed_by_revision_in_bounded_batches(facts, do, reader):
    do(facts.imported(*(facts.strategy(f"s{n}") for n in range(5))))
    seen, revision = [], 0
    while rows := reader.strategies(revision_gt=revision, limit=2):
        assert len(rows) <= 2
        seen += [row.name for row in rows]
        revision = rows[-1].revision
    assert seen == ["s0", "s1", "s2", "s3", "s4"]
    do(verdict("s1"))
    assert [row.name for row in reader.strategies(revision_gt=revision)] == ["s1"]
    assert reader.revision() == 6


def test_changes_are_followed_by_time_too(facts, do, reader):
    do(facts.imported(facts.strategy("old"), at_us=T0), facts.imported(facts.strategy("new"), at_us=T0 + 5))
    assert [row.name for row in reader.strategies(since_us=T0 + 1)] == ["new"]


def test_the_league_table_has_the_passed_ones_first(facts, do, reader):
    do(facts.imported(*(facts.strategy(name) for name in ("alpha", "beta", "gamma"))))
    do(
        verdict("beta", numbers={"dsr": 0.97, "degradation": 0.1}),
        verdict("gamma", verdict="FAIL", rank="graveyard"),
    )
    table = reader.verdicts()
    assert [(line["strategy"], line["verdict"]) for line in table] == [
        ("beta", "PASS"),
        ("alpha", None),
        ("gamma", "FAIL"),
    ]
    assert (table[0]["dsr"], table[0]["degradation"], table[0]["pbo"]) == (0.97, 0.1, None)
    assert [line["strategy"] for line in reader.verdicts(passed=True)] == ["beta"]
    assert [line["strategy"] for line in reader.verdicts(passed=False)] == ["alpha", "gamma"]


@pytest.mark.parametrize("name", ["", "ß" * 300, "a\nb", "'; DROP TABLE strategies; --", "x\x00y"])
def test_any_name_is_only_a_name(name, facts, do, reader):
    outcome = do(ImportStrategies(strategies=(facts.strategy(name),), at_us=T0))
    if name:
        assert outcome["imported"] == [name]
        assert reader.strategy(name).name == name
        assert reader.strategy_names() == [name]
    else:
        assert outcome["refused"] == [["", "request.bad_strategy"]]
