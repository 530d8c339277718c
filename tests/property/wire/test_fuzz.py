"""A short turn of the fuzzer; by hand it runs a million messages (`fuzz.py --count 1000000`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_twenty_thousand_damaged_messages_raise_nothing_but_wire_errors():
    script = Path(__file__).with_name("fuzz.py")
    done = subprocess.run(
        [sys.executable, str(script), "--count", "20000", "--seed", "3"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("20000 messages, ")
