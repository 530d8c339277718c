"""Nothing is lost silently: handled, answered, or dead-lettered with its reason."""

import threading

import pykka
import pytest
from pykka import ActorDeadError, Timeout
from toys import PATIENCE, Boom, Toy, boom, crash, eventually, leave, settled

from supervision import KEEP, Backoff, Child, Inbox, InboxFull, Restart, Strategy, supervisor


def halted(forest, root, id):
    """Tell the child to wait until the returned gate is set; returns when it does wait."""
    gate, waiting = forest.gate(), threading.Event()
    root.handle(id).tell(lambda _: (waiting.set(), gate.wait(10.0)))
    assert waiting.wait(10.0)
    return gate


def test_a_crash_with_drop_dead_letters_the_poison_and_what_waited(forest):
    root = forest.boot(forest.toy("a"))
    gate = halted(forest, root, "a")
    a = root.handle("a")
    a.tell(boom)
    a.tell("one")
    a.tell("two")
    gate.set()
    forest.dead.wait(*range(3))
    assert forest.dead.all() == [("a", boom, "poison"), ("a", "one", "crashed"), ("a", "two", "crashed")]


def test_a_crash_with_keep_hands_everything_to_the_next_incarnation(forest):
    root = forest.boot(forest.toy("a", inbox=KEEP))
    gate = halted(forest, root, "a")
    a = root.handle("a")
    crashed = []

    def once(_actor):
        if not crashed:
            crashed.append(1)
            raise Boom("the first time")

    a.tell(once)
    for number in range(5):
        a.tell(number)
    gate.set()
    assert eventually(lambda: a.is_alive() and a.incarnation == 2)
    assert a.ask(lambda actor: list(actor.seen)) == [0, 1, 2, 3, 4]
    assert forest.dead.all() == []


def test_a_poison_message_gets_one_more_chance_at_the_head_and_is_then_dead_lettered(forest):
    seen = []

    class Picky(Toy):
        def on_receive(self, message):
            seen.append((self.incarnation, message))
            if message == "poison":
                raise Boom("again")
            return super().on_receive(message)

    root = forest.boot(Child("a", Picky, args=(forest.journal,), inbox=KEEP), intensity=5)
    gate = halted(forest, root, "a")
    seen.clear()
    a = root.handle("a")
    a.tell("poison")
    a.tell("fine")
    gate.set()
    eventually(lambda: (3, "fine") in seen)
    assert seen == [(1, "poison"), (2, "poison"), (3, "fine")]
    root.flush()
    assert forest.dead.all() == [("a", "poison", "poison")]


def test_pending_asks_get_actor_dead_error_at_once_when_the_actor_crashes(forest):
    root = forest.boot(forest.toy("a", inbox=KEEP))
    gate = halted(forest, root, "a")
    root.handle("a").tell(boom)
    outcomes = []

    def ask():
        try:
            root.handle("a").ask("question", timeout=PATIENCE)
        except ActorDeadError:
            outcomes.append("dead")

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    eventually(lambda: root.find("a")["mailbox"] == 4)
    gate.set()
    for asker in askers:
        asker.join(PATIENCE)
    assert outcomes == ["dead"] * 3


def test_an_ask_that_races_a_stop_is_always_answered(forest):
    outcomes, stop = [], threading.Event()
    root = forest.boot(forest.toy("a"), intensity=10_000, period=1.0)

    def ask():
        while not stop.is_set():
            try:
                outcomes.append(root.handle("a").ask("x", timeout=10.0))
            except ActorDeadError:
                outcomes.append("dead")
            except Timeout:
                outcomes.append("LOST")

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for _ in range(5):
        root.supervisor().cycle_child("a")
    root.stop(5.0)
    stop.set()
    for asker in askers:
        asker.join(12.0)
    assert "LOST" not in outcomes
    assert "x" in outcomes


def test_no_tell_is_lost_and_order_is_kept_while_a_keeping_actor_crashes_and_cycles(forest):
    handled = []

    class Collects(Toy):
        def on_receive(self, message):
            if callable(message):
                return super().on_receive(message)
            handled.append(message)
            return None

    root = forest.boot(Child("a", Collects, args=(forest.journal,), inbox=KEEP), intensity=10_000, period=1.0)
    a = root.handle("a")
    kept = []

    def send(sender):
        kept.extend((sender, n, a.tell((sender, n))) for n in range(500))

    crashed_once = set()

    def crash_once(key):
        def message(_actor):
            if key not in crashed_once:
                crashed_once.add(key)
                raise Boom("once")

        return message

    senders = [threading.Thread(target=send, args=(s,)) for s in range(3)]
    for sender in senders:
        sender.start()
    for number in range(10):
        a.tell(crash_once(number))
        root.supervisor().count_children()
    for sender in senders:
        sender.join(10.0)
    eventually(lambda: len(handled) >= 1500, "1500 messages")
    assert all(taken for _, _, taken in kept)
    assert forest.dead.all() == []
    for sender in range(3):
        assert [n for s, n in handled if s == sender] == list(range(500))


def test_what_is_told_to_a_keeping_actor_between_two_lives_waits_for_it(forest):
    backoff = Backoff(first=0.05, jitter=0.0)
    root = forest.boot(forest.toy("a", inbox=KEEP, backoff=backoff), intensity=5)
    crash(root, "a")  # kept as well: it crashes the second incarnation, too
    eventually(lambda: root.find("a")["state"] == "backoff")
    assert root.handle("a").tell("early")
    eventually(lambda: root.names.incarnation("a") == 3)
    eventually(lambda: root.handle("a").is_alive())
    assert root.handle("a").ask(lambda actor: actor.seen) == ["early"]


def test_what_is_told_to_a_dropping_actor_between_two_lives_is_dead_lettered(forest):
    root = forest.boot(forest.toy("a", backoff=Backoff(first=3600.0, ceiling=3600.0)))
    crash(root, "a")
    eventually(lambda: root.find("a")["state"] == "backoff")
    assert not root.handle("a").tell("early")
    with pytest.raises(ActorDeadError):
        root.handle("a").ask("early")
    root.flush()
    assert ("a", "early", "not_running") in forest.dead.all()


def test_a_keeping_actor_gets_at_boot_what_was_told_before_it_started(forest):
    class Early(Toy):
        def on_start(self):
            assert self.handle("b").tell("from a")

    root = forest.boot(Child("a", Early, args=(forest.journal,)), forest.toy("b", inbox=KEEP))
    assert root.handle("b").ask(lambda actor: actor.seen) == ["from a"]


def test_what_waits_for_a_keeping_actor_that_is_terminated_is_dead_lettered(forest):
    root = forest.boot(forest.toy("a", inbox=KEEP, backoff=Backoff(first=3600.0, ceiling=3600.0)))
    root.handle("a").tell(boom)
    root.handle("a").tell("waits")
    eventually(lambda: root.find("a")["state"] == "backoff")
    root.supervisor().terminate_child("a")
    root.flush()
    assert forest.dead.all() == [("a", boom, "terminated"), ("a", "waits", "terminated")]
    assert not root.handle("a").tell("late")


def test_what_waits_for_a_keeping_actor_survives_the_restart_of_its_supervisor(forest):
    root = forest.boot(supervisor("s", forest.toy("a", inbox=KEEP), forest.toy("b"), intensity=0))
    gate = halted(forest, root, "a")
    root.handle("a").tell("kept")
    root.handle("b").tell(boom)
    eventually(lambda: root.find("a")["state"] == "stopping")
    gate.set()
    assert eventually(lambda: root.names.incarnation("a") == 2)
    assert root.handle("a").ask(lambda actor: actor.seen) in ([], ["kept"])
    assert forest.dead.all() in ([("b", boom, "poison")], [])


def test_group_restart_keeps_what_is_told_meanwhile(forest):
    root = forest.boot(
        forest.toy("a"), forest.toy("b", inbox=KEEP), strategy=Strategy.REST_FOR_ONE, intensity=5
    )
    told = []

    class Slow(Toy):
        def on_start(self):
            if self.incarnation > 1:
                told.append(self.handle("b").tell("while b was down"))

    root.supervisor().start_child(Child("c", Slow, args=(forest.journal,)))
    crash(root, "a")
    assert settled(root, "abc")
    assert told == [True]
    assert root.handle("b").ask(lambda actor: actor.seen) == ["while b was down"]


def test_a_tell_to_an_unknown_name_is_dead_lettered(forest):
    root = forest.boot(forest.toy("a"))
    assert not root.handle("nobody").tell("hello")
    root.flush()
    assert forest.dead.all() == [("nobody", "hello", "unknown")]


def test_after_leaving_what_waited_is_dead_lettered_as_stopped(forest):
    root = forest.boot(forest.toy("a", restart=Restart.TRANSIENT))
    gate = halted(forest, root, "a")
    root.handle("a").tell(leave)
    root.handle("a").tell("late")
    gate.set()
    forest.dead.wait(1)
    assert forest.dead.all() == [("a", "late", "stopped")]


def test_an_ask_whose_handler_leaves_is_answered(forest):
    root = forest.boot(forest.toy("a"))
    with pytest.raises(ActorDeadError):
        root.handle("a").ask(leave)


def test_retry_asks_the_next_incarnation(forest):
    root = forest.boot(forest.toy("a", backoff=Backoff(first=0.05, jitter=0.0)))
    crash(root, "a")
    assert root.handle("a").ask("hello", timeout=5.0, retry=True) == "hello"


def test_retry_gives_up_when_the_timeout_is_over(forest):
    root = forest.boot(forest.toy("a"))
    with pytest.raises(Timeout):
        root.handle("nobody").ask("hello", timeout=0.05, retry=True)


def test_an_ask_times_out_on_real_time(forest):
    root = forest.boot(forest.toy("a"))
    gate = halted(forest, root, "a")
    with pytest.raises(Timeout):
        root.handle("a").ask("hello", timeout=0.05)
    gate.set()


@pytest.mark.parametrize("full", ["drop", "raise"])
def test_a_bounded_inbox_refuses_tells_but_takes_asks_and_stops(forest, full):
    class Bounded(Toy):
        inbox_limit = 2
        inbox_full = full

    root = forest.boot(Child("a", Bounded, args=(forest.journal,)))
    gate = halted(forest, root, "a")
    a = root.handle("a")
    assert a.tell(1)
    assert a.tell(2)
    if full == "raise":
        with pytest.raises(InboxFull):
            a.tell(3)
    else:
        assert not a.tell(3)
        root.flush()
        assert forest.dead.all() == [("a", 3, "full")]
    answers = []
    asker = threading.Thread(target=lambda: answers.append(a.ask(lambda actor: list(actor.seen))))
    asker.start()
    eventually(lambda: root.find("a")["mailbox"] == 3)
    gate.set()
    asker.join(10.0)
    assert answers == [[1, 2]]


def test_a_bounded_inbox_can_make_its_senders_wait(forest):
    class Bounded(Toy):
        inbox_limit = 1
        inbox_full = "block"

    root = forest.boot(Child("a", Bounded, args=(forest.journal,)))
    gate = halted(forest, root, "a")
    a = root.handle("a")
    assert a.tell(1)
    done = []
    sender = threading.Thread(target=lambda: done.append(a.tell(2)))
    sender.start()
    assert done == []
    gate.set()
    sender.join(10.0)
    assert done == [True]
    assert a.ask(lambda actor: actor.seen) == [1, 2]


def test_an_actor_with_drain_takes_what_waits_in_one_batch_in_order(forest):
    batches = []

    class Drains(Toy):
        drain_max = 4

        def drain(self, batch):
            batches.append(list(batch))
            for message in batch:
                if callable(message):
                    message(self)

    root = forest.boot(Child("a", Drains, args=(forest.journal,)))
    gate = halted(forest, root, "a")
    a = root.handle("a")
    batches.clear()
    for number in range(6):
        a.tell(number)
    asker = threading.Thread(target=lambda: batches.append(("asked", a.ask("q"))))
    asker.start()
    eventually(lambda: root.find("a")["mailbox"] == 7)
    a.tell(6)
    gate.set()
    asker.join(10.0)
    eventually(lambda: [6] in batches)
    assert [b for b in batches if isinstance(b, list)] == [[0, 1, 2, 3], [4, 5], [6]]
    assert ("asked", "q") in batches


def test_a_batch_that_crashes_is_given_to_the_next_incarnation_one_by_one(forest):
    batches = []

    class Drains(Toy):
        def drain(self, batch):
            batches.append((self.incarnation, list(batch)))
            if callable(batch[0]):
                batch[0](self)
            if "poison" in batch:
                raise Boom("poison")

    root = forest.boot(Child("a", Drains, args=(forest.journal,), inbox=KEEP), intensity=5)
    gate = halted(forest, root, "a")
    batches.clear()
    for message in ["x", "poison", "y"]:
        root.handle("a").tell(message)
    gate.set()
    eventually(lambda: (3, ["y"]) in batches)
    assert batches == [(1, ["x", "poison", "y"]), (2, ["x"]), (2, ["poison"]), (3, ["y"])]
    root.flush()
    assert forest.dead.all() == [("a", "poison", "poison")]


def test_an_inbox_is_an_address_for_threads(forest):
    root = forest.boot(forest.toy("a"))
    inbox = Inbox()
    root.handle("a").tell(lambda actor: inbox.tell(actor.id))
    assert inbox.get(5.0) == "a"
    with pytest.raises(TimeoutError):
        inbox.get(0.01)


def test_a_stock_pykka_reference_still_works_on_a_supervised_actor(forest):
    root = forest.boot(forest.toy("a"))
    ref = root.handle("a").ask(lambda actor: actor.actor_ref)
    assert ref.ask("hello") == "hello"
    assert ref.proxy().seen.get(timeout=5.0) == ["hello"]
    ref.tell("more")
    assert ref.ask(lambda actor: list(actor.seen)) == ["hello", "more"]
    assert pykka.ActorRegistry.get_all() == []
    with pytest.raises(Boom):
        ref.ask(boom)


def test_listeners_that_raise_or_block_do_not_hurt_the_tree(forest):
    from supervision import boot

    gate = forest.gate()

    def angry(*_):
        gate.wait(10.0)
        raise Boom("a listener")

    root = boot(supervisor("root", forest.toy("a")), on_event=angry, on_dead=angry, on_crash=angry)
    forest.roots.append(root)
    root.handle("a").tell(boom)
    eventually(lambda: root.names.incarnation("a") == 2)
    assert root.handle("a").ask("hello") == "hello"
    gate.set()
    eventually(lambda: root.counters()["listener_errors"] >= 3)
