"""The smoke gate itself: what is missing, skipped or listed wrongly is red."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from smoke_gate import Canary, Check, SmokeList, faults_of_list, judge, read_list

ROOT = Path(__file__).resolve().parents[2]
ONE = Check("the lease returns", "tests/a.py::test_lease")
TWO = Check("nothing is lost", "tests/a.py::test_loss", cases=2)
PASSED = {
    "tests/a.py::test_lease": "passed",
    "tests/a.py::test_loss[1]": "passed",
    "tests/a.py::test_loss[2]": "passed",
}


def test_a_run_in_which_everything_passed_is_green() -> None:
    assert judge([ONE, TWO], {**PASSED, "tests/b.py::test_other": "failed"}) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            {"tests/a.py::test_loss[2]": None},
            "nothing is lost: 1 of 2 cases collected (tests/a.py::test_loss)",
        ),
        (
            {"tests/a.py::test_lease": None},
            "the lease returns: 0 of 1 cases collected (tests/a.py::test_lease)",
        ),
        (
            {"tests/a.py::test_loss[3]": "passed"},
            "nothing is lost: 3 of 2 cases collected (tests/a.py::test_loss)",
        ),
        ({"tests/a.py::test_lease": "skipped"}, "the lease returns: 1 skipped (tests/a.py::test_lease)"),
        ({"tests/a.py::test_lease": "failed"}, "the lease returns: 1 failed (tests/a.py::test_lease)"),
        ({"tests/a.py::test_lease": "xfailed"}, "the lease returns: 1 xfailed (tests/a.py::test_lease)"),
        ({"tests/a.py::test_lease": "not run"}, "the lease returns: 1 not run (tests/a.py::test_lease)"),
    ],
)
def test_anything_else_is_red_and_named(change: dict[str, str | None], fault: str) -> None:
    outcomes = {node: said for node, said in {**PASSED, **change}.items() if said is not None}
    assert judge([ONE, TWO], outcomes) == [fault]


def test_a_list_that_shrinks_or_repeats_itself_is_red() -> None:
    canary = Canary("queue", "f", "m", "a", "b", "nothing is lost")
    listed = SmokeList(3, (ONE, TWO), (canary,))
    assert faults_of_list(listed) == []
    assert faults_of_list(replace(listed, checks=(TWO,))) == ["the list has 2 cases, 3 are expected"]
    assert faults_of_list(replace(listed, expected=4, checks=(ONE, ONE, TWO))) == [
        "check 'the lease returns' is listed 2 times",
        "test 'tests/a.py::test_lease' is listed 2 times",
    ]
    assert faults_of_list(replace(listed, canaries=(replace(canary, check="gone"),))) == [
        "canary 'f' names no check: 'gone'"
    ]


def test_the_shipped_list_is_sound_and_names_tests_that_exist() -> None:
    listed = read_list()
    assert faults_of_list(listed) == []
    for check in listed.checks:
        file, _, function = check.test.partition("::")
        assert f"def {function}(" in (ROOT / file).read_text(), check.name


@pytest.mark.slow
def test_a_run_without_a_listed_check_ends_red_although_its_tests_pass(tmp_path: Path) -> None:
    (tmp_path / "test_something.py").write_text("def test_something():\n    assert True\n")
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "tests" / "_support"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "smoke_gate", "-p", "no:cacheprovider", "--rootdir",
         str(tmp_path), "--smoke", str(tmp_path)],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "1 passed" in done.stdout
    assert "smoke gate: RED: a killed worker is replaced: 0 of 1 cases collected" in done.stdout
