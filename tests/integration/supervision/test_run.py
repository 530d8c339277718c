"""run(): signals, the deadline and the exit codes, in processes of their own."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from toys import PATIENCE, Toy

from supervision import AutoShutdown, Child, Restart, run, supervisor
from supervision._tree import Tree
from supervision.inspect import Client
from supervision.root import Root

ROOT = Path(__file__).parents[3]
HEAD = """
import os, signal, sys, threading, time
from supervision import Actor, Child, process, run, supervisor

class Quiet(Actor):
    def on_stop(self):
        print("stopped", self.id, flush=True)

class Stubborn(Actor):
    def on_stop(self):
        print("stopping", self.id, flush=True)
        time.sleep(60)

class Crashing(Actor):
    def on_start(self):
        self.after(0.01, "go")
    def on_receive(self, message):
        raise ValueError("crash")

class Broken(Actor):
    def on_start(self):
        raise ValueError("broken")

def ready(root):
    print("ready", flush=True)

"""


@pytest.fixture
def start():
    processes = []

    def start(text):
        process = subprocess.Popen(
            [sys.executable, "-c", HEAD + textwrap.dedent(text)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def said_log():
    """What supervision logs here."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger("supervision").addHandler(handler)
    yield records
    logging.getLogger("supervision").removeHandler(handler)


def until(process, line):
    for got in process.stdout:
        if got.strip() == line:
            return
    raise AssertionError(f"{line!r} never came; stderr: {process.stderr.read()}")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_exits_0(start, number):
    process = start('sys.exit(run(supervisor("r", Child("a", Quiet), Child("b", Quiet)), on_ready=ready))')
    until(process, "ready")
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "stopped b\nstopped a\n", "")


@pytest.mark.slow
def test_a_spent_root_budget_exits_1(start):
    process = start('sys.exit(run(supervisor("r", Child("a", Crashing), Child("b", Quiet), intensity=0)))')
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (1, "stopped b\n")
    assert "ValueError: crash" in err


@pytest.mark.slow
def test_a_failed_boot_and_a_bad_spec_exit_2(start):
    process = start('sys.exit(run(supervisor("r", Child("a", Quiet), Child("b", Broken))))')
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (2, "stopped a\n")
    assert "broken" in err
    bad = start('sys.exit(run(Child("a", Quiet)))')
    _, err = bad.communicate(timeout=PATIENCE)
    assert bad.returncode == 2
    assert "must be a supervisor" in err


@pytest.mark.slow
def test_past_the_deadline_it_exits_3_whatever_the_children_ask_for(start):
    process = start(
        """
        tree = supervisor("r", Child("a", Quiet), Child("b", Stubborn, shutdown=30.0),
                          process("p", ["sleep", "60"], shutdown=30.0))
        sys.exit(run(tree, on_ready=ready, deadline=0.3))
        """
    )
    until(process, "ready")
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 3


@pytest.mark.slow
def test_a_child_past_its_own_limit_leaves_a_zombie_and_exit_3(start):
    process = start(
        """
        tree = supervisor("r", Child("a", Quiet), Child("b", Stubborn, shutdown=0.1))
        sys.exit(run(tree, on_ready=ready))
        """
    )
    until(process, "ready")
    process.terminate()
    out, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (3, "stopping b\nstopped a\n")


@pytest.mark.slow
def test_a_second_signal_leaves_at_once_with_128_and_its_number(start):
    process = start(
        'sys.exit(run(supervisor("r", Child("b", Stubborn, shutdown=60.0)), on_ready=ready, deadline=60.0))'
    )
    until(process, "ready")
    process.send_signal(signal.SIGTERM)
    until(process, "stopping b")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGINT


UNSEEN = """
def unseen(root):
    # the kernel gives the signals to another thread now, and nothing wakes the main one for that
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    print("ready", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_another_thread_is_given_is_seen_as_well(start, number):
    process = start(UNSEEN + 'sys.exit(run(supervisor("r", Child("a", Quiet)), on_ready=unseen))')
    until(process, "ready")
    process.send_signal(number)
    out, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "stopped a\n")


@pytest.mark.slow
def test_a_second_signal_is_seen_while_the_main_thread_waits_for_the_stop(start):
    tree = 'supervisor("r", Child("b", Stubborn, shutdown=60.0))'
    process = start(UNSEEN + f"sys.exit(run({tree}, on_ready=unseen, deadline=60.0))")
    until(process, "ready")
    process.send_signal(signal.SIGTERM)
    until(process, "stopping b")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.slow
def test_a_handler_of_somebody_else_runs_while_the_tree_does(start):
    process = start(
        """
        def reload(number, frame):
            print("reloaded", flush=True)
        signal.signal(signal.SIGHUP, reload)
        sys.exit(run(supervisor("r", Child("a", Quiet)), on_ready=ready))
        """
    )
    until(process, "ready")
    for _ in range(3):
        process.send_signal(signal.SIGHUP)
        until(process, "reloaded")
    process.terminate()
    out, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "stopped a\n")


@pytest.mark.slow
def test_a_signal_while_booting_stops_the_boot_and_exits_0(start):
    process = start(
        """
        class Slow(Actor):
            def on_start(self):
                print("slow", flush=True)
                time.sleep(60)
        sys.exit(run(supervisor("r", Child("a", Quiet), Child("b", Slow, start_timeout=60, shutdown=0.1))))
        """
    )
    until(process, "slow")
    process.terminate()
    out, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "stopped a\n")


def test_outside_the_main_thread_run_ends_with_the_tree(forest, tmp_path):
    got, codes = threading.Event(), []
    roots = []

    def ready(root):
        roots.append(root)
        got.set()

    tree = supervisor("root", forest.toy("a"))
    runner = threading.Thread(
        target=lambda: codes.append(run(tree, on_ready=ready, socket_path=tmp_path / "s"))
    )
    runner.start()
    assert got.wait(PATIENCE)
    assert Client(tmp_path / "s").call("ping")["root"] == "root"
    assert Client(tmp_path / "s").call("stop") == {"stopping": True}
    runner.join(PATIENCE)
    assert codes == [0]
    assert not (tmp_path / "s").exists()


def test_an_exception_of_on_ready_stops_the_tree_and_exits_2(forest):
    def angry(_root):
        raise ValueError("not ready")

    assert run(supervisor("root", forest.toy("a")), on_ready=angry) == 2
    assert forest.journal.all() == [("up", "a"), ("down", "a")]


@pytest.mark.parametrize("taken", ["a path that is too long", "a file"])
def test_a_socket_that_cannot_be_made_is_one_line_and_exit_2_at_once(forest, tmp_path, said_log, taken):
    path = tmp_path / ("x" * 120 if "long" in taken else "s")
    if taken == "a file":
        path.touch()
    before, began = threading.active_count(), time.monotonic()
    assert run(supervisor("r", forest.toy("a")), socket_path=path, deadline=30.0) == 2
    assert time.monotonic() - began < 5.0  # nothing runs yet that a stop would have to wait for
    (record,) = said_log
    assert record.getMessage().startswith(f"inspection cannot answer on {path}: ")
    assert record.exc_info is None
    assert forest.journal.all() == []
    assert threading.active_count() <= before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"deadline": -1}, "run: deadline must be a number from 0, not -1"),
        ({"deadline": float("nan")}, "run: deadline must be a number from 0, not nan"),
        ({"max_zombies": -1}, "run: max_zombies must be a whole number from 0, not -1"),
        ({"max_zombies": 1.5}, "run: max_zombies must be a whole number from 0, not 1.5"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_before_anything_starts(forest, said_log, wrong, said):
    assert run(supervisor("r", forest.toy("a")), **wrong) == 2
    assert [record.getMessage() for record in said_log] == [said]
    assert forest.journal.all() == []


def test_a_root_that_was_never_started_stops_at_once():
    root = Root(supervisor("r", Child("a", Toy)), Tree(None, None, None, 3))
    began = time.monotonic()
    assert root.stop(30.0) is True
    assert time.monotonic() - began < 5.0
    assert not root.alive


def test_a_tree_that_shuts_itself_down_exits_0(forest):
    class Once(Toy):
        def on_start(self):
            self.after(0.0, lambda actor: actor.leave())

    child = Child("a", Once, args=(forest.journal,), restart=Restart.TEMPORARY, significant=True)
    tree = supervisor("root", child, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    assert run(tree) == 0


def test_the_previous_signal_handlers_come_back(forest):
    before = signal.getsignal(signal.SIGTERM)

    def ready(root):
        os.kill(os.getpid(), signal.SIGTERM)

    assert run(supervisor("root", forest.toy("a")), on_ready=ready) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.set_wakeup_fd(-1) == -1
    assert forest.journal.all() == [("up", "a"), ("down", "a")]


@pytest.mark.parametrize("how", ["signal", "verb"])
def test_on_stopping_hears_of_the_stop_while_everything_still_runs(forest, tmp_path, how):
    seen = []

    def ready(root):
        if how == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            Client(tmp_path / "s").call("stop")

    def stopping(root):
        seen.append(root.handle("a").ask("still here"))

    tree = supervisor("root", forest.toy("a"))
    assert run(tree, on_ready=ready, on_stopping=stopping, socket_path=tmp_path / "s") == 0
    assert seen == ["still here"]
