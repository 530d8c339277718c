"""Repair writes a new file and says what it changed."""

import pytest

from foldward.contracts.errors import DataError, RequestError
from foldward.data.repair import repair

NOW_US = 1_800_000_000_000_000
HEAD = "t,o,h,l,c,v\n"


def test_order_repeats_and_unreadable_rows_are_repaired_and_told(write, tmp_path):
    path = write(
        HEAD
        + "1704074400,1,1,1,1,3\n"
        + "1704067200,1,1,1,1,1\n"
        + "1704070800,1,1,1,1,2\n"
        + "1704070800,1,1,1,1,2\n"
        + "1704078000,1,x,1,1,4\n"
        + "1704078000,1,2,1,1\n"
        + "1704078000,1,2,1,5,4\n"
        + "1704078000,1.5,2,1,1.25,4\n"
    )
    done = repair(path, tmp_path / "new" / "TEST_H1.csv", now_us=NOW_US)
    assert (tmp_path / "new" / "TEST_H1.csv").read_text() == (
        "timestamp,open,high,low,close,volume\n"
        "2024-01-01T00:00:00Z,1,1,1,1,1\n"
        "2024-01-01T01:00:00Z,1,1,1,1,2\n"
        "2024-01-01T02:00:00Z,1,1,1,1,3\n"
        "2024-01-01T03:00:00Z,1.5,2,1,1.25,4\n"
    )
    assert (done["rows_before"], done["rows_after"], done["accepted"]) == (8, 4, True)
    assert done["fingerprint"].startswith("sha256:")
    told = {change["code"]: (change["action"], change["count"]) for change in done["changes"]}
    assert told["data.not_numeric"] == ("rows dropped", 1)
    assert told["data.cell_count"] == ("rows dropped", 1)
    assert told["data.geometry"] == ("rows dropped", 1)
    assert told["data.unsorted"] == ("rows sorted by time", 1)
    assert told["data.duplicate"][0] == "repeated rows dropped"


def test_milliseconds_become_times(write, tmp_path):
    path = write(HEAD + "1704067200000,1,1,1,1,1\n1704070800500,1,1,1,1,1\n")
    done = repair(path, tmp_path / "out.csv", now_us=NOW_US)
    assert (tmp_path / "out.csv").read_text().splitlines()[1:] == [
        "2024-01-01T00:00:00Z,1,1,1,1,1",
        "2024-01-01T01:00:00.500000Z,1,1,1,1,1",
    ]
    assert [change["code"] for change in done["changes"]] == ["data.ambiguous_time"]


def test_an_unfinished_last_bar_is_dropped(write, tmp_path):
    path = write(HEAD + "1704067200,1,1,1,1,1\n1704070800,1,1,1,1,1\n")
    done = repair(path, tmp_path / "out.csv", now_us=1_704_070_900_000_000)
    assert done["rows_after"] == 1
    assert done["accepted"]


def test_what_needs_a_judgement_is_left_and_still_refused(write, tmp_path):
    path = write(HEAD + "1704067200,1,1,1,1,1\n1704067200,1,2,1,1,1\n1704070800,1,1,1,1,1\n")
    done = repair(path, tmp_path / "out.csv", now_us=NOW_US)
    assert done["rows_after"] == 3
    assert not done["accepted"]
    assert [item["code"] for item in done["report"]["findings"]] == ["data.conflict"]


def test_a_clean_file_is_rewritten_with_the_same_fingerprint_and_no_change(write, bars, check, tmp_path):
    path = write(bars(30))
    done = repair(path, tmp_path / "out.csv", now_us=NOW_US)
    assert done["changes"] == []
    assert done["fingerprint"] == check(path).fingerprint


def test_times_without_a_zone_are_not_given_one(write, tmp_path):
    path = write(HEAD + "2024-01-01 00:00,1,1,1,1,1\n")
    with pytest.raises(DataError) as caught:
        repair(path, tmp_path / "out.csv", now_us=NOW_US)
    assert caught.value.code == "data.naive_time"
    assert not (tmp_path / "out.csv").exists()
    assert repair(path, tmp_path / "out.csv", utc=True, now_us=NOW_US)["accepted"]


def test_the_source_is_never_overwritten(write, tmp_path):
    path = write(HEAD + "1704067200,1,1,1,1,1\n")
    (tmp_path / "link.csv").hardlink_to(path)
    for out in (path, tmp_path / "link.csv"):
        with pytest.raises(RequestError, match="is the source itself"):
            repair(path, out)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "data.empty"),
        (HEAD, "data.no_rows"),
        ("a,b\n1,2\n", "data.missing_column"),
        (HEAD + "x,1,1,1,1,1\n", "data.bad_time"),
    ],
)
def test_a_file_without_a_row_to_keep_is_an_error(write, tmp_path, content, code):
    with pytest.raises(DataError, match="nothing to repair") as caught:
        repair(write(content), tmp_path / "out.csv")
    assert caught.value.code == code
