"""Counting trials for the deflated Sharpe ratio."""

import math
import random

import pytest

from actors._trials import SAMPLE, TrialBook, block_sums, merge, sharpe_of, spread_of

FLAT = [(2.0, 0.0, 0.0), (2.0, 0.0, 0.0)]


def trial(seed, blocks=16, days=10):
    rng = random.Random(seed)
    rows = []
    for _ in range(blocks):
        returns = [rng.gauss(0.0, 0.01) for _ in range(days)]
        rows.append((float(days), math.fsum(returns), math.fsum(r * r for r in returns)))
    return rows


def test_the_sharpe_of_four_returns_is_what_a_person_computes():
    # 1, 2, 3, 4: mean 2.5, variance 5/3
    assert sharpe_of([(2.0, 3.0, 5.0), (2.0, 7.0, 25.0)]) == pytest.approx(2.5 / math.sqrt(5 / 3))
    assert sharpe_of(FLAT) is None
    assert sharpe_of([(1.0, 0.5, 0.25)]) is None


def test_the_spread_of_two_values_is_known_and_of_one_is_not():
    assert spread_of([1.0, 3.0]) == pytest.approx(math.sqrt(2.0))
    assert spread_of([1.0]) is None


def test_the_same_work_is_one_trial():
    book = TrialBook()
    assert book.add("f", "sha256:a", trial(1))
    assert not book.add("f", "sha256:a", trial(1))
    assert book.count("f") == 1
    assert book.plan("f")["trials"] == {"n": 1, "sharpe_std": 0.0}


def test_the_plan_names_the_bars_of_most_trials():
    book = TrialBook()
    for number, window in enumerate(("-90:200", "10:300", "-90:200", "none:300", "x")):
        book.add("f", f"sha256:{number}:{window}", trial(number))
    assert book.plan("f")["trials"]["window"] == [-90, 200]
    book.add("f", "sha256:9:10:300", trial(9))
    assert book.plan("f")["trials"]["window"] == [10, 300]


def test_trials_on_other_data_do_not_count():
    book = TrialBook()
    book.add("f", "sha256:a", trial(1))
    book.add("g", "sha256:b", trial(2))
    assert (book.count("f"), book.count("g"), book.count("h")) == (1, 1, 0)


def test_a_trial_without_a_sharpe_counts_all_the_same():
    book = TrialBook()
    for name, sums in (("a", trial(1)), ("b", trial(2)), ("c", FLAT), ("d", [])):
        book.add("f", name, sums)
    plan = book.plan("f")
    assert plan["trials"]["n"] == 4
    assert plan["trials"]["sharpe_std"] == pytest.approx(
        spread_of([sharpe_of(trial(1)), sharpe_of(trial(2))])
    )


def test_the_plan_does_not_depend_on_the_order_of_arrival():
    names = [f"sha256:{number:03d}" for number in range(50)]
    plans = []
    for seed in range(3):
        random.Random(seed).shuffle(names)
        book = TrialBook()
        for name in names:
            book.add("f", name, trial(int(name[-3:])))
        plans.append(book.plan("f"))
    assert plans[0] == plans[1] == plans[2]
    assert len(plans[0]["blocks"]) == 50


def test_only_a_bounded_sample_of_blocks_travels_and_all_trials_count():
    book = TrialBook()
    for number in reversed(range(SAMPLE + 30)):
        book.add("f", f"sha256:{number:04d}", trial(number, blocks=2))
    plan = book.plan("f")
    assert plan["trials"]["n"] == SAMPLE + 30
    assert len(plan["blocks"]) == SAMPLE
    assert plan["blocks"][0] == [list(block) for block in trial(0, blocks=2)]


def test_only_trials_that_are_cut_at_the_same_bars_travel_together():
    book = TrialBook()
    for number in range(3):
        book.add("f", f"a{number}", trial(number))
    book.add("f", "b", trial(9, days=7))
    assert len(book.plan("f")["blocks"]) == 3


def test_daily_rows_are_merged_to_sixteen_blocks_without_losing_a_day():
    merged = merge(trial(1, blocks=100, days=1), 16)
    assert len(merged) == 16
    assert sum(block[0] for block in merged) == 100


def test_evidence_is_out_of_date_with_a_tenth_more_trials_or_strictly_with_one():
    book = TrialBook()
    for number in range(11):
        book.add("f", str(number), trial(number))
    assert not book.stale("f", 10, strict=False)
    assert book.stale("f", 9, strict=False)
    assert book.stale("f", 10, strict=True)
    assert not book.stale("f", 11, strict=True)
    assert not book.stale("f", None, strict=True)


@pytest.mark.parametrize(
    "blocks",
    [
        None,
        {},
        {"rows": "text"},
        {"rows": [[1]]},
        {"rows": [[1, None, 2]]},
        {"rows": [[1, math.nan, 2]]},
        {"n": [1]},
    ],
)
def test_blocks_that_cannot_be_used_are_no_blocks(blocks):
    assert block_sums(blocks) == []


def test_both_spellings_of_blocks_are_read():
    assert block_sums({"rows": [[2, 0.5, 0.25], [0, 0, 0]]}) == [(2.0, 0.5, 0.25)]
    assert block_sums({"n": [2], "s1": [0.5], "s2": [0.25]}) == [(2.0, 0.5, 0.25)]
