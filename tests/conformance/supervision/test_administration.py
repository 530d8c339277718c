"""The administration calls with every outcome that OTP's supervisor documents."""

import threading

import pytest
from pykka import ActorDeadError, Timeout
from toys import Boom, Toy, boom, crash, eventually, leave, states

from supervision import (
    AlreadyPresent,
    AlreadyStarted,
    AutoShutdown,
    Backoff,
    Child,
    Ignore,
    MaxChildren,
    NotFound,
    Restart,
    Restarting,
    Running,
    SpecError,
    StartFailed,
    Strategy,
    dynamic,
    supervisor,
)

LONG = Backoff(first=3600.0, ceiling=3600.0, jitter=0.0)


@pytest.fixture
def waiting(forest):
    """A tree whose child "w" waits for its next restart attempt."""
    root = forest.boot(forest.toy("w", backoff=LONG), forest.toy("b"))
    crash(root, "w")
    eventually(lambda: states(root)["w"] == "backoff")
    return root


def test_start_child_adds_at_the_end_and_returns_a_working_handle(forest):
    root = forest.boot(forest.toy("a"))
    ref = root.supervisor().start_child(forest.toy("b"))
    assert ref.ask("hello") == "hello"
    assert [i.id for i in root.supervisor().which_children()] == ["a", "b"]


def test_start_child_of_a_running_id_is_already_started(forest):
    root = forest.boot(forest.toy("a"))
    with pytest.raises(AlreadyStarted) as caught:
        root.supervisor().start_child(forest.toy("a"))
    assert caught.value.id == "a"
    assert caught.value.ref.ask("hello") == "hello"


def test_start_child_of_a_restarting_id_is_already_started_as_in_otp(forest, waiting):
    with pytest.raises(AlreadyStarted):
        waiting.supervisor().start_child(forest.toy("w"))


def test_start_child_of_a_kept_spec_is_already_present(forest):
    root = forest.boot(forest.toy("a"))
    root.supervisor().terminate_child("a")
    with pytest.raises(AlreadyPresent):
        root.supervisor().start_child(forest.toy("a"))


def test_start_child_refuses_what_is_no_spec_and_ids_used_elsewhere(forest):
    root = forest.boot(forest.toy("a"), supervisor("s", forest.toy("b")))
    with pytest.raises(SpecError, match="needs a Child"):
        root.supervisor().start_child("b")
    with pytest.raises(SpecError, match="in use under 's'"):
        root.supervisor().start_child(forest.toy("b"))
    with pytest.raises(SpecError, match="significant"):
        root.supervisor().start_child(forest.toy("c", significant=True, restart=Restart.TRANSIENT))


def test_start_child_that_fails_keeps_no_spec(forest):
    root = forest.boot(forest.toy("a"))
    forest.starts["b"] = [Boom("no")]
    with pytest.raises(StartFailed) as caught:
        root.supervisor().start_child(forest.toy("b"))
    assert (caught.value.id, type(caught.value.cause)) == ("b", Boom)
    assert [i.id for i in root.supervisor().which_children()] == ["a"]
    assert root.supervisor().start_child(forest.toy("b")).ask(1) == 1


def test_start_child_that_declines_keeps_the_spec_and_returns_none(forest):
    root = forest.boot(forest.toy("a"))
    forest.starts["b"] = [Ignore]
    assert root.supervisor().start_child(forest.toy("b")) is None
    assert [(i.id, i.state) for i in root.supervisor().which_children()] == [
        ("a", "running"),
        ("b", "not_running"),
    ]


def test_start_child_can_add_a_whole_supervisor(forest):
    root = forest.boot(forest.toy("a"))
    root.supervisor().start_child(supervisor("s", *forest.toys("bc")))
    assert root.handle("c").ask("hello") == "hello"
    root.supervisor().terminate_child("s")
    root.supervisor().delete_child("s")
    assert root.supervisor().start_child(forest.toy("c")).ask("again") == "again"


def test_terminate_child_is_idempotent_and_keeps_the_spec(forest):
    root = forest.boot(*forest.toys("ab"), strategy=Strategy.ONE_FOR_ALL, intensity=0)
    sup = root.supervisor()
    assert sup.terminate_child("a") is None
    assert sup.terminate_child("a") is None
    assert sup.get_spec("a").id == "a"
    assert forest.journal.all() == [("up", "a"), ("up", "b"), ("down", "a")]
    assert root.find("root")["budget"]["used"] == 0


def test_terminate_child_deletes_a_temporary_spec(forest):
    root = forest.boot(forest.toy("a", restart=Restart.TEMPORARY))
    root.supervisor().terminate_child("a")
    with pytest.raises(NotFound):
        root.supervisor().get_spec("a")


def test_terminate_child_cancels_a_restart_under_way(forest, waiting):
    waiting.supervisor().terminate_child("w")
    [info, _] = waiting.supervisor().which_children()
    assert (info.id, info.state) == ("w", "not_running")
    assert waiting.timers.armed() == 0


def test_terminate_child_of_a_waiting_group_leaves_the_rest_of_it_to_start(forest):
    root = forest.boot(
        forest.toy("a"),
        forest.toy("b", backoff=Backoff(first=0.2, jitter=0.0)),
        strategy=Strategy.ONE_FOR_ALL,
    )
    crash(root, "b")
    eventually(lambda: states(root)["a"] == "backoff")
    root.supervisor().terminate_child("b")
    assert eventually(lambda: root.names.incarnation("a") == 2)
    assert root.names.incarnation("b") is None


def test_restart_child_starts_what_does_not_run(forest):
    root = forest.boot(forest.toy("a", restart=Restart.TRANSIENT))
    root.handle("a").tell(leave)
    forest.events.until_has(("child_terminated", "a"))
    assert root.supervisor().restart_child("a").ask("hello") == "hello"
    assert root.names.incarnation("a") == 2


def test_restart_child_refuses_running_restarting_and_unknown(forest, waiting):
    sup = waiting.supervisor()
    with pytest.raises(Running):
        sup.restart_child("b")
    with pytest.raises(Restarting):
        sup.restart_child("w")
    with pytest.raises(NotFound):
        sup.restart_child("x")


def test_restart_child_that_fails_keeps_the_spec(forest):
    root = forest.boot(forest.toy("a"))
    sup = root.supervisor()
    sup.terminate_child("a")
    forest.starts["a"] = [Boom("no")]
    with pytest.raises(StartFailed):
        sup.restart_child("a")
    assert sup.restart_child("a").ask("hello") == "hello"


def test_delete_child_refuses_running_restarting_and_unknown(forest, waiting):
    sup = waiting.supervisor()
    with pytest.raises(Running):
        sup.delete_child("b")
    with pytest.raises(Restarting):
        sup.delete_child("w")
    with pytest.raises(NotFound):
        sup.delete_child("x")
    sup.terminate_child("b")
    assert sup.delete_child("b") is None
    with pytest.raises(NotFound):
        sup.terminate_child("b")


def test_a_wrong_id_gets_a_suggestion(forest):
    root = forest.boot(forest.toy("db_writer"))
    with pytest.raises(NotFound, match="did you mean 'db_writer'"):
        root.supervisor().terminate_child("db_writr")


def test_which_and_count_children_name_kinds_and_states(forest):
    root = forest.boot(forest.toy("a"), supervisor("s", forest.toy("b")), forest.toy("c"))
    root.supervisor().terminate_child("c")
    rows = [(i.id, i.state, i.kind, i.restart) for i in root.supervisor().which_children()]
    assert rows == [
        ("a", "running", "worker", "permanent"),
        ("s", "running", "supervisor", "permanent"),
        ("c", "not_running", "worker", "permanent"),
    ]
    assert root.supervisor().count_children() == {"specs": 3, "active": 2, "supervisors": 1, "workers": 2}


def test_a_terminated_child_is_not_restarted_by_the_crash_of_another(forest):
    root = forest.boot(*forest.toys("ab"))
    root.supervisor().terminate_child("a")
    crash(root, "b")
    eventually(lambda: root.names.incarnation("b") == 2)
    assert root.names.incarnation("a") is None


def test_dynamic_children_get_ids_arguments_and_a_limit(forest):
    class Greeter(Toy):
        def __init__(self, journal, greeting, *, mark="!"):
            super().__init__(journal)
            self.greeting = greeting + mark

        def on_receive(self, message):
            return f"{self.greeting} {message}"

    root = forest.grow(
        supervisor("root", dynamic("d", Child("g", Greeter, args=(forest.journal,)), max_children=2))
    )
    sup = root.supervisor("d")
    one = sup.start_child(args=("hello",))
    two = sup.start_child(id="loud", args=("HELLO",), kwargs={"mark": "!!"})
    assert (one.name, one.ask("you")) == ("g-1", "hello! you")
    assert (two.name, two.ask("you")) == ("loud", "HELLO!! you")
    with pytest.raises(MaxChildren):
        sup.start_child(args=("hi",))
    with pytest.raises(SpecError, match="template"):
        sup.start_child(forest.toy("x"))
    sup.terminate_child("loud")
    with pytest.raises(NotFound):
        sup.restart_child("loud")
    assert sup.start_child(args=("hi",)).name == "g-2"


def test_calls_to_a_supervisor_that_is_gone_are_answered(forest):
    root = forest.boot(supervisor("s", forest.toy("a")))
    sup = root.supervisor("s")
    root.supervisor().terminate_child("s")
    with pytest.raises(ActorDeadError):
        sup.which_children()
    root.stop(5.0)
    with pytest.raises(ActorDeadError):
        root.supervisor().which_children()


def test_calls_that_wait_while_the_supervisor_stops_are_answered(forest):
    gate = forest.gate()
    root = forest.boot(forest.toy("a", shutdown=9.0))
    root.handle("a").tell(lambda _: gate.wait(10.0))
    answers = []

    def call(name):
        try:
            getattr(root.supervisor(), name)("a")
        except ActorDeadError as error:
            answers.append(type(error))

    first = threading.Thread(target=root.supervisor().terminate_child, args=("a",))
    first.start()
    eventually(lambda: states(root)["a"] == "stopping")
    others = [threading.Thread(target=call, args=("delete_child",)) for _ in range(3)]
    for thread in others:
        thread.start()
    eventually(lambda: root.find("root")["mailbox"] == 3)
    root.ask_to_stop()
    gate.set()
    for thread in [first, *others]:
        thread.join(10.0)
    assert root.wait(10.0)
    assert len(answers) == 3


def test_a_call_can_time_out_without_being_lost(forest):
    gate = forest.gate()
    root = forest.boot(forest.toy("a", shutdown=9.0))
    root.handle("a").tell(lambda _: gate.wait(10.0))
    with pytest.raises(Timeout):
        root.supervisor().terminate_child("a", timeout=0.05)
    gate.set()
    eventually(lambda: states(root)["a"] == "stopped")


def test_a_child_added_by_hand_is_lost_when_its_supervisor_is_restarted(forest):
    root = forest.boot(supervisor("s", forest.toy("a"), intensity=0))
    root.supervisor("s").start_child(forest.toy("b"))
    root.handle("a").tell(boom)
    eventually(lambda: root.names.incarnation("s") == 2)
    assert [i.id for i in root.supervisor("s").which_children()] == ["a"]
    assert root.supervisor("s").start_child(forest.toy("b")).ask(1) == 1


def test_cycle_child_restarts_a_running_child_by_hand(forest):
    root = forest.boot(*forest.toys("ab"), strategy=Strategy.ONE_FOR_ALL, auto_shutdown=AutoShutdown.NEVER)
    root.supervisor().cycle_child("a")
    assert forest.journal.all() == [("up", "a"), ("up", "b"), ("down", "a"), ("up", "a")]
    assert root.find("a")["restarts"] == 1


def test_a_supervisor_carries_no_data(forest):
    root = forest.boot(forest.toy("a"))
    root.handle("root").tell("data")
    forest.dead.wait(1)
    assert forest.dead.all() == [("root", "data", "supervisor")]


def test_the_id_of_a_deleted_child_stays_reserved_for_the_supervisor_that_would_bring_it_back(forest):
    root = forest.boot(
        supervisor("one", *forest.toys("ab"), intensity=5),
        supervisor("two", forest.toy("c")),
        intensity=5,
    )
    one, two = root.supervisor("one"), root.supervisor("two")
    one.terminate_child("a")
    one.delete_child("a")
    with pytest.raises(SpecError, match="'a' is reserved: a restart of 'one' brings it back"):
        two.start_child(forest.toy("a"))
    assert one.start_child(forest.toy("a")).ask("hello") == "hello"  # its own supervisor may take it again
    one.terminate_child("a")
    one.delete_child("a")
    root.supervisor().cycle_child("one")
    assert [info.id for info in root.supervisor("one").which_children()] == ["a", "b"]
    with pytest.raises(SpecError, match="'a' is in use under 'one'"):
        two.start_child(forest.toy("a"))


def test_the_ids_of_a_deleted_supervisor_come_back_with_it_or_with_its_own_supervisor(forest):
    below = supervisor("below", forest.toy("a"))
    root = forest.boot(supervisor("top", below, forest.toy("b")), supervisor("other", forest.toy("c")))
    top, other = root.supervisor("top"), root.supervisor("other")
    top.terminate_child("below")
    top.delete_child("below")
    with pytest.raises(SpecError, match="'a' is reserved: a restart of 'top'"):
        other.start_child(forest.toy("a"))
    assert top.start_child(forest.toy("a")).ask("x") == "x"  # added by hand: lost when top is restarted
    with pytest.raises(SpecError, match="'a' is in use under 'top'"):
        top.start_child(below)
    root.supervisor().cycle_child("top")
    assert root.supervisor_of("a").name == "below"
    top.terminate_child("below")
    top.delete_child("below")
    assert top.start_child(below) is not None
    assert root.handle("a").ask("x") == "x"


def test_the_ids_of_a_supervisor_added_by_hand_are_free_when_it_is_deleted(forest):
    root = forest.boot(forest.toy("z"))
    sup = root.supervisor()
    sup.start_child(supervisor("s", *forest.toys("ab")))
    root.supervisor("s").terminate_child("a")
    root.supervisor("s").delete_child("a")
    sup.terminate_child("s")
    sup.delete_child("s")
    assert sup.start_child(forest.toy("a")).ask("x") == "x"
    assert sup.start_child(forest.toy("s")).ask("x") == "x"
