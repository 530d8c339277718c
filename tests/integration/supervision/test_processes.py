"""OS processes as children: their ends, their stderr, and that none of them survives core."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from toys import Journal, eventually, states

from supervision import Backoff, Restart, SpecError, StartFailed, process, supervisor

PY = sys.executable


def script(text):
    return [PY, "-c", textwrap.dedent(text)]


SLEEP = script("import time; time.sleep(60)")


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def ignored(pid):
    """The signals a process ignores, from its status."""
    mask = int(Path(f"/proc/{pid}/status").read_text().split("SigIgn:\t")[1][:16], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def test_a_process_runs_under_its_supervisor_and_ends_with_it(forest):
    root = forest.boot(process("p", SLEEP))
    view = root.find("p")
    assert (view["kind"], view["state"]) == ("process", "running")
    assert root.handle("p").pid == view["pid"]
    assert root.stop(5.0)
    assert gone(view["pid"])


def test_a_killed_process_is_restarted_and_its_end_is_told_at_once(forest):
    exits = Journal()
    root = forest.boot(process("p", SLEEP, on_exit=exits.add))
    first = root.find("p")["pid"]
    os.kill(first, signal.SIGKILL)
    assert exits.wait(1) == [("p", first, -9)]
    assert eventually(lambda: root.names.incarnation("p") == 2)
    assert root.find("p")["pid"] not in (None, first)
    report = root.crashes("p")[0]
    assert (report.code, report.reason) == ("supervision.process_killed", "killed by SIGKILL")
    error = root.find("p")["last_error"]
    assert (error["code"], error["message"]) == ("supervision.process_killed", "killed by SIGKILL")


@pytest.mark.parametrize(("code", "restarts"), [(0, 0), (3, 1)])
def test_a_transient_process_is_restarted_only_after_a_failing_exit_code(forest, code, restarts):
    flag = f"/tmp/supervision-{os.getpid()}-{code}"
    once = script(f"""
        import os, sys, time
        if os.path.exists({flag!r}): time.sleep(60)
        open({flag!r}, "w").close()
        sys.exit({code})
        """)
    try:
        root = forest.boot(process("p", once, restart=Restart.TRANSIENT))
        forest.events.until_has(("child_terminated", "p"))
        if restarts:
            assert eventually(lambda: root.names.incarnation("p") == 2)
        root.supervisor().which_children()
        assert root.find("p")["restarts"] == restarts
    finally:
        Path(flag).unlink(missing_ok=True)


def test_the_crash_report_of_a_process_has_the_tail_of_its_stderr(forest):
    noisy = script("""
        import sys
        sys.stderr.write("x" * 100_000 + "\\nlast words\\n")
        sys.exit(7)
        """)
    root = forest.boot(
        process("p", noisy, stderr="tail", restart=Restart.TRANSIENT, backoff=Backoff(first=60, ceiling=60))
    )
    [report] = eventually(lambda: root.crashes("p"))
    assert (report.code, report.reason) == ("supervision.process_exited", "exit code 7")
    assert report.stack.endswith("x\nlast words\n")
    assert len(report.stack) == 8192


def test_a_command_that_does_not_exist_is_a_failed_start(forest):
    with pytest.raises(StartFailed) as caught:
        forest.boot(process("p", ["/no/such/command"]))
    assert isinstance(caught.value.cause, FileNotFoundError)


def test_a_working_directory_that_does_not_exist_is_a_failed_start(forest):
    with pytest.raises(StartFailed) as caught:
        forest.boot(process("p", SLEEP, cwd="/no/such/directory"))
    assert isinstance(caught.value.cause, FileNotFoundError)


def test_a_process_that_ignores_sigterm_is_killed_at_its_limit(forest):
    deaf = script("""
        import signal, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.stderr.write("deaf")
        sys.stderr.flush()
        time.sleep(60)
        """)
    root = forest.boot(process("p", deaf, shutdown=0.2, stderr="tail"))
    pid = root.find("p")["pid"]
    eventually(lambda: signal.SIGTERM in ignored(pid), "the process to be deaf")
    assert root.stop(5.0)
    assert gone(pid)
    report = root.crashes("p")[0]
    assert (report.code, report.reason) == ("supervision.hung", "not stopped within 0.2 s")
    assert report.context == "shutdown_error"


def test_processes_side_by_side_are_asked_to_stop_together(forest, tmp_path):
    # Each leaves only when the other has been told to leave too: one after the other would be two kills.
    waits = f"""
        import os, signal, sys, time
        def told(*_):
            open(os.path.join({str(tmp_path)!r}, sys.argv[1]), "w").close()
            while len([n for n in os.listdir({str(tmp_path)!r}) if n.startswith("told")]) < 2:
                time.sleep(0.005)
            os._exit(0)
        signal.signal(signal.SIGTERM, told)
        open(os.path.join({str(tmp_path)!r}, "up-" + sys.argv[1]), "w").close()
        time.sleep(60)
        """
    names = ("told-a", "told-b")
    root = forest.boot(*(process(name, [*script(waits), name], shutdown=20.0) for name in names))
    eventually(lambda: len(list(tmp_path.glob("up-*"))) == 2, "both to be up")
    assert root.stop(30.0)
    assert [root.crashes(name) for name in names] == [[], []]


def test_kill_means_sigkill_at_once(forest):
    root = forest.boot(process("p", SLEEP, shutdown="kill"))
    pid = root.find("p")["pid"]
    assert root.stop(5.0)
    assert gone(pid)


def test_arguments_environment_and_directory_reach_the_process(forest, tmp_path):
    out = tmp_path / "out"
    tell = script(f"""
        import os
        open({str(out)!r}, "w").write(os.environ["SECRET"] + " " + os.getcwd() + " " + os.environ["PATH"])
        """)
    root = forest.boot(process("p", tell, env={"SECRET": "s3"}, cwd=tmp_path, restart=Restart.TEMPORARY))
    forest.events.until_has(("child_terminated", "p"))
    assert root.supervisor().which_children() == []
    assert out.read_text() == f"s3 {tmp_path} {os.environ['PATH']}"


def test_a_tell_to_a_process_is_dead_lettered(forest):
    root = forest.boot(process("p", SLEEP))
    assert not root.handle("p").tell("hello")
    root.flush()
    assert forest.dead.all() == [("p", "hello", "no_inbox")]


def test_a_listener_that_raises_does_not_hurt_the_process_watch(forest):
    def angry(*_):
        raise ValueError("listener")

    root = forest.boot(process("p", SLEEP, on_exit=angry))
    os.kill(root.find("p")["pid"], signal.SIGKILL)
    assert eventually(lambda: root.names.incarnation("p") == 2)


def test_a_process_does_not_get_the_terminals_interrupt(forest):
    root = forest.boot(process("p", SLEEP))
    assert os.getpgid(root.find("p")["pid"]) != os.getpgid(0)


def test_bad_process_specs_are_refused():
    for bad in ({"argv": []}, {"argv": "ls -l"}, {"argv": ["ls", 3]}, {"argv": ["a\0b"]}):
        with pytest.raises((SpecError, TypeError)):
            process("p", **bad)
    with pytest.raises(SpecError, match="stderr"):
        process("p", ["ls"], stderr="pipe")
    with pytest.raises(SpecError, match="hang_after"):
        process("p", ["ls"], hang_after=3.0)


def test_no_descriptor_and_no_zombie_process_is_left(forest):
    before = len(os.listdir("/proc/self/fd"))
    root = forest.boot(*[process(f"p{n}", SLEEP) for n in range(4)], intensity=20)
    first = [root.find(f"p{n}")["pid"] for n in range(4)]
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: all(root.names.incarnation(f"p{n}") == 2 for n in range(4)))
    second = [root.find(f"p{n}")["pid"] for n in range(4)]
    root.stop(5.0)
    assert eventually(lambda: len(os.listdir("/proc/self/fd")) == before)
    for pid in first + second:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


@pytest.mark.slow
def test_processes_die_when_core_is_killed(tmp_path):
    pids = tmp_path / "pids"
    core = tmp_path / "core.py"
    core.write_text(
        textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from supervision import boot, process, supervisor
        sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
        root = boot(supervisor("root", process("a", sleep), process("b", sleep)))
        text = " ".join(str(root.find(id)["pid"]) for id in "ab")
        Path({str(pids)!r}).with_suffix(".part").write_text(text)
        Path({str(pids)!r}).with_suffix(".part").rename({str(pids)!r})
        root.wait(60)
        """)
    )
    main = subprocess.Popen([PY, str(core)], cwd=Path(__file__).parents[3])
    try:
        eventually(pids.exists)
        children = [int(pid) for pid in pids.read_text().split()]
        assert not any(gone(pid) for pid in children)
    finally:
        main.kill()
        main.wait(10)
    assert eventually(lambda: all(gone(pid) for pid in children))


def test_the_parent_death_pipe_closes_when_the_process_is_let_go(forest, tmp_path):
    out = tmp_path / "out"
    watcher = script(f"""
        import os
        fd = int(os.environ["SUPERVISION_PARENT_FD"])
        os.set_blocking(fd, False)
        try:
            os.read(fd, 1)
        except BlockingIOError:
            open({str(out)!r}, "w").write("open")
        """)
    forest.boot(process("p", watcher, restart=Restart.TEMPORARY))
    forest.events.until_has(("child_terminated", "p"))
    assert out.read_text() == "open"


def test_a_supervisor_of_processes_stops_them_in_reverse(forest):
    root = forest.grow(supervisor("root", process("a", SLEEP), process("b", SLEEP)))
    assert states(root) == {"root": "running", "a": "running", "b": "running"}
    root.stop(5.0)
    assert forest.events.all()[-3:] == [
        ("child_terminated", "b"),
        ("child_terminated", "a"),
        ("shutdown", "-"),
    ]
