"""A pytest plugin (-p smoke_gate): the run is red unless every check of the smoke list ran and passed.

--smoke          hold the run against the whole list (tests/smoke/checks.toml)
--smoke-check N  hold it against the check of that name only; may be given more than once
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

LIST = Path(__file__).resolve().parents[1] / "smoke" / "checks.toml"
GREEN, RED = "smoke gate: GREEN", "smoke gate: RED"


@dataclass(frozen=True)
class Check:
    """One promise and the test that holds it; cases: how many times it is collected (parameters)."""

    name: str
    test: str
    cases: int = 1


@dataclass(frozen=True)
class Canary:
    """One line of the product, broken; `check` must then fail."""

    part: str
    fault: str
    module: str
    old: str
    new: str
    check: str


@dataclass(frozen=True)
class SmokeList:
    """What checks.toml says."""

    expected: int
    checks: tuple[Check, ...]
    canaries: tuple[Canary, ...]

    def check(self, name: str) -> Check:
        """The check of that name. Raises KeyError."""
        return {check.name: check for check in self.checks}[name]


def read_list(file: Path = LIST) -> SmokeList:
    """Read the list. Raises TypeError or KeyError for a key that is unknown or missing."""
    plain = tomllib.loads(file.read_text())
    return SmokeList(
        plain["expected"],
        tuple(Check(**item) for item in plain["check"]),
        tuple(Canary(**item) for item in plain["canary"]),
    )


def faults_of_list(listed: SmokeList) -> list[str]:
    """What is wrong with the list itself."""
    found = []
    cases = sum(check.cases for check in listed.checks)
    if cases != listed.expected:
        found.append(f"the list has {cases} cases, {listed.expected} are expected")
    for what, names in (
        ("check", [c.name for c in listed.checks]),
        ("test", [c.test for c in listed.checks]),
    ):
        found += [f"{what} {name!r} is listed {n} times" for name, n in Counter(names).items() if n > 1]
    known = {check.name for check in listed.checks}
    found += [
        f"canary {c.fault!r} names no check: {c.check!r}" for c in listed.canaries if c.check not in known
    ]
    return found


def judge(checks: Iterable[Check], outcomes: Mapping[str, str]) -> list[str]:
    """What is wrong with a run: outcomes of what was collected ("passed", "failed", "skipped", "not run")."""
    found = []
    for check in checks:
        mine = [
            said for node, said in outcomes.items() if node == check.test or node.startswith(f"{check.test}[")
        ]
        if len(mine) != check.cases:
            found.append(f"{check.name}: {len(mine)} of {check.cases} cases collected ({check.test})")
        found += [
            f"{check.name}: {n} {said} ({check.test})"
            for said, n in Counter(mine).items()
            if said != "passed"
        ]
    return found


class Gate:
    """Listens to one pytest session."""

    def __init__(self, listed: SmokeList, checks: Iterable[Check]) -> None:
        self.listed, self.checks = listed, tuple(checks)
        self.outcomes: dict[str, str] = {}
        self.faults: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.outcomes = {item.nodeid: "not run" for item in items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        before = self.outcomes.get(report.nodeid)
        if report.outcome != "passed" or hasattr(report, "wasxfail"):
            self.outcomes[report.nodeid] = "xfailed" if hasattr(report, "wasxfail") else report.outcome
        elif report.when == "call" and before == "not run":
            self.outcomes[report.nodeid] = "passed"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.faults = faults_of_list(self.listed) + judge(self.checks, self.outcomes)
        if self.faults and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for fault in self.faults:
            terminalreporter.write_line(f"{RED}: {fault}", red=True)
        if not self.faults:
            cases = sum(check.cases for check in self.checks)
            terminalreporter.write_line(f"{GREEN}: {len(self.checks)} checks, {cases} cases", green=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("smoke gate")
    group.addoption("--smoke", action="store_true", help="red unless every check of the smoke list passed")
    group.addoption(
        "--smoke-check", action="append", default=[], metavar="NAME", help="as --smoke, one check"
    )


def pytest_configure(config: pytest.Config) -> None:
    names = config.getoption("--smoke-check")
    if names or config.getoption("--smoke"):
        listed = read_list()
        config.pluginmanager.register(
            Gate(listed, [listed.check(name) for name in names] if names else listed.checks), "smoke-gate"
        )
