"""Is this the answer to that request?"""

import msgspec
import pytest

from actors._results import Expected, check, mirrors, same_name, unverified, with_digest
from foldward.contracts.jobs import Fault, Result, Window

WINDOW = Window(1_600_000_000, 1_615_552_000, 4320)
EXPECTED = Expected("sma-5-20", "oos", "sha256:aa", WINDOW)
ANSWER = Result(
    request_id="r",
    strategy_name="sma-5-20",
    trades=42,
    wins=20,
    losses=22,
    pnl=12.5,
    sharpe=0.61,
    sortino=0.9,
    max_drawdown=0.1,
    win_rate=47.6,
    profit_factor=1.2,
    window=WINDOW,
    fingerprint="sha256:aa",
    result_digest="sha256:bb",
)


def changed(**fields: object) -> Result:
    return msgspec.structs.replace(ANSWER, **fields)


def test_a_whole_answer_to_the_request_is_accepted() -> None:
    assert check(ANSWER, EXPECTED) is None
    assert not unverified(ANSWER, EXPECTED)


@pytest.mark.parametrize(
    ("answered", "fits"),
    [
        ("sma-5-20", True),
        ("sma-5-20-OOS", True),
        ("sma-5-20_IS", True),
        ("", True),
        ("sma-5-21", False),
        ("sma-5-20-oos", False),
        ("SMA-5-20", False),
        ("-OOSsma-5-20", False),
    ],
)
def test_names_fit_with_one_suffix_at_the_end_and_case_counts(answered: str, fits: bool) -> None:
    assert same_name(answered, "sma-5-20") is fits


def test_a_name_that_ends_like_a_suffix_is_still_its_own() -> None:
    assert same_name("turtle-OOS", "turtle-OOS")
    assert same_name("turtle-OOS-OOS", "turtle-OOS")


def test_another_strategys_answer_is_refused_and_blames_nobody() -> None:
    refused = check(changed(strategy_name="rsi-14"), EXPECTED)
    assert refused is not None
    assert (refused.reason, refused.code, refused.ours) == ("mismatch", "wire.mismatch", False)


@pytest.mark.parametrize(
    "window",
    [
        Window(1_600_000_000, 1_615_552_000, 4319),
        Window(1_600_003_600, 1_615_552_000, 4320),
        Window(1_600_000_000, 1_615_548_400, 4320),
    ],
)
def test_an_echo_that_is_off_by_one_bar_is_refused(window: Window) -> None:
    refused = check(changed(window=window), EXPECTED)
    assert refused is not None
    assert refused.code == "wire.mismatch"
    assert refused.ours


def test_a_legacy_answer_without_echo_is_accepted_and_marked() -> None:
    answer = changed(window=None, fingerprint=None)
    assert check(answer, EXPECTED) is None
    assert unverified(answer, EXPECTED)


def test_other_candles_are_refused() -> None:
    refused = check(changed(fingerprint="sha256:cc"), EXPECTED)
    assert refused is not None
    assert refused.code == "wire.mismatch"


@pytest.mark.parametrize(
    "metric",
    ["trades", "wins", "losses", "pnl", "sharpe", "sortino", "max_drawdown", "win_rate", "profit_factor"],
)
def test_a_metric_that_is_missing_is_named_and_never_becomes_zero(metric: str) -> None:
    refused = check(changed(**{metric: None}), EXPECTED)
    assert refused is not None
    assert (refused.reason, refused.code) == ("schema", "wire.missing_field")
    assert refused.error == f"result.{metric} is missing and no reason is given"
    assert check(changed(**{metric: None}, reasons={metric: "no losing trade"}), EXPECTED) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_metric_that_is_not_finite_is_refused(value: float) -> None:
    refused = check(changed(sharpe=value), EXPECTED)
    assert refused is not None
    assert refused.code == "wire.invalid_field"


def test_a_negative_count_is_refused() -> None:
    refused = check(changed(trades=-1), EXPECTED)
    assert refused is not None
    assert refused.code == "wire.invalid_field"


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"wins": 21}, "result.wins 21 and losses 22 are more than result.trades 42"),
        ({"trades": 0}, "result.wins 20 and losses 22 are more than result.trades 0"),
        (
            {"wins": 43, "losses": None, "reasons": {"losses": "not counted"}},
            "result.wins 43 and losses None are more than result.trades 42",
        ),
    ],
)
def test_more_wins_and_losses_than_trades_are_refused(counts: dict[str, object], said: str) -> None:
    refused = check(changed(**counts), EXPECTED)
    assert refused is not None
    assert (refused.reason, refused.code, refused.ours) == ("schema", "wire.invalid_field", True)
    assert refused.error == said


def test_a_foreign_engine_may_count_trades_at_exactly_zero_apart() -> None:
    assert check(changed(trades=43), EXPECTED) is None
    assert check(changed(trades=43, engine="theirs-2"), EXPECTED) is None


def test_every_trade_of_our_own_engine_is_a_win_or_a_loss() -> None:
    assert check(changed(engine="foldward-3"), EXPECTED) is None
    refused = check(changed(trades=43, engine="foldward-3"), EXPECTED)
    assert refused is not None
    assert (refused.reason, refused.code) == ("schema", "wire.invalid_field")
    assert refused.error == "result.wins 20 and losses 22 are not result.trades 43"


def test_further_metrics_need_a_value_or_a_reason_too() -> None:
    assert check(changed(metrics={"cagr": None}), EXPECTED) is not None
    assert check(changed(metrics={"cagr": float("nan")}), EXPECTED) is not None
    assert check(changed(metrics={"cagr": None}, reasons={"cagr": "one day"}), EXPECTED) is None
    assert check(changed(metrics={"cagr": 0.0}), EXPECTED) is None


def test_an_invalid_run_says_why_and_needs_no_numbers() -> None:
    faults = (Fault("engine.invariant", "equity is not cash + position"),)
    assert check(changed(sharpe=None, verdict="INVALID", faults=faults), EXPECTED) is None


def test_a_plan_is_answered_with_its_detail() -> None:
    expected = msgspec.structs.replace(EXPECTED, kind="wfv")
    refused = check(changed(detail=None), expected)
    assert refused is not None
    assert refused.error == "result.detail is missing and no reason is given"
    assert check(changed(detail={"folds": []}, sharpe=None), expected) is None
    assert not unverified(changed(window=None), expected)


def test_a_mirror_is_a_sharpe_that_is_equal_and_not_zero() -> None:
    assert mirrors(changed(sharpe=0.61), "oos", 0.61)
    assert not mirrors(changed(sharpe=0.61), "oos", 0.6100000001)
    assert not mirrors(changed(sharpe=0.0), "oos", 0.0)
    assert not mirrors(changed(sharpe=0.61), "backtest", 0.61)
    assert not mirrors(changed(sharpe=None, reasons={"sharpe": "no trades"}), "oos", None)


def test_an_answer_without_digest_gets_one_of_its_numbers() -> None:
    bare = changed(result_digest=None)
    made = with_digest(bare)
    assert made.result_digest is not None
    assert made.result_digest.startswith("sha256:")
    assert made.result_digest == with_digest(msgspec.structs.replace(bare, worker="w2")).result_digest
    assert made.result_digest != with_digest(msgspec.structs.replace(bare, pnl=12.6)).result_digest
    assert with_digest(ANSWER) is ANSWER
