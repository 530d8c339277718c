"""Abandoning a thread that never comes back must not slow or stop the rest of the interpreter."""

import subprocess
import sys

SCRIPT = """
import sys, threading
from supervision._interrupt import interrupt
gate = threading.Event()
stuck = threading.Thread(target=gate.wait, daemon=True)
stuck.start()
interrupt(stuck.ident)
calls = []
def entered():
    calls.append(1)
sys.setprofile(lambda *_: None)
entered()
sys.setprofile(None)
print(len(calls))
"""


def test_a_profiled_function_is_entered_although_a_stuck_thread_was_interrupted() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == "1\n"


def test_an_interrupted_thread_still_raises_when_it_comes_back() -> None:
    code = (
        SCRIPT.split("calls = []")[0].replace("target=gate.wait", "target=work")
        + "stuck.join(10); print(seen)"
    )
    work = """
seen = []
def work():
    try:
        gate.wait()
        while True:
            sum(range(1000))
    except BaseException as error:
        seen.append(type(error).__name__)
"""
    code = code.replace("stuck = threading", work + "stuck = threading").replace(
        "interrupt(stuck.ident)", "interrupt(stuck.ident); gate.set()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == "['Abandoned']\n"
