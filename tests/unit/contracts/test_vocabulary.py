"""Ids, timeframes, canonical JSON, the catalogue of errors and the identity of work."""

import msgspec
import pytest

from foldward.contracts import errors, ids
from foldward.contracts.canonical import canonical_bytes, derive_seed, digest
from foldward.contracts.jobs import Costs, Strategy, job_digest
from foldward.contracts.timeframe import parse_timeframe, timeframe_label


def test_ids_are_version_7_unique_and_sorted_by_time() -> None:
    made = [ids.new_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(text[14] == "7" and text[19] in "89ab" for text in made)
    assert [text[:8] for text in made] == sorted(text[:8] for text in made)
    assert all(map(ids.is_id, made))


@pytest.mark.parametrize(
    "bad", ["", "x", None, 7, "MISSING", "0198g0000-0000-7000-8000-000000000000", "0" * 36]
)
def test_what_is_no_uuid_is_no_id(bad: object) -> None:
    assert not ids.is_id(bad)


@pytest.mark.parametrize(
    ("given", "minutes"),
    [("H1", 60), ("m15", 15), ("D1", 1440), ("W1", 10080), ("MN", 43200), ("60", 60), (7, 7), (60.0, 60)],
)
def test_timeframes_are_labels_or_whole_minutes(given: object, minutes: int) -> None:
    assert parse_timeframe(given) == minutes


@pytest.mark.parametrize("bad", [0, -5, 1.5, "H0", "X1", "", None, True, "1.5", "M-1"])
def test_other_timeframes_are_refused_with_the_field_named(bad: object) -> None:
    with pytest.raises(errors.RequestError, match="timeframe") as caught:
        parse_timeframe(bad)
    assert caught.value.code == "request.bad_param"


def test_labels_are_the_shortest() -> None:
    assert [timeframe_label(m) for m in (1, 60, 240, 1440, 10080, 43200, 7)] == [
        "M1",
        "H1",
        "H4",
        "D1",
        "W1",
        "MN",
        "M7",
    ]


def test_canonical_json_knows_no_order_and_one_form_of_a_number() -> None:
    assert canonical_bytes({"b": 1.0, "a": [-0.0, 0.1]}) == b'{"a":[0,0.1],"b":1}'
    assert digest({"a": 1, "b": 2}) == digest({"b": 2.0, "a": 1})


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_have_no_canonical_form(bad: float) -> None:
    with pytest.raises(ValueError, match="canonical"):
        canonical_bytes({"a": bad})


def test_derived_seeds_are_stable_and_differ_by_every_part() -> None:
    # printf '7\x1fsma\x1foos' | sha256sum | cut -c1-16
    assert derive_seed(7, "sma", "oos") == 6054170895574916433
    assert (
        len(
            {
                derive_seed(7, "a", "b"),
                derive_seed(8, "a", "b"),
                derive_seed(7, "ab"),
                derive_seed(7, "b", "a"),
            }
        )
        == 4
    )


def test_work_has_another_identity_when_anything_about_it_changes() -> None:
    strategy = Strategy(name="a", kind="sma", params={"sma_short": 5.0, "sma_long": 20.0})
    base = job_digest(strategy, "oos", "f", (1, 2), 0, "e")
    replace = msgspec.structs.replace
    changed = [
        job_digest(
            replace(strategy, params={"sma_short": 6.0, "sma_long": 20.0}), "oos", "f", (1, 2), 0, "e"
        ),
        job_digest(replace(strategy, costs=Costs(spread=0.1)), "oos", "f", (1, 2), 0, "e"),
        job_digest(replace(strategy, name="b"), "oos", "f", (1, 2), 0, "e"),
        job_digest(strategy, "backtest", "f", (1, 2), 0, "e"),
        job_digest(strategy, "oos", "g", (1, 2), 0, "e"),
        job_digest(strategy, "oos", "f", (1, 3), 0, "e"),
        job_digest(strategy, "oos", "f", (1, 2), 1, "e"),
        job_digest(strategy, "oos", "f", (1, 2), 0, "e2"),
        job_digest(strategy, "oos", "f", (1, 2), 0, "e", {"k": 1}),
    ]
    assert len({base, *changed}) == 10
    assert base == job_digest(
        replace(strategy, params={"sma_long": 20.0, "sma_short": 5.0}), "oos", "f", (1, 2), 0, "e"
    )


def test_every_code_belongs_to_a_family_and_says_what_to_do() -> None:
    for code, spec in errors.CATALOGUE.items():
        assert code.partition(".")[0] in {*errors.FAMILIES, "queue"}
        assert spec.meaning.endswith(".")
        assert spec.hint


def test_an_error_shows_one_line_with_code_message_and_hint() -> None:
    error = errors.DataError(
        "data.geometry", "close 500 > high 106 (prices.csv line 3)", hint="foldward data check prices.csv"
    )
    assert error.line() == (
        "error data.geometry: close 500 > high 106 (prices.csv line 3) — hint: foldward data check prices.csv"
    )
    assert error.exit_code == 7
    assert not error.retryable


def test_a_code_outside_the_catalogue_cannot_be_raised() -> None:
    with pytest.raises(ValueError, match="not in the catalogue"):
        errors.RequestError("request.nonsense", "x")
    with pytest.raises(ValueError, match="declared twice"):
        errors.declare("request.retired", "x", "y")


def test_a_wire_error_owns_its_bytes() -> None:
    error = errors.WireError("wire.unparseable", b"\xff(", 1)
    assert (error.raw, error.position, error.code) == (b"\xff(", 1, "wire.unparseable")


def test_a_wrong_name_gets_the_nearest_or_the_whole_list() -> None:
    assert errors.suggestion("smaa", ["sma", "ema"]) == "did you mean 'sma'?"
    assert errors.suggestion("RSI", ["rsi", "ema"]) == "did you mean 'rsi'?"
    assert errors.suggestion("quux", ["sma", "ema"]) == "known: ema, sma"


def test_retryable_codes_come_from_the_catalogue_and_unknown_ones_may_be_tried() -> None:
    assert errors.is_retryable("engine.failed")
    assert not errors.is_retryable("request.unknown_kind")
    assert errors.is_retryable("their.own.code")
