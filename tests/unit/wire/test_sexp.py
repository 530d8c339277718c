"""S-expressions: every rule of the grammar, read and written."""

from __future__ import annotations

import math

import pytest

from foldward.contracts.errors import WireError
from foldward.contracts.jobs import Backtest, Candle, Heartbeat, Strategy
from foldward.wire import dumps, loads

HEAD = '((type . "BACKTEST_RESULT")(result . ((request_id . "r")(strategy_name . "a")'
BODY = "(wins . 1)(losses . 1)(pnl . 1)(sortino . 1)(max_drawdown . 0.1)(win_rate . 50)(profit_factor . 1)"


def result(extra: str, body: str = BODY + "(trades . 2)") -> bytes:
    return f"{HEAD}{body}{extra})))".encode()


def request(extra: str, strategy: str = '(name . "a")(indicator_type . sma)') -> bytes:
    return f'((action . "BACKTEST")(request_id . "r")(strategy . ({strategy})){extra})'.encode()


def refusal(raw: bytes) -> tuple[str, str]:
    with pytest.raises(WireError) as caught:
        loads(raw)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    "spelling",
    [
        "(sharpe . 1.5)",
        "(sharpe 1.5)",
        "(SHARPE . 1.5)",
        "(:sharpe . 1.5)",
        "(swimmer:sharpe . 1.5)",
        "(swimmer::Sharpe . 1.5)",
        "( sharpe\t.\n1.5 )",
        "(sharpe-ratio . 1.5)",
        "(sharpe . 1.5d0)",
        "(sharpe . 15d-1)",
        "(sharpe . +1.5)",
        "(sharpe . 0.15e1)",
        "(sharpe . (1.5))",
        "(sharpe . 1.5)(sharpe . 9)",
    ],
)
def test_one_number_in_all_its_spellings(spelling):
    assert loads(result(spelling)).sharpe == 1.5


@pytest.mark.parametrize(
    ("number", "value"),
    [("3", 3.0), ("3.", 3.0), (".5", 0.5), ("-2", -2.0), ("1e3", 1000.0), ("1.0f0", 1.0), ("-0.0", -0.0)],
)
def test_numbers_of_lisp_are_read(number, value):
    read = loads(result(f"(sharpe . {number})")).sharpe
    assert (read, math.copysign(1, read)) == (value, math.copysign(1, value))


@pytest.mark.parametrize(
    "token",
    [
        "nan",
        "+NaN",
        "inf",
        "-Infinity",
        "1e999",
        "#.SB-EXT:DOUBLE-FLOAT-POSITIVE-INFINITY",
        "#<DOUBLE-FLOAT quiet NaN>",
        "1D++0",
    ],
)
def test_a_metric_that_is_not_finite_is_absent_with_a_reason(token):
    read = loads(result(f"(sharpe . {token})"))
    assert read.sharpe is None
    assert read.reasons["sharpe"].startswith("not finite: the peer sent ")


def test_nil_without_a_reason_is_refused_and_with_one_it_is_no_value():
    assert refusal(result("(sharpe . nil)")) == ("wire.missing_field", "result.sharpe is missing")
    assert loads(result('(sharpe . nil)(reasons . ((sharpe . "flat")))')).sharpe is None


@pytest.mark.parametrize(
    ("token", "value"),
    [("t", True), ("true", True), ("#t", True), ("T", True), ("nil", False), ("()", False), ("#f", False)],
)
def test_booleans_in_all_their_spellings(token, value):
    assert loads(request(f"(include_trades . {token})")).include_trades is value


def test_a_boolean_is_written_as_t_or_nil():
    job = Backtest(request_id="r", strategy=Strategy(name="a", kind="sma"), include_trades=True)
    raw = dumps(job, "sexp")
    assert b"(include_trades . t)" in raw
    assert b"(filter_enabled . nil)" in raw


def test_the_key_t_is_a_time_and_not_a_boolean():
    job = loads(request("(candles . (((t . 60)(o . 1)(h . 2)(l . 0.5)(c . 1.5)(v . 3))))"))
    assert job.candles == (Candle(60, 1.0, 2.0, 0.5, 1.5, 3.0),)


def test_one_candle_in_a_list_stays_a_list_in_both_spellings():
    row = "((timestamp . 60)(open . 1)(high . 2)(low . 0.5)(close . 1.5))"
    assert len(loads(request(f"(candles . ({row}))")).candles) == 1
    assert len(loads(request(f"(candles {row})")).candles) == 1
    assert len(loads(request(f"(candles {row} {row.replace('60', '120')})")).candles) == 2


def test_option_fields_are_a_key_alone_or_a_key_and_its_value():
    job = loads(request('(data_id)(candles_file "a.csv")(start_time)(end_time 9)(timeframe 60)'))
    assert (job.data_id, job.candles_file, job.start_time, job.end_time) == (None, "a.csv", None, 9)
    raw = dumps(job, "sexp")
    for part in (
        b"(data_id)",
        b'(candles_file "a.csv")',
        b"(start_time)",
        b"(end_time 9)",
        b"(timeframe 60)",
    ):
        assert part in raw
    assert b'(request_id . "r")' in raw
    assert b"(indicator_type . sma)" in raw


@pytest.mark.parametrize(
    "spelling",
    [
        '(aux_candles_files (("240" . "h4.csv")))',
        '(aux_candles_files . ((240 . "h4.csv")))',
        '(aux_candles_files (240 . "h4.csv"))',
    ],
)
def test_an_optional_table_is_read_wrapped_and_plain(spelling):
    assert loads(request(spelling)).aux_candles_files == {"240": "h4.csv"}


def test_strings_keep_quotes_backslashes_and_newlines_on_one_line():
    text = 'a "b" \\ c\nd\re\tf \\n ü 𝛼 (x . y) ; #| |#'
    raw = dumps(Heartbeat(id=text, timestamp=1.0), "sexp")
    assert b"\n" not in raw
    assert loads(raw).id == text


def test_a_raw_newline_inside_a_string_is_read_too():
    assert loads(b'((type . "HEARTBEAT")(id . "a\nb")(timestamp . 1))').id == "a\nb"


def test_a_keyword_names_an_indicator_in_any_case():
    assert loads(request("", '(name . "a")(indicator_type . :RSI)')).strategy.kind == "rsi"


def test_a_kind_that_would_read_as_something_else_is_quoted():
    for kind in ("nil", "t", "Upper", "a b"):
        job = Backtest(request_id="r", strategy=Strategy(name="a", kind=kind))
        assert loads(dumps(job, "sexp")).strategy.kind == kind


def test_strategy_alists_are_read_in_both_spellings():
    dotted = request("")
    plain = b'((action "BACKTEST")(request_id "r")(strategy (name "a") (indicator_type sma)))'
    assert loads(dotted) == loads(plain)


@pytest.mark.parametrize(
    ("raw", "position"),
    [
        (b"(", 1),
        (b"())", 2),
        (b"() ()", 3),
        (b'((a . "b', 6),
        (b"((a . ))", 6),
        (b"((a . b c))", 8),
        (b"((. b))", 2),
        (b"((a . b . c))", 8),
        (b"((a . b) ; c\n)", 9),
    ],
)
def test_a_syntax_error_is_told_with_its_byte(raw, position):
    with pytest.raises(WireError) as caught:
        loads(raw)
    assert (caught.value.code, caught.value.position) == ("wire.unparseable", position)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("(sharpe . (1 2))", "result.sharpe is a list where one value belongs"),
        ('(sharpe . "1.5")', "result.sharpe is the string '1.5' where a number or symbol belongs"),
        ("(sharpe . abc)", "result.sharpe is 'abc', not a number"),
        ("(sharpe . 1)(window . 5)", "result.window is not an alist"),
        ("(sharpe . 1)(notes . 5)", "result.notes is not a list"),
        ("(sharpe . 1)(equity . ((1 2 3)))", "result.equity[0] has 3 elements, not 2"),
        ("(sharpe . 1)(detail . (a))", "result.detail is not JSON in a string"),
        ("(sharpe . 1)((x) . 2)", "result has a list where a key belongs"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused_with_its_field(extra, message):
    code, told = refusal(result(extra))
    assert (code, told) == ("wire.invalid_field", message)


def test_an_unknown_field_in_a_request_is_named_whatever_its_form():
    assert refusal(request("(foo . (1 2))"))[0] == "wire.unknown_field"
    assert refusal(request("(symbl . x)"))[1] == "symbl is not known; did you mean 'symbol'?"


def test_a_message_without_a_type_or_with_a_strange_one_is_refused():
    assert refusal(b"()")[0] == "wire.unknown_type"
    assert refusal(b"((type . action))")[0] == "wire.unknown_type"
    assert refusal(b"((type . PING))")[0] == "wire.unknown_type"
