"""The contract names every fault of a file, with its line."""

import json

import pytest

from foldward.contracts.errors import RequestError
from foldward.data import bundled_dir
from foldward.data.contract import check_file


def codes(report):
    return [item.code for item in report.findings]


def test_a_clean_file_is_accepted_with_its_facts(check, bars):
    report = check(bars(48))
    assert report.to_dict() | {"fingerprint": None} == {
        "file": report.file,
        "accepted": True,
        "rows": 48,
        "first": "2024-01-01T00:00:00Z",
        "last": "2024-01-02T23:00:00Z",
        "coverage": 1.0,
        "fingerprint": None,
        "symbol": "TEST",
        "timeframe": 60,
        "calendar": "without a break",
        "provenance": "real",
        "findings": [],
    }
    assert report.fingerprint.startswith("sha256:")
    assert report.error() is None


def test_a_bar_out_of_order_is_named_with_line_time_and_values(check, write, places):
    text = (
        "timestamp,open,high,low,close,volume\n"
        "2024-01-01T00:00:00Z,100,101,99,100.5,10\n"
        "2024-01-01T01:00:00Z,105,106,104,500,10\n"
    )
    report = check(text)
    assert not report.accepted
    assert places(report, "data.geometry") == [(3, "2024-01-01T01:00:00Z", "close 500 > high 106")]
    assert report.findings[0].to_dict() == {
        "code": "data.geometry",
        "severity": "ERROR",
        "rule": "low <= open, close <= high",
        "count": 1,
        "places": [{"line": 3, "time": "2024-01-01T01:00:00Z", "detail": "close 500 > high 106"}],
    }
    assert report.fingerprint is None
    json.dumps(report.to_dict())


def test_the_error_line_is_what_a_person_reads(check):
    report = check("timestamp,open,high,low,close,volume\n1704067200,105,106,104,500,10\n")
    error = report.error()
    assert error.line() == (
        f"error data.geometry: close 500 > high 106 ({report.file} line 2, 2024-01-01T00:00:00Z)"
        f" — hint: foldward data check {report.file}"
    )
    assert error.exit_code == 7
    refusal = report.refusal()
    assert refusal.code == "data.refused"
    assert refusal.message.startswith("data.geometry: close 500 > high 106")
    assert refusal.context["cause"] == "data.geometry"
    assert refusal.context["report"] == report.to_dict()


def test_all_faults_are_reported_not_only_the_first(check, bars):
    rows = bars(10)
    rows[2][4] = "abc"
    rows[3][2] = 1
    rows[4][5] = -3
    rows[5][1] = ""
    rows[6] = rows[6][:4]
    rows[7][3] = "nan"
    rows[8][0] = "yesterday"
    report = check(rows)
    assert {(item.code, item.count, item.places[0].line) for item in report.findings} == {
        ("data.not_numeric", 1, 4),
        ("data.geometry", 1, 5),
        ("data.negative_volume", 1, 6),
        ("data.missing_value", 1, 7),
        ("data.cell_count", 1, 8),
        ("data.not_finite", 1, 9),
        ("data.bad_time", 1, 10),
        ("data.gap", 1, 11),  # the bar whose time cannot be read
    }


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "data.empty"),
        (b"\n \n", "data.empty"),
        (b"timestamp,open,high,low,close,volume\n", "data.no_rows"),
        (b"timestamp,open,high,low,close,volume", "data.no_rows"),
        ("timestamp,open,high,low,close,volume\n".encode("utf-16"), "data.encoding"),
        (b"timestamp,open,high,low,close\n1704067200,1,1,1,1\n", "data.missing_column"),
        (b"1704067200,1,1,1,1,1\n1704070800,1,1,1,1,1\n", "data.missing_column"),
        (b"time,date,open,high,low,close,volume\n1704067200,1,1,1,1,1,1\n", "data.duplicate_column"),
        (b"time,open,high,low,close,volume,close\n1704067200,1,1,1,1,1,1\n", "data.duplicate_column"),
        (b"time,open,high,low,close,volume,x,x\n1704067200,1,1,1,1,1,1,1\n", "data.duplicate_column"),
        (b"PAR1 and then nothing", "data.unreadable"),
        (b"\x1f\x8b\x08\x00compressed", "data.unreadable"),
    ],
)
def test_a_file_that_cannot_be_read_as_candles_has_one_finding(check, content, code):
    report = check(content)
    assert codes(report) == [code]
    assert not report.accepted
    assert report.fingerprint is None


def test_a_missing_file_a_folder_and_a_forbidden_name_are_findings(tmp_path):
    assert codes(check_file(tmp_path / "absent.csv")) == ["data.missing_file"]
    assert codes(check_file(tmp_path)) == ["data.not_a_file"]
    assert codes(check_file("/dev/null")) == ["data.not_a_file"]
    assert codes(check_file("a\0b.csv")) == ["data.unreadable"]


@pytest.mark.parametrize(
    "header",
    [
        "TIME,Open,HIGH,low,Close,Volume",
        "t,o,h,l,c,v",
        "datetime,open,high,low,close,vol",
        "\ufeffdate,open,high,low,close,volume",
        '"timestamp","open","high","low","close","volume"',
        " timestamp , open , high , low , close , volume ",
    ],
)
def test_aliases_case_and_a_byte_order_mark_mean_the_same_columns(check, bars, header):
    plain = check(bars(5)).fingerprint
    assert check(bars(5), header=header).fingerprint == plain


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: "\n\n" + text,
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace("T", " "),
        lambda text: text.replace("Z", "+00:00"),
        lambda text: text.replace("00Z", "00.000Z"),
        lambda text: text.replace("2024-01-01T0", '"2024-01-01T0').replace("Z", 'Z"'),
    ],
    ids=[
        "crlf",
        "cr",
        "no end",
        "blank end",
        "blank start",
        "semicolon",
        "tab",
        "space",
        "+00",
        "ms",
        "quotes",
    ],
)
def test_the_same_candles_in_another_spelling_have_the_same_fingerprint(check, write, bars, change):
    path = write(bars(5))
    plain = check(path).fingerprint
    text = change(path.read_text())
    report = check(text.encode())
    assert report.findings == ()
    assert report.fingerprint == plain


def test_other_columns_are_ignored_and_order_is_free(check):
    plain = check("timestamp,open,high,low,close,volume\n1704067200,1,3,1,2,9\n").fingerprint
    moved = check("note,v,c,l,h,o,t\nüber,9,2,1,3,1,2024-01-01T00:00:00Z\n").fingerprint
    assert moved == plain


def test_offsets_are_converted_to_utc(check):
    text = "t,o,h,l,c,v\n2024-01-01T02:00:00+02:00,1,1,1,1,1\n2023-12-31T20:30:00-0430,1,1,1,1,1\n"
    assert (check(text).first, check(text).last) == (1_704_067_200, 1_704_070_800)


def test_times_without_a_zone_are_refused_until_utc_is_declared(check, places):
    text = "t,o,h,l,c,v\n2024-01-01 00:00,1,1,1,1,1\n2024-01-01 01:00,1,1,1,1,1\n"
    report = check(text)
    assert codes(report) == ["data.naive_time"]
    assert report.findings[0].count == 2
    assert places(report, "data.naive_time")[0] == (2, "2024-01-01T00:00:00Z", "no zone; read as UTC here")
    assert check(text, utc=True).accepted


@pytest.mark.parametrize(
    "cell",
    [
        "1704067200000",
        "1704067200000000",
        "1704067200000000000",
        "20240131",
        "03/04/2024",
        "31.12.2024 10:00",
    ],
)
def test_a_time_with_two_meanings_is_refused(check, cell):
    assert "data.ambiguous_time" in codes(check(f"t,o,h,l,c,v\n{cell},1,1,1,1,1\n"))


@pytest.mark.parametrize(
    "cell", ["now", "2024-13-01T00:00:00Z", "2024-02-30", "2024-01-01T25:00:00Z", "9999999999"]
)
def test_a_time_that_cannot_be_is_refused(check, cell):
    assert codes(check(f"t,o,h,l,c,v\n{cell},1,1,1,1,1\n")) == ["data.bad_time"]


def test_two_spellings_of_time_in_one_file_are_refused(check, places):
    report = check("t,o,h,l,c,v\n2024-01-01T00:00:00Z,1,1,1,1,1\n1704070800,1,1,1,1,1\n")
    assert places(report, "data.ambiguous_time") == [
        (3, "2024-01-01T01:00:00Z", "Unix seconds among ISO-8601 times")
    ]


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(check, cell):
    assert codes(check(f"t,o,h,l,c,v\n1704067200,{cell},1,1,1,1\n1704070800,1,1,1,1,1\n")) == [
        "data.not_finite"
    ]


@pytest.mark.parametrize("cell", ["abc", "1_000", "1.2.3", "0x10", "\u0661", "-", "1 2"])
def test_a_cell_that_is_not_a_plain_number_is_refused(check, cell):
    assert codes(check(f"t,o,h,l,c,v\n1704067200,{cell},1,1,1,1\n1704070800,1,1,1,1,1\n")) == [
        "data.not_numeric"
    ]


def test_prices_must_be_positive_and_volume_not_negative(check, places):
    report = check("t,o,h,l,c,v\n1704067200,1,1,0,1,-1\n1704070800,-1,1,-2,1,0\n")
    assert places(report, "data.not_positive") == [
        (3, "2024-01-01T01:00:00Z", "open is -1"),
        (2, "2024-01-01T00:00:00Z", "low is 0"),
        (3, "2024-01-01T01:00:00Z", "low is -2"),
    ]
    assert places(report, "data.negative_volume") == [(2, "2024-01-01T00:00:00Z", "volume is -1")]
    assert places(report, "data.zero_volume") == [(3, "2024-01-01T01:00:00Z", "volume is 0")]


def test_bytes_that_are_not_utf8_are_named_with_their_line(check, places):
    report = check(b"t,o,h,l,c,v,note\n1704067200,1,1,1,1,1,ok\n1704070800,1,1,1,1,1,\xff\n")
    assert places(report, "data.encoding") == [(3, None, "byte 0xff is not UTF-8")]


def test_an_unclosed_quote_spoils_its_own_line_only(check, places):
    report = check('t,o,h,l,c,v\n1704067200,"1,1,1,1,1\n1704070800,1,1,1,1,1\n1704074400,1,1,1,1,1\n')
    assert places(report, "data.cell_count") == [(2, "2024-01-01T00:00:00Z", "2 cells, the header has 6")]
    assert report.rows == 3


def test_an_empty_line_between_rows_is_a_fault_with_the_right_lines_after_it(check, places):
    report = check("t,o,h,l,c,v\n1704067200,1,1,1,1,1\n\n1704070800,1,1,1,5,1\n")
    assert places(report, "data.cell_count") == [(3, None, "an empty line between rows")]
    assert places(report, "data.geometry") == [(4, "2024-01-01T01:00:00Z", "close 5 > high 1")]


def test_rows_out_of_order_repeated_or_contradicting_are_told_apart(check, places):
    report = check(
        "t,o,h,l,c,v\n"
        "1704067200,1,1,1,1,1\n"
        "1704074400,1,1,1,1,1\n"
        "1704070800,1,1,1,1,1\n"
        "1704078000,1,1,1,1,1\n"
        "1704078000,1,1,1,1,1\n"
        "1704078000,1,2,1,1,1\n"
    )
    assert places(report, "data.unsorted") == [
        (4, "2024-01-01T01:00:00Z", "earlier than the row before, 2024-01-01T02:00:00Z")
    ]
    assert places(report, "data.duplicate") == [(6, "2024-01-01T03:00:00Z", "the same row as line 5")]
    assert places(report, "data.conflict") == [
        (7, "2024-01-01T03:00:00Z", "another row for the time of line 5")
    ]


def test_an_unfinished_or_future_last_bar_is_refused(check, write, bars, places):
    path = write(bars(3))
    last_opens_us = 1_704_074_400_000_000
    done = check_file(path, now_us=last_opens_us + 3_600_000_000)
    assert done.accepted
    report = check_file(path, now_us=last_opens_us + 3_599_000_000)
    assert places(report, "data.future") == [
        (4, "2024-01-01T02:00:00Z", "the bar is not finished; it is 2024-01-01T02:59:59Z")
    ]
    report = check_file(path, now_us=last_opens_us - 1_000_000)
    assert [place[0] for place in places(report, "data.future")] == [3, 4]
    assert check_file(path, now_us=last_opens_us, allow=["data.future"]).accepted


def test_an_allowed_code_is_a_warning_that_is_marked(check, bars):
    rows = bars(40)
    for row in rows[20:]:
        row[1:5] = [round(value * 0.5, 4) for value in row[1:5]]
    rows[20][1] = rows[20][4]
    rows[20][2] = rows[20][4]
    rows[20][3] = rows[20][4]
    assert [item.code for item in check(rows).errors] == ["data.outlier"]
    report = check(rows, allow=["data.outlier"])
    assert report.accepted
    assert report.allowed == ("data.outlier",)
    assert report.findings[0].to_dict()["allowed"] is True
    assert report.findings[0].severity == "WARN"


def test_volume_may_be_waived_but_no_price(check):
    text = "t,o,h,l,c\n1704067200,1,1,1,1\n1704070800,1,1,1,1\n"
    assert not check(text).accepted
    assert check(text, allow=["data.missing_column"]).accepted
    assert not check("t,o,h,l,v\n1704067200,1,1,1,1\n", allow=["data.missing_column"]).accepted


def test_a_broken_table_cannot_be_allowed(check, bars):
    with pytest.raises(RequestError, match=r"data\.geometry is a broken table and cannot be accepted"):
        check(bars(2), allow=["data.geometry"])
    with pytest.raises(RequestError, match=r"did you mean 'data\.outlier'"):
        check(bars(2), allow=["data.outliers"])


def test_a_timeframe_or_coverage_that_cannot_be_is_a_request_error(check, bars):
    with pytest.raises(RequestError, match="timeframe"):
        check(bars(2), timeframe="H0")
    with pytest.raises(RequestError, match="coverage_min"):
        check(bars(2), coverage_min=95)


def test_provenance_is_part_of_the_fingerprint_and_the_symbol_is_not(check, bars):
    real = check(bars(3))
    synthetic = check(bars(3), synthetic=True)
    assert (real.provenance, synthetic.provenance) == ("real", "synthetic")
    assert real.fingerprint != synthetic.fingerprint
    assert check(bars(3), name="OTHER_H1.csv").fingerprint == real.fingerprint


def test_the_name_of_the_file_states_symbol_and_timeframe(check, bars):
    report = check(bars(1), name="EUR_USD_M15.csv")
    assert (report.symbol, report.timeframe) == ("EUR_USD", 15)
    report = check(bars(1), name="prices.csv")
    assert (report.symbol, report.timeframe, report.accepted) == ("prices", None, True)


def test_an_mt5_export_is_read_when_its_zone_is_declared(check, places):
    text = (
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
        "2024.01.01\t00:00:00\t1.1\t1.2\t1.0\t1.15\t120\t0\t3\n"
        "2024.01.01\t01:00:00\t1.15\t1.2\t1.1\t1.12\t130\t0\t3\n"
    )
    assert codes(check(text)) == ["data.naive_time"]
    report = check(text, utc=True)
    assert (report.findings, report.first, report.last, report.timeframe) == ((), 1704067200, 1704070800, 60)
    broken = check(text.replace("1.15\t1.2\t1.1\t1.12", "1.15\tx\t1.1\t1.12"), utc=True)
    assert places(broken, "data.not_numeric") == [(3, "2024-01-01T01:00:00Z", "high is 'x'")]


def test_mt5_ticks_are_the_volume_where_the_exchange_reports_none(check):
    head = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\n"
    ticks = check(head + "2024.01.01\t00:00\t1\t1\t1\t1\t7\t0\n", utc=True)
    plain = check("t,o,h,l,c,v\n1704067200,1,1,1,1,7\n")
    assert ticks.fingerprint == plain.fingerprint
    volume = check(head + "2024.01.01\t00:00\t1\t1\t1\t1\t9\t7\n", utc=True)
    assert volume.fingerprint == plain.fingerprint


@pytest.mark.parametrize("name", ["EURUSD_H1", "SP500_D1", "AAPL_D1"])
def test_the_bundled_series_have_no_finding_at_all(name):
    report = check_file(bundled_dir() / f"{name}.csv")
    assert report.accepted
    assert report.findings == ()
    assert report.coverage == 1.0


def test_a_header_that_is_not_utf8_is_named_and_the_rows_are_still_read(check, places):
    report = check(b"t,o,h,l,c,v,\xff\n1704067200,1,0.5,1,1,1,x\n")
    assert places(report, "data.encoding") == [(1, None, "byte 0xff is not UTF-8")]
    assert places(report, "data.geometry")[0][0] == 2


def test_a_lone_carriage_return_spoils_its_own_line(check, places):
    report = check(b't,o,h,l,c,v\n1704067200,1,1,1,1,1\n1704070800,1,1\r"1,1,1\n')
    assert places(report, "data.cell_count") == [(3, "2024-01-01T01:00:00Z", "5 cells, the header has 6")]


@pytest.mark.parametrize(
    "header", ["<DATE>\t<TIME>\t<OPEN>\t<OPEN>", "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>"]
)
def test_an_mt5_header_may_miss_or_repeat_a_column(check, header):
    report = check(header + "\n2024.01.01\t00:00\t1\t1\t1\n")
    assert {item.code for item in report.findings} <= {"data.missing_column", "data.duplicate_column"}
    assert not report.accepted


def test_daily_mt5_exports_have_no_clock(check):
    head = "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\n"
    text = head + "2024.01.02\t1\t1\t1\t1\t7\t0\n2024.01.03\t1\t1\t1\t1\t7\t0\n"
    report = check(text, name="export.csv", utc=True)
    assert (report.findings, report.timeframe) == ((), 1440)


def test_time_and_clock_of_the_last_century_and_beyond_int64(check):
    assert check("t,o,h,l,c,v\n-86400,1,1,1,1,1\n").first == -86_400
    assert codes(check("t,o,h,l,c,v\n1600-01-01T00:00:00Z,1,1,1,1,1\n")) == ["data.bad_time"]
    assert codes(check("t,o,h,l,c,v\n99999999999999,1,1,1,1,1\n")) == ["data.ambiguous_time"]
    assert codes(check("t,o,h,l,c,v\n2024-01-01T00:00:00+19:00,1,1,1,1,1\n")) == ["data.bad_time"]
