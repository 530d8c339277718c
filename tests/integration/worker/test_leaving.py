"""Processes that end without taking the interpreter apart, and still do what must be done at their end."""

import subprocess
import sys

TEDIOUS = """
import atexit, sys, threading
class Tedious:
    def __del__(self): print("taken apart")
tedious = Tedious()
atexit.register(print, "said at exit")
"""


def ended(text):
    done = subprocess.run([sys.executable, "-c", TEDIOUS + text], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_what_is_registered_for_the_end_runs_and_nothing_is_taken_apart():
    assert ended("from foldward.contracts.leaving import leave; leave(3)") == (3, "said at exit\n", "")


def test_streams_that_nobody_reads_do_not_matter():
    text = "sys.stdout.close(); from foldward.contracts.leaving import leave; leave(4)"
    assert ended("atexit.unregister(print); " + text) == (4, "", "")


def test_the_command_line_leaves_so_only_beside_a_thread_that_still_runs():
    command = "sys.argv = ['foldward', 'strategies', 'grid']; from foldward.cli import main; main()"
    alone = ended(command)
    assert (alone[0], alone[1]) == (2, "said at exit\ntaken apart\n")
    beside = ended("threading.Thread(target=threading.Event().wait, daemon=True).start(); " + command)
    assert (beside[0], beside[1]) == (2, "said at exit\n")
