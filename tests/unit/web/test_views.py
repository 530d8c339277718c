"""What pages are made of: traces, charts, payloads, words."""

from pathlib import Path

import pytest

from foldward.contracts.durations import age, duration
from foldward.web import _format, _times_view, _trace
from foldward.web._dead_view import as_hex, laid_out
from foldward.web._pages import day_strip
from foldward.web._strategy_view import POINTS, _thin


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.4119, "0.412 s"), (61.0, "61 s"), (600.0, "10 min"), (90_000.0, "25 h")],
)
def test_durations_are_short_and_have_a_unit(value: float | None, shown: str) -> None:
    assert duration(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.4, "0 s"), (119.0, "119 s"), (200_000.0, "2 d")]
)
def test_ages_are_coarse(value: float | None, shown: str) -> None:
    assert age(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        ("text", "text"),
        (float("nan"), "–"),
        (0.0, "0"),
        (88.0, "88"),
        (0.0054, "0.005400"),
        (1.2349, "1.235"),
        (159.754, "159.8"),
        (12345.6, "12,346"),
        (-112.0, "-112"),
        (1e-07, "1.00e-07"),
    ],
)
def test_a_figure_has_four_digits_that_count(value: float | None, shown: str) -> None:
    assert _format.figure(value) == shown


def test_a_query_keeps_what_has_a_value_and_escapes_it() -> None:
    assert _format.query(status="error", name="a b&c", kind=None, after="") == "?status=error&name=a+b%26c"
    assert _format.query(status=None) == ""


def test_bytes_are_shown_as_hexdump_shows_them() -> None:
    assert as_hex(b'{"a":1}\x00\xff0123456789') == (
        '00000000  7b 22 61 22 3a 31 7d 00  ff 30 31 32 33 34 35 36  |{"a":1}..0123456|\n'
        "00000010  37 38 39                                          |789|"
    )


ONE, OTHER, TRACE = "01980000-one", "01980000-other", "trace-0198"


def line(event: str, request_id: str, at: str = "2026-02-03T12:00:00.500Z", severity: str = "info") -> str:
    return (
        f'{{"timestamp":"{at}","event_type":"{event}","severity":"{severity}","service":"s",'
        f'"trace_id":"{TRACE}","data":{{"request_id":"{request_id}","attempt":1}}}}\n'
    )


def test_a_trace_is_found_in_all_files_and_a_line_under_way_is_left(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.jsonl"
    older = file.with_name("telemetry.jsonl.1")
    older.write_text(line("oos.requested", ONE) + line("oos.other", OTHER))
    file.write_text(f"not json {TRACE}\n" + line("oos.result", ONE) + line("oos.late", ONE).rstrip("\n"))
    assert [event["event"] for event in _trace.file_lines(file, {ONE, "-"})] == [
        "oos.requested",
        "oos.result",
    ]
    names = [event["event"] for event in _trace.file_lines(file, {TRACE, ONE})]
    assert names == ["oos.requested", "oos.other", "oos.result"]
    assert _trace.file_lines(tmp_path / "none", {ONE}) == []
    assert _trace.file_lines(file, {"-", "", "oos"}) == []


def test_of_a_trace_without_end_the_newest_events_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.jsonl"
    file.write_text("".join(line(f"oos.{number}", ONE) for number in range(600)))
    names = [event["event"] for event in _trace.file_lines(file, {ONE})]
    assert (len(names), names[0], names[-1]) == (500, "oos.100", "oos.599")


@pytest.mark.parametrize("payload", [b"[" * 30_000 + b"]" * 30_000, b'{"a":' * 9_000, b"\xff\xfe", b""])
def test_bytes_that_cannot_be_laid_out_are_shown_as_they_came(payload: bytes) -> None:
    assert laid_out(payload) == payload.decode("utf-8", "backslashreplace")


def test_what_a_row_tells_is_not_told_again() -> None:
    rows = [{"at_us": 1_770_120_000_000_000, "at": "x", "event": "oos.requested", "kind": "oos"}]
    lines = [
        {
            "at_us": 1_770_120_000_400_000,
            "event": "oos.requested",
            "severity": "info",
            "data": {"request_id": "R"},
        },
        {
            "at_us": 1_770_120_001_000_000,
            "event": "oos.stale",
            "severity": "warning",
            "data": {"request_id": "R"},
        },
        {
            "at_us": 1_770_120_002_000_000,
            "event": "oos.sent",
            "severity": "info",
            "data": {"request_id": "Q"},
        },
    ]
    story = _trace.timeline("R", rows, lines)
    assert [(step["event"], step["tone"], step["of"], step["since_s"]) for step in story] == [
        ("oos.requested", "plain", None, 0.0),
        ("oos.stale", "warn", None, 1.0),
        ("oos.sent", "plain", "Q", 2.0),
    ]
    assert story[0]["facts"] == [("kind", "oos")]


def test_empty_bars_at_the_ends_are_left_out_and_those_between_stay() -> None:
    histogram = [
        {"le_s": 0.5, "count": 0},
        {"le_s": 1, "count": 2},
        {"le_s": 60, "count": 0},
        {"le_s": 7200, "count": 1},
        {"le_s": None, "count": 3},
    ]
    assert _times_view.bars(histogram) == [
        {"label": "≤ 1 s", "count": 2},
        {"label": "≤ 1 min", "count": 0},
        {"label": "≤ 2 h", "count": 1},
        {"label": "> 2 h", "count": 3},
    ]
    assert _times_view.bars([{"le_s": 1, "count": 0}]) == []


def test_a_long_curve_keeps_its_lowest_and_its_last_point() -> None:
    curve = [[float(at), 100.0 + at % 7] for at in range(20_000)]
    curve[12_345][1] = 1.0
    kept = _thin(curve)
    assert len(kept) <= POINTS + 1
    assert [12_345.0, 1.0] in kept
    assert kept[-1] == curve[-1]
    assert kept == sorted(kept)


def test_a_single_failure_is_seen_beside_many_results() -> None:
    strip = day_strip(1_770_120_000_000_000, [0, 5600, 100], [1, 0, 0])
    assert (strip["done"], strip["failed"], strip["most"]) == (5700, 1, 5600)
    assert [(bar["at"], bar["done_px"], bar["failed_px"]) for bar in strip["bars"]] == [
        ("12:00", 0, 3),
        ("13:00", 56, 0),
        ("14:00", 3, 0),
    ]
    assert day_strip(0, [], [])["bars"] == []
