"""What happens seldom: refusals, races that somebody wins, and the shell at its edges."""

import json
import os
import signal
import socket
import sys
import threading
import time

import pykka
import pytest
from pykka import ActorDeadError, Timeout, messages
from toys import Toy, boom, crash, eventually, settled

from supervision import (
    KEEP,
    Actor,
    Child,
    Ignore,
    NotFound,
    Restart,
    Running,
    SpecError,
    StartFailed,
    dynamic,
    process,
    run,
    supervisor,
)
from supervision import __main__ as shell
from supervision import _process as processes
from supervision import inspect as inspection
from supervision._exit import poison_of
from supervision._mailbox import Ask, BoundedMailbox, Mailbox, Reply
from supervision._monitor import Monitor
from supervision._slot import Slot
from supervision.inbox import Empty, Inbox
from supervision.inspect import Client, InspectError, Server
from supervision.plan import Ending, group
from supervision.spec import Strategy
from supervision.timers import Timers

REST = ["-c", "import signal; signal.pause()"]


# --- administration ----------------------------------------------------------------------------------------


def test_what_is_no_child_is_refused_with_what_was_given(forest):
    root = forest.boot(forest.toy("a"))
    with pytest.raises(SpecError, match="start_child needs a Child, not 'b'"):
        root.supervisor().start_child("b")
    with pytest.raises(SpecError, match="id is for dynamic supervisors"):
        root.supervisor().start_child(forest.toy("b"), id="c")
    assert root.supervisor().start_child(forest.toy("b")).name == "b"


def test_a_child_that_declines_when_started_again_is_no_failure(forest):
    forest.starts["a"] = [None, Ignore]
    root = forest.boot(forest.toy("a"))
    root.supervisor().terminate_child("a")
    assert root.supervisor().restart_child("a") is None
    assert root.supervisor().which_children()[0].state == "not_running"


def test_nobody_is_found_under_a_name_that_nobody_has(forest):
    root = forest.boot(forest.toy("a"))
    for ask in (root.supervisor, root.find, root.crashes):
        with pytest.raises(NotFound, match="ghost"):
            ask("ghost")
    with pytest.raises(NotFound, match="supervisor"):
        root.supervisor("a")


def test_a_handle_is_its_name(forest):
    root = forest.boot(forest.toy("a"), forest.toy("b"))
    assert repr(root.handle("a")) == "<Handle a>"
    assert root.handle("a") == root.handle("a") != root.handle("b")
    assert len({root.handle("a"), root.handle("a"), root.handle("b")}) == 2


def test_an_administration_whose_supervisor_is_gone_says_so(forest):
    root = forest.boot(supervisor("s", forest.toy("a")))
    admin = root.supervisor("s")
    root.stop(5.0)
    with pytest.raises(ActorDeadError):
        admin.count_children()


def test_one_for_one_restarts_nobody_else():
    assert group(Strategy.ONE_FOR_ONE, ["a", "b", "c"], "b") == ("b",)


@pytest.mark.parametrize("shutdown", [2.0, "kill"])
def test_dynamic_children_are_stopped_together(forest, shutdown):
    root = forest.boot(dynamic("pool", forest.toy("t", shutdown=shutdown)))
    pool = root.supervisor("pool")
    names = [pool.start_child(id=f"t{n}").name for n in range(3)]
    assert settled(root, names)
    root.stop(5.0)
    downs = [entry for entry in forest.journal.all() if entry[0] == "down"]
    assert len(downs) == (3 if shutdown == 2.0 else 0)


def test_a_machine_without_threads_fails_the_start_and_nothing_else(forest, monkeypatch):
    root = forest.boot(forest.toy("a"))

    def no_more(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_more)
        with pytest.raises(StartFailed, match="can't start new thread"):
            root.supervisor().start_child(forest.toy("b"))
    assert root.handle("a").ask("still here") == "still here"


# --- actors ------------------------------------------------------------------------------------------------


class Batching(Toy):
    """Takes everything that waits."""

    def drain(self, batch):
        for message in batch:
            self.on_receive(message)


@pytest.mark.parametrize("kind", [Toy, Batching])
def test_pykkas_own_ways_to_speak_to_an_actor_work(forest, kind):
    root = forest.boot(Child("a", kind, args=(forest.journal,)))
    ref = root.names.slot("a").holder
    assert ref.ask("question") == "question"
    ref.tell("statement")
    proxy = ref.proxy()
    assert proxy.incarnation.get() == 1
    proxy.seen = ["set"]
    assert proxy.seen.get() == ["set"]
    assert proxy.on_receive("called").get() == "called"
    proxy.on_receive.defer("deferred")
    eventually(lambda: proxy.seen.get() == ["set", "called", "deferred"])
    ref.stop()  # a normal end: a permanent child comes back
    assert eventually(lambda: root.names.incarnation("a") == 2)


def test_an_actor_may_stop_itself_as_in_pykka(forest):
    root = forest.boot(forest.toy("a"))
    root.handle("a").tell(lambda actor: actor.stop())
    assert eventually(lambda: root.names.incarnation("a") == 2)
    assert root.counters()["crashes"] == 0


def test_an_on_failure_that_fails_hides_nothing(forest):
    class Clumsy(Toy):
        def on_failure(self, *_):
            raise OSError("second fault")

    root = forest.boot(Child("a", Clumsy, args=(forest.journal,)))
    crash(root, "a")
    assert eventually(lambda: root.names.incarnation("a") == 2)
    assert "Boom" in eventually(lambda: root.crashes("a"))[0].reason


def test_an_inbox_with_an_unknown_rule_is_refused(forest):
    class Odd(Actor):
        inbox_limit = 3
        inbox_full = "explode"

    with pytest.raises(StartFailed, match="drop, block or raise, not 'explode'"):
        forest.boot(Child("odd", Odd))


def test_a_full_inbox_drops_into_the_dead_letters_by_name(forest):
    class Small(Toy):
        inbox_limit = 2

    root = forest.boot(Child("a", Small, args=(forest.journal,)))
    gate = forest.gate()
    root.handle("a").tell(lambda _: gate.wait(10))
    eventually(lambda: root.find("a")["current"] is not None)
    told = [root.handle("a").tell(n) for n in range(4)]
    assert told == [True, True, False, False]
    assert forest.dead.until_has(("a", 2, "full"), ("a", 3, "full"))


def test_what_is_told_between_two_incarnations_is_kept_for_the_next(forest):
    forest.starts["a"] = [None, OSError("not yet"), None]
    root = forest.boot(forest.toy("a", inbox=KEEP), intensity=5)
    slow = forest.gate()
    root.handle("a").tell(boom)
    told = [root.handle("a").tell(n) for n in range(50)]
    slow.set()
    assert all(told)

    def seen():
        try:
            return root.handle("a").ask(lambda actor: list(actor.seen))
        except ActorDeadError:  # the poison message, which goes once to the next incarnation, was before us
            return None

    assert eventually(lambda: seen() == list(range(50)))


def test_an_inbox_of_ones_own_refuses_after_its_end():
    inbox = Inbox()
    assert inbox.tell(1)
    assert inbox.tell(2)
    assert len(inbox) == 2
    assert inbox.take() == [1, 2]
    inbox.close()
    assert not inbox.tell(3)
    with pytest.raises(Empty, match="no message within 0"):
        inbox.get(timeout=0)


# --- processes ---------------------------------------------------------------------------------------------


def test_a_process_spec_is_nothing_to_call():
    with pytest.raises(TypeError, match="started by its supervisor"):
        process("p", [sys.executable]).start()


def test_words_of_a_process_are_text():
    with pytest.raises(SpecError, match="argv must be text"):
        process("p", [sys.executable, b"bytes"])


def test_a_signal_without_a_name_is_told_by_its_number():
    assert processes._signal_name(signal.SIGKILL) == "SIGKILL"
    assert processes._signal_name(200) == "signal 200"


def test_a_process_that_cannot_be_watched_is_waited_for(forest, monkeypatch):
    def refused(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", refused)
    root = forest.boot(process("p", [sys.executable, *REST]), intensity=5)
    pid = root.find("p")["pid"]
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: root.find("p")["pid"] not in (None, pid))
    assert eventually(lambda: root.crashes("p"))[0].reason == "killed by SIGKILL"


def test_without_descriptors_a_process_fails_to_start_and_leaks_none(forest, monkeypatch):
    root = forest.boot(forest.toy("a"))
    before = set(os.listdir("/proc/self/fd"))

    def refused(*_, **__):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(processes.subprocess, "Popen", refused)
    with pytest.raises(StartFailed, match="Too many open files"):
        root.supervisor().start_child(process("p", [sys.executable, *REST], stderr="tail"))
    assert set(os.listdir("/proc/self/fd")) == before


def test_stderr_is_copied_on_while_its_tail_is_kept(forest, capfd):
    talk = "import sys; sys.stderr.write('x' * 100_000 + 'the end'); sys.exit(3)"
    forest.boot(process("p", [sys.executable, "-c", talk], stderr="tee", restart=Restart.TEMPORARY))
    assert eventually(lambda: forest.crashes)
    assert forest.crashes[0].stack.endswith("the end")
    assert capfd.readouterr().err.count("x") >= 100_000


# --- inspection and the shell ------------------------------------------------------------------------------


def refuse(error):
    def verb(_):
        raise error

    return verb


def test_every_kind_of_refusal_has_its_code(forest, tmp_path):
    faults = {
        "late": (Timeout("2 seconds"), "supervision.no_answer"),
        "dead": (ActorDeadError("gone"), "supervision.core_down"),
        "spec": (Running("a"), "supervision.running"),
        "bug": (KeyError("x"), "internal"),
        "lost": (NotFound("ghost"), "supervision.not_found"),
    }
    root = forest.boot(forest.toy("a"))
    verbs = {name: refuse(error) for name, (error, _) in faults.items()}
    with Server(root, tmp_path / "i.sock", verbs=verbs):
        for name, (_, code) in faults.items():
            with pytest.raises(InspectError) as caught:
                Client(tmp_path / "i.sock").call(name)
            assert caught.value.code == code


@pytest.mark.parametrize(
    "line",
    [b"[" * 100_000 + b"\n", b'{"verb": 7}\n', b'{"verb": "crashes", "args": {"id": 7}}\n', b"[1]\n"],
)
def test_requests_that_cannot_be_are_answered(forest, tmp_path, line):
    root = forest.boot(forest.toy("a"))
    answer = Server(root, tmp_path / "i.sock").answer(line)
    assert (answer["ok"], answer["error"]["code"]) == (False, "inspect.request")


def test_a_socket_where_none_can_be_is_the_callers_to_hear(forest, tmp_path):
    root = forest.boot(forest.toy("a"))
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Server(root, tmp_path / "file" / "i.sock").start()
    server = Server(root, tmp_path / "i.sock").start()
    server.close()
    server.close()
    assert not (tmp_path / "i.sock").exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError("no answer"), 5),
        (KeyboardInterrupt(), 130),
        (InspectError("supervision.core_down", "gone"), 3),
        (InspectError("other", "refused"), 1),
    ],
)
def test_the_shell_ends_as_its_errors_say(monkeypatch, capsys, error, code):
    monkeypatch.setattr(Client, "call", lambda *_, **__: refuse(error)(None))
    assert shell.main(["tree", "--socket", "/none"]) == code
    assert capsys.readouterr().out == ""


def test_the_shell_shows_no_crashes_and_all_forms_of_what_there_is(forest, tmp_path, capsys):
    root = forest.boot(forest.toy("a"), process("p", [sys.executable, *REST]), intensity=5)
    where = ["--socket", str(tmp_path / "i.sock")]
    with Server(root, tmp_path / "i.sock"):
        assert shell.main(["crashes", *where]) == 0
        assert capsys.readouterr().out == "no crashes\n"
        crash(root, "a")
        os.kill(root.find("p")["pid"], signal.SIGKILL)
        eventually(lambda: root.crashes("p") and root.crashes("a"))
        assert settled(root, ["a", "p"])
        for command in (
            ["crashes"],
            ["crashes", "--json"],
            ["stacks"],
            ["stacks", "--json"],
            ["child", "a", "--json"],
        ):
            assert shell.main([*command, *where]) == 0
            assert capsys.readouterr().out
        assert shell.main(["watch", "--count", "1", *where]) == 0
        assert "root" in capsys.readouterr().out


# --- hangs -------------------------------------------------------------------------------------------------


def test_a_hung_asks_sender_hears_nothing_of_a_late_answer(forest):
    gate, late = forest.gate(), []

    def answer_late(_):
        gate.wait(10)
        late.append(1)
        return "late"

    root = forest.boot(forest.toy("a", hang_after=0.05), intensity=5)
    with pytest.raises((ActorDeadError, pykka.ActorDeadError)):
        root.handle("a").ask(answer_late, timeout=10)
    assert eventually(lambda: root.names.incarnation("a") == 2)
    gate.set()
    assert root.handle("a").ask("new") == "new"


def test_a_batch_in_which_one_message_hangs_goes_to_the_next_incarnation_once(forest):
    gate = forest.gate()
    root = forest.boot(Child("a", Batching, args=(forest.journal,), hang_after=0.1, inbox=KEEP), intensity=9)
    held = []

    def hang_once(_):
        if not held:
            held.append(1)
            gate.wait(10)

    root.handle("a").tell(hang_once)
    for n in range(3):
        root.handle("a").tell(n)
    assert eventually(lambda: root.names.incarnation("a") == 2)
    assert eventually(lambda: root.handle("a").ask(lambda actor: list(actor.seen)) == [0, 1, 2])


def test_a_stuck_goodbye_is_cut_off_at_its_limit(forest):
    gate = forest.gate()

    class Lingers(Toy):
        def on_stop(self):
            gate.wait(10)

    root = forest.boot(Child("a", Lingers, args=(forest.journal,), shutdown=0.1), forest.toy("b"))
    began = time.monotonic()
    root.supervisor().terminate_child("a")
    assert time.monotonic() - began < 5
    assert root.handle("b").ask("alive") == "alive"
    gate.set()


# --- inspection at its limits ------------------------------------------------------------------------------


def test_a_server_that_was_never_started_can_be_closed(forest, tmp_path):
    server = Server(forest.boot(forest.toy("a")), tmp_path / "i.sock")
    server.close()
    assert not (tmp_path / "i.sock").exists()


def test_the_connection_that_has_been_idle_longest_makes_way(forest, tmp_path, monkeypatch):
    monkeypatch.setattr(inspection, "MAX_CONNECTIONS", 1)
    gate = forest.gate()
    root = forest.boot(forest.toy("a"))
    with Server(root, tmp_path / "i.sock", verbs={"wait": lambda _: gate.wait(10)}) as server:
        idle = socket.socket(socket.AF_UNIX)
        idle.connect(str(tmp_path / "i.sock"))
        eventually(lambda: len(server._connections) == 1)
        assert Client(tmp_path / "i.sock").call("tree")["id"] == "root"
        assert idle.recv(10) == b""
        idle.close()
        eventually(lambda: not server._connections)
        waiting = threading.Thread(target=lambda: Client(tmp_path / "i.sock").call("wait", timeout=10))
        waiting.start()
        eventually(lambda: list(server._connections.values()) == [True])
        with pytest.raises((InspectError, ConnectionError)):  # everybody is busy: no room
            Client(tmp_path / "i.sock").call("tree")
        gate.set()
        waiting.join(10)


def test_an_answer_that_breaks_off_is_no_answer(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "half.sock"))
        listener.listen()

        def half():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b'{"ok": tr')

        thread = threading.Thread(target=half)
        thread.start()
        with pytest.raises(ConnectionError, match="broke off"):
            Client(tmp_path / "half.sock").call("tree")
        thread.join(10)


@pytest.mark.parametrize("seconds", [0, -1, True, "soon", 1e9])
def test_a_number_out_of_its_range_is_refused(forest, tmp_path, seconds):
    line = json.dumps({"verb": "restart", "args": {"id": "a", "within_s": seconds}}).encode() + b"\n"
    answer = Server(forest.boot(forest.toy("a")), tmp_path / "i.sock").answer(line)
    assert (answer["ok"], answer["error"]["code"]) == (False, "inspect.request")


# --- snapshots, names, timers ------------------------------------------------------------------------------


def test_a_supervisor_that_does_not_run_is_shown_without_children(forest):
    root = forest.boot(supervisor("s", forest.toy("a"), intensity=4), forest.toy("b"))
    root.supervisor().terminate_child("s")
    view = root.find("s")
    assert (view["state"], view["children"], view["budget"]["max"]) == ("stopped", [], 4)


def test_who_waits_for_a_name_hears_of_that_name_only(forest):
    root = forest.boot(forest.toy("a"), forest.toy("b"), intensity=5)
    assert root.names.wait_change("a", None, 1)  # it is there already
    heard = []
    waits = [
        threading.Thread(target=lambda n=name: heard.append((n, root.names.wait_change(n, 1, 10))))
        for name in ("a", "b")
    ]
    for wait in waits:
        wait.start()
    eventually(lambda: len(root.names._waiting) == 2)
    root.handle("a").tell(boom)
    eventually(lambda: heard == [("a", True)])
    root.handle("b").tell(boom)
    for wait in waits:
        wait.join(10)
    assert heard == [("a", True), ("b", True)]


def test_a_boot_that_fails_takes_its_socket_with_it(forest, tmp_path):
    forest.starts["a"] = [OSError("no")]
    path = tmp_path / "i.sock"
    assert run(supervisor("root", forest.toy("a")), socket_path=path) == 2
    assert not path.exists()

    def unready(_):
        raise RuntimeError("not ready")

    assert run(supervisor("root", forest.toy("b")), socket_path=path, on_ready=unready) == 2
    assert not path.exists()


def test_a_process_that_has_ended_cannot_be_given_up(forest):
    root = forest.boot(process("p", [sys.executable, *REST], shutdown=1.0))
    (life,) = [life for life in root.lives() if life.id == "p"]
    root.supervisor().terminate_child("p")
    assert life.abandon(Ending.HUNG, "too late") is False
    life._signal(signal.SIGTERM)  # the pid may be another's by now: nothing is sent


# --- inboxes, timers, the watch ----------------------------------------------------------------------------


def test_a_blocked_sender_goes_on_when_a_batch_makes_room(forest):
    class Slow(Batching):
        inbox_limit = 2
        inbox_full = "block"

    root = forest.boot(Child("a", Slow, args=(forest.journal,)))
    gate = forest.gate()
    root.handle("a").tell(lambda _: gate.wait(10))
    eventually(lambda: root.find("a")["current"] is not None)
    sender = threading.Thread(target=lambda: [root.handle("a").tell(n) for n in range(6)])
    sender.start()
    eventually(lambda: root.find("a")["mailbox"] == 2)
    gate.set()
    sender.join(10)
    assert eventually(lambda: root.handle("a").ask(lambda actor: len(actor.seen)) == 6)


def test_a_closed_inbox_takes_nothing():
    box = BoundedMailbox(2, "block", 0.01, "a")
    box.close("stopped")
    assert box.tell("late") is False


def test_a_cancelled_timer_does_not_fire():
    timers, fired = Timers("timers-test"), []
    try:
        timer = timers.schedule(3600, fired.append)
        timer.cancel()
        timers._fire(timer)
        assert fired == []
    finally:
        timers.close()


def test_a_closed_watch_watches_nobody(forest):
    root = forest.boot(forest.toy("a", hang_after=5.0))
    (life,) = [life for life in root.lives() if life.id == "a"]
    monitor = Monitor()
    monitor.close()
    monitor.watch(life)
    assert not any(
        thread.name == "supervision-monitor" and thread is monitor._thread for thread in threading.enumerate()
    )


def test_a_supervisor_that_is_given_up_takes_its_children_with_it(forest):
    root = forest.boot(supervisor("s", forest.toy("a")), intensity=5)
    lives = {life.id: life for life in root.lives()}
    lives["s"].actor.fence()
    assert eventually(lambda: lives["a"].done.is_set)


def test_a_stop_while_children_start_starts_no_more_of_them(forest):
    gate = forest.gate()

    class Slow(Toy):
        def on_start(self):
            super().on_start()
            gate.wait(10)

    children = (Child("a", Slow, args=(forest.journal,)), forest.toy("b"))
    root = forest.boot(forest.toy("z"))
    order = supervisor("s", *children)
    starter = threading.Thread(target=lambda: refused(lambda: root.supervisor().start_child(order)))
    starter.start()
    forest.journal.until_has(("up", "a"))
    root.ask_to_stop()
    gate.set()
    starter.join(10)
    root.stop(5.0)
    assert ("up", "b") not in forest.journal.all()


def refused(action):
    try:
        return action()
    except (StartFailed, ActorDeadError) as error:
        return error


# --- asks that may be asked again --------------------------------------------------------------------------


def test_an_ask_that_may_be_retried_is_answered_by_the_next_incarnation(forest):
    fell = []

    def fall_once(_):
        if not fell:
            fell.append(1)
            raise SystemExit(3)
        return "answered"

    root = forest.boot(forest.toy("a"), intensity=5)
    assert root.handle("a").ask(fall_once, timeout=10, retry=True) == "answered"
    assert root.names.incarnation("a") == 2


def test_asks_that_wait_behind_a_crash_go_to_the_next_incarnation(forest):
    forest.starts["a"] = [None, OSError("not yet"), None]
    root = forest.boot(forest.toy("a"), intensity=9)
    gate, answers = forest.gate(), []

    def hold_then_crash(_):
        gate.wait(10)
        raise SystemExit(3)

    root.handle("a").tell(hold_then_crash)
    eventually(lambda: root.find("a")["current"] is not None)
    askers = [
        threading.Thread(target=lambda n=n: answers.append(root.handle("a").ask(n, timeout=10, retry=True)))
        for n in range(3)
    ]
    for asker in askers:
        asker.start()
    eventually(lambda: root.find("a")["mailbox"] == 3)
    gate.set()
    for asker in askers:
        asker.join(10)
    assert sorted(answers) == [0, 1, 2]


def test_an_ask_that_nobody_comes_back_for_ends_at_its_time(forest):
    root = forest.boot(forest.toy("a"), forest.toy("b"), intensity=5)
    root.supervisor().terminate_child("a")
    with pytest.raises((Timeout, ActorDeadError)):
        root.handle("a").ask("anybody", timeout=0.05, retry=True)
    root.supervisor().restart_child("a")
    assert root.handle("a").ask(lambda actor: list(actor.seen)) == []  # withdrawn: nobody waits for it


def test_a_hang_is_shown_while_it_is_one(forest, monkeypatch):
    gate = forest.gate()
    root = forest.boot(forest.toy("a", hang_after=0.05), intensity=5)
    (life,) = [life for life in root.lives() if life.id == "a"]
    monkeypatch.setattr(type(life), "hung", lambda _: None)  # told to nobody: it stays hung
    root.handle("a").tell(lambda _: gate.wait(10))
    assert eventually(lambda: root.find("a")["state"] == "hung")
    gate.set()
    assert eventually(lambda: root.find("a")["state"] == "running")


# --- a name's slow roads, step by step ---------------------------------------------------------------------


class Moving(Mailbox):
    """A closed box whose successor takes over at the very moment in which somebody looks again."""

    def __init__(self, slot, successor):
        super().__init__()
        self.slot, self.successor = slot, successor

    def barrier(self):
        super().barrier()
        self.slot.box = self.successor


def slot_with(box, lost):
    slot = Slot("a", lambda *entry: lost.append(entry))
    slot.box = box
    return slot


def closed(box):
    box.residue = lambda *_: None
    box.close("stopped")
    return box


def test_a_tell_finds_the_box_that_took_over():
    lost, fresh = [], Mailbox()
    slot = slot_with(None, lost)
    slot.box = closed(Moving(slot, fresh))
    assert slot.undelivered("news")
    assert fresh.get() == "news"
    assert lost == []


def test_an_ask_finds_the_box_that_took_over_or_waits_for_one():
    fresh, ask = Mailbox(), Ask("question", Reply())
    slot = slot_with(None, [])
    slot.box = closed(Moving(slot, fresh))
    slot.ask_next(ask)
    assert fresh.get() is ask
    slot.box = closed(Mailbox())
    slot.ask_next(ask)
    assert list(slot.parked) == [ask]
    slot.withdraw(ask)
    slot.withdraw(ask)  # it has been taken meanwhile: nothing to take back
    assert not slot.parked


def test_a_box_that_drops_wakes_nobody():
    box = BoundedMailbox(2, "drop", 0.01, "a")
    assert box.tell(1)
    assert box.get_nowait() == 1


def test_nothing_at_hand_is_no_poison():
    assert poison_of(None) == ()
    assert poison_of([1, 2]) == [1, 2]


def test_a_proxy_call_that_was_told_is_made(forest):
    root = forest.boot(forest.toy("a"))
    root.handle("a").tell(messages.ProxyCall(attr_path=("on_receive",), args=("called",), kwargs={}))
    assert root.handle("a").ask(lambda actor: list(actor.seen)) == ["called"]


def test_a_process_may_keep_its_words_to_itself(forest):
    talk = "import sys; sys.stderr.write('hidden'); sys.exit(3)"
    root = forest.boot(
        process("p", [sys.executable, "-c", talk], stderr="null", restart=Restart.TEMPORARY), forest.toy("a")
    )
    (report,) = eventually(lambda: root.crashes("p"))
    assert (report.reason, report.stack) == ("exit code 3", "")
