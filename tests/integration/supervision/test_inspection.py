"""The inspection socket and `python -m supervision`, against real trees."""

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from toys import boom, crash, eventually

from supervision import __main__ as shell
from supervision import process, supervisor
from supervision.inspect import Client, InspectError, Server

real_time = (time.monotonic,)
KEYS = {
    "id", "kind", "state", "restarts", "budget", "uptime_s", "mailbox", "inbox_peak", "handled", "busy_s",
    "current", "incarnation", "thread", "pid", "last_error", "last_exit", "backoff_until", "window",
    "strategy", "restart",
}  # fmt: skip


@pytest.fixture
def served(forest, tmp_path):
    root = forest.boot(forest.toy("a"), supervisor("s", forest.toy("b"), intensity=5), forest.toy("c"))
    server = Server(root, tmp_path / "inspect.sock", verbs={"double": lambda args: args["x"] * 2})
    with server:
        yield root, Client(tmp_path / "inspect.sock")


def test_the_tree_is_nested_and_every_node_has_every_key(served):
    _, client = served
    tree = client.call("tree")
    assert tree["version"] == 1
    assert [c["id"] for c in tree["children"]] == ["a", "s", "c"]
    assert [c["id"] for c in tree["children"][1]["children"]] == ["b"]
    for node in [*tree["children"], tree["children"][1]["children"][0]]:
        assert set(node) >= KEYS
    assert tree["children"][1]["budget"] == {"max": 5, "period_s": 5.0, "used": 0}
    assert tree["children"][1]["children"][0]["budget"] == {"max": 5, "period_s": 5.0, "used": 0}


def test_the_shell_finds_the_socket_of_a_home(served, tmp_path, monkeypatch, capsys):
    _, client = served
    monkeypatch.delenv("SUPERVISION_SOCKET", raising=False)
    home = tmp_path / "home"
    (home / "run").mkdir(parents=True)
    assert shell.main(["tree", "--home", str(home)]) == 3
    assert "hint: --home DIR or --socket PATH" in capsys.readouterr().err
    (home / "run" / "core.lock").write_text(json.dumps({"inspect": str(client.path)}))
    assert shell.main(["tree", "--json", "--home", str(home)]) == 0
    monkeypatch.setenv("FOLDWARD_HOME", str(home))
    assert shell.main(["tree", "--json"]) == 0
    monkeypatch.setenv("SUPERVISION_SOCKET", str(tmp_path / "nowhere.sock"))
    assert shell.main(["tree", "--json"]) == 3
    assert shell.main(["tree", "--json", "--home", str(home)]) == 0


def test_a_crash_shows_in_the_tree_and_in_the_reports(served):
    root, client = served
    crash(root, "b")
    eventually(lambda: root.names.incarnation("b") == 2)
    node = client.call("child", id="b")
    assert (node["restarts"], node["incarnation"], node["state"]) == (1, 2, "running")
    assert node["last_error"]["code"] == "internal"
    assert node["last_error"]["message"] == "Boom: told to crash"
    assert node["last_exit"]["kind"] == "crash"
    [report] = client.call("crashes", id="b")
    assert (report["supervisor"], report["context"], report["message_type"]) == (
        "s",
        "child_terminated",
        "function",
    )
    assert "told to crash" in report["stack"]
    assert client.call("crashes", id="a") == []


def test_it_answers_at_once_while_every_actor_hangs(forest, served):
    root, client = served
    gate = forest.gate()
    for id in "abc":
        root.handle(id).tell(lambda _: gate.wait(10.0))
    eventually(lambda: all(root.find(id)["busy_s"] for id in "abc"))
    took = []
    for _ in range(10):
        start = real_time[0]()
        tree = client.call("tree")
        took.append(real_time[0]() - start)
        assert tree["children"][0]["current"] == "function"
    assert min(took) < 0.05


def test_the_socket_is_for_its_owner_only_and_goes_with_the_server(forest, tmp_path):
    path = tmp_path / "run" / "inspect.sock"
    server = Server(forest.boot(forest.toy("a")), path).start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    server.close()
    assert not path.exists()
    with pytest.raises(ConnectionError):
        Client(path).call("ping")


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(forest, tmp_path):
    path = tmp_path / "s"
    root = forest.boot(forest.toy("a"))
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with Server(root, path):
        with pytest.raises(OSError, match="already"):
            Server(root, path).start()
        assert Client(path).call("ping")["pid"] == os.getpid()


def test_a_path_that_is_too_long_is_refused_with_its_length(forest, tmp_path):
    path = tmp_path / ("x" * 120)
    with pytest.raises(ValueError, match="at most 100"):
        Server(forest.boot(forest.toy("a")), path).start()


def test_added_verbs_answer_and_wrong_ones_are_refused(served):
    _, client = served
    assert client.call("double", x=21) == 42
    for verb, args, code in [
        ("dubble", {}, "inspect.unknown_verb"),
        ("double", {}, "internal"),
        ("child", {"id": "nobody"}, "supervision.not_found"),
        ("child", {}, "inspect.request"),
    ]:
        with pytest.raises(InspectError) as caught:
            client.call(verb, **args)
        assert caught.value.code == code


def test_a_verbs_own_error_code_and_details_arrive(forest, tmp_path):
    class Refused(Exception):
        code = "data.refused"

        def as_dict(self):
            return {"code": self.code, "message": str(self), "hint": "look"}

    def refuse(_args):
        raise Refused("no")

    server = Server(forest.boot(forest.toy("a")), tmp_path / "s", verbs={"load": refuse})
    with server, pytest.raises(InspectError) as caught:
        Client(tmp_path / "s").call("load")
    assert (caught.value.code, str(caught.value), caught.value.details) == (
        "data.refused",
        "no",
        {"hint": "look"},
    )


@pytest.mark.parametrize(
    "line", [b"not json\n", b"[1]\n", b'{"v":9,"verb":"ping"}\n', b'{"verb":"ping","args":[]}\n', b"\xff\n"]
)
def test_malformed_requests_are_answered_and_the_connection_lives_on(served, line):
    _, client = served
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5.0)
        connection.connect(str(client.path))
        connection.sendall(line)
        with connection.makefile("rb") as lines:
            assert json.loads(lines.readline())["ok"] is False
            connection.sendall(b'{"verb":"ping"}\n')
            assert json.loads(lines.readline())["ok"] is True


def test_a_slow_verb_delays_nobody_else(forest, tmp_path):
    gate = forest.gate()
    entered = threading.Event()

    def slow(_args):
        entered.set()
        return gate.wait(10.0)

    with Server(forest.boot(forest.toy("a")), tmp_path / "s", verbs={"slow": slow}):
        client = Client(tmp_path / "s")
        waiting = threading.Thread(target=client.call, args=("slow", 10.0))
        waiting.start()
        assert entered.wait(10.0)
        assert client.call("ping")["alive"] is True
        with pytest.raises(TimeoutError):
            client.call("slow", timeout=0.05)
        gate.set()
        waiting.join(10.0)


def test_restart_by_hand_over_the_socket(served):
    root, client = served
    assert client.call("restart", id="b") == {"id": "b", "incarnation": 2}
    with pytest.raises(InspectError) as caught:
        client.call("restart", id="nobody")
    assert caught.value.code == "supervision.not_found"
    assert root.find("s")["budget"]["used"] == 0


def test_clients_that_go_away_leave_nothing_behind(served):
    _, client = served
    before = threading.active_count()
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(client.path))
            connection.sendall(b'{"verb":"tr')
    eventually(lambda: threading.active_count() <= before)
    assert client.call("ping")["alive"] is True


def test_the_connection_that_was_silent_longest_makes_way(served, monkeypatch):
    _, client = served
    monkeypatch.setattr("supervision.inspect.MAX_CONNECTIONS", 3)
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(3)]
        for one in silent:
            one.settimeout(5.0)
            one.connect(str(client.path))
            one.sendall(b'{"verb":"ping"}\n')
            assert one.recv(4096).endswith(b"\n")
        assert client.call("ping")["alive"] is True
        assert silent[0].recv(1) == b""
        silent[2].sendall(b'{"verb":"ping"}\n')
        assert silent[2].recv(4096).endswith(b"\n")


def test_requests_beyond_those_being_answered_are_refused_in_words(forest, tmp_path, monkeypatch):
    monkeypatch.setattr("supervision.inspect.MAX_CONNECTIONS", 1)
    gate, entered = forest.gate(), threading.Event()

    def slow(_args):
        entered.set()
        return gate.wait(10.0)

    with Server(forest.boot(forest.toy("a")), tmp_path / "s", verbs={"slow": slow}):
        client = Client(tmp_path / "s")
        waiting = threading.Thread(target=client.call, args=("slow", 10.0))
        waiting.start()
        assert entered.wait(10.0)
        words = r"being answered|Broken pipe|reset|broke off"
        with pytest.raises((InspectError, ConnectionError), match=words):
            client.call("ping")
        gate.set()
        waiting.join(10.0)


def test_a_client_that_takes_no_answer_is_dropped(forest, tmp_path, monkeypatch):
    monkeypatch.setattr("supervision.inspect.SEND_S", 0.1)
    with (
        Server(
            forest.boot(forest.toy("a")), tmp_path / "s", verbs={"much": lambda _: "x" * 4_000_000}
        ) as server,
        socket.socket(socket.AF_UNIX) as deaf,
    ):
        deaf.connect(str(tmp_path / "s"))
        deaf.sendall(b'{"verb":"much"}\n')
        eventually(lambda: len(server._connections) == 1)
        eventually(lambda: not server._connections)


def shell_out(capsys, client, *words):
    code = shell.main([*words, "--socket", str(client.path)])
    return code, *capsys.readouterr()


def test_the_shell_shows_the_tree_as_a_table_and_as_json(served, capsys):
    _, client = served
    code, out, err = shell_out(capsys, client, "tree")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["child", "root#1"]
    assert "├─ s#1" in out
    assert "│  └─ b#1" in out
    code, out, _ = shell_out(capsys, client, "tree", "--json")
    assert json.loads(out)["children"][0]["id"] == "a"


def test_the_shell_shows_a_child_its_crashes_and_the_stacks(served, capsys):
    root, client = served
    root.handle("a").tell(boom)
    eventually(lambda: root.names.incarnation("a") == 2)
    assert "restarts        1" in shell_out(capsys, client, "child", "a")[1]
    assert "Boom: told to crash on function" in shell_out(capsys, client, "crashes", "a")[1]
    assert shell_out(capsys, client, "crashes", "b")[1] == "no crashes\n"
    assert "root#1" in shell_out(capsys, client, "stacks")[1]
    assert json.loads(shell_out(capsys, client, "child", "b", "--json")[1])["id"] == "b"


def test_the_shell_watches_restarts_and_stops(served, capsys):
    root, client = served
    out = shell_out(capsys, client, "watch", "--count", "2", "--interval", "0.01", "--json")[1]
    assert len(out.splitlines()) == 2
    assert shell_out(capsys, client, "restart", "b")[1] == "b runs as incarnation 2\n"
    assert shell_out(capsys, client, "stop")[:2] == (0, "stopping\n")
    assert root.wait(10.0)


def test_the_shells_exit_codes_say_what_went_wrong(served, capsys, tmp_path):
    _, client = served
    assert shell_out(capsys, client, "child", "nobody")[0] == 4
    assert shell_out(capsys, Client(tmp_path / "none"), "tree")[0] == 3
    with pytest.raises(SystemExit) as caught:
        shell.main(["prune"])
    assert caught.value.code == 2
    capsys.readouterr()


@pytest.mark.slow
def test_python_m_supervision_works_from_another_process(served):
    _, client = served
    done = subprocess.run(
        [sys.executable, "-m", "supervision", "tree", "--json", "--socket", str(client.path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert json.loads(done.stdout)["id"] == "root"


def test_a_process_child_shows_its_pid(forest, tmp_path):
    root = forest.boot(process("p", ["sleep", "60"]))
    with Server(root, tmp_path / "s"):
        node = Client(tmp_path / "s").call("child", id="p")
    assert (node["kind"], node["pid"]) == ("process", root.handle("p").pid)


def test_a_server_that_closes_hangs_up_instead_of_saying_that_it_is_busy(forest, tmp_path):
    server = Server(forest.boot(forest.toy("a")), tmp_path / "inspect.sock").start()
    try:
        server._closed = True  # the moment between the flag and the socket's end
        with pytest.raises(ConnectionError):
            Client(tmp_path / "inspect.sock").call("tree")
    finally:
        server._closed = False
        server.close()


def test_every_answer_passes_through_what_the_owner_gave(forest, tmp_path):
    path = tmp_path / "inspect.sock"
    with Server(forest.boot(forest.toy("a")), path, outgoing=lambda answer: {**answer, "result": "seen"}):
        assert Client(path).call("tree") == "seen"
