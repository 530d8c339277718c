"""The product broken on purpose: each canary turns the smoke gate red by the check that is named for it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from smoke_gate import GREEN, RED, Canary, read_list

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
LISTED = read_list()
SAME = "if not _sums.holds(mapped, wanted):"
HARMLESS = Canary("none", "none", "foldward.data._npy", SAME, SAME, "")


def gate(canary: Canary, *checks: str) -> subprocess.CompletedProcess[str]:
    """The gate over some of its checks, with the product as the canary leaves it."""
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "mutate",
        "-p",
        "smoke_gate",
    ]
    for check in checks:
        words += ["--smoke-check", check, LISTED.check(check).test]
    env = {
        **os.environ,
        "MUTANT": json.dumps({"module": canary.module, "old": canary.old, "new": canary.new}),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "_support")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TOYS_PATIENCE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    return subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[subprocess.CompletedProcess[str]]]]:
    """All canaries, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        yield {canary.fault: pool.submit(gate, canary, canary.check) for canary in LISTED.canaries}


@pytest.mark.parametrize("canary", LISTED.canaries, ids=[f"{c.part}: {c.fault}" for c in LISTED.canaries])
def test_the_gate_turns_red(
    canary: Canary, runs: dict[str, Future[subprocess.CompletedProcess[str]]]
) -> None:
    done = runs[canary.fault].result()
    said = done.stdout + done.stderr
    assert done.returncode == 1, said[-3000:]
    assert f"{RED}: {canary.check}: 1 failed" in said, said[-3000:]
    assert GREEN not in said
    assert "stale mutant" not in said


def test_without_a_fault_the_same_checks_are_green() -> None:
    checks = sorted({canary.check for canary in LISTED.canaries})
    done = gate(HARMLESS, *checks)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert f"{GREEN}: {len(checks)} checks" in done.stdout


def test_every_part_that_must_have_a_canary_has_one() -> None:
    assert {canary.part for canary in LISTED.canaries} == {
        "engine",
        "cache",
        "contract",
        "queue",
        "supervision",
    }
