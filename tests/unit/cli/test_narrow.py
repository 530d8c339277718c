"""Tables on terminals of every width: a number or an id is never cut; what does not fit becomes records."""

import re
import sys

import pytest

from foldward.cli._output import least_width, print_table

COLUMNS = ("request", "strategy", "sends", "last error")
ROW = ("01a20026-d2c4-7a21-8a51-913ffc0eb111", "bb-SP500-30-2", 12345, "no answer in time, twice and again")


def printed(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    print_table("", COLUMNS, [ROW], empty="")
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)


def test_a_table_needs_its_whole_columns_and_sixteen_of_each_other() -> None:
    # 36 + 13 + 5 + 16, three between two columns, one at each end
    shown = [[ROW[0], ROW[1], "12,345", ROW[3]]]
    assert least_width(COLUMNS, shown, [True, True, True, False]) == 36 + 13 + 6 + 16 + 9 + 2
    assert least_width(("", "why"), [["a\nlonger", "日本"]], [False, False]) == 6 + 4 + 3 + 2


@pytest.mark.parametrize("width", [82, 100, 160])
def test_what_fits_is_a_table(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(width, monkeypatch, capsys).splitlines()
    assert lines[1].split() == ["request", "strategy", "sends", "last", "error"]
    assert lines[3].split()[:3] == [ROW[0], ROW[1], "12,345"]
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [81, 60, 50])
def test_what_does_not_fit_is_a_record(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line.rstrip() for line in printed(width, monkeypatch, capsys).splitlines()]
    assert lines[:4] == [
        "",
        " request     01a20026-d2c4-7a21-8a51-913ffc0eb111",
        " strategy    bb-SP500-30-2",
        " sends       12,345",
    ]
    assert lines[4].startswith(" last error  no answer in time, twice")
    assert max(map(len, lines)) <= width
