"""From one incarnation to the next: its thread, its start in time, and who hears of it first."""

import threading

import pykka
import pytest
from toys import Boom, Toy, boom, crash, eventually, settled, states

from supervision import KEEP, Child
from supervision._latch import Latch
from supervision._life import ActorLife
from supervision._monitor import Monitor
from supervision._tree import Tree
from supervision.plan import Ending

HERE = threading.local()


class Marked(Toy):
    """Leaves a mark in its thread, and tells what marks it found there."""

    def on_start(self):
        self.found = getattr(HERE, "mark", None)
        HERE.mark = self.incarnation
        super().on_start()


def test_a_replacement_runs_in_a_thread_that_nobody_used_before(forest):
    root = forest.boot(Child("a", Marked, args=(forest.journal,)), intensity=100)
    seen = []
    for number in range(2, 8):
        root.handle("a").tell(boom)
        ask = root.handle("a").ask
        seen.append(ask(lambda a: (a.incarnation, a.found, threading.current_thread().name), retry=True))
        assert seen[-1] == (number, None, f"a#{number}")
        if number % 2:
            root.flush()  # now there is a spare again; otherwise there may be none


def test_the_first_restart_takes_the_thread_that_waits_since_boot(forest):
    root = forest.boot(forest.toy("a"))
    spare = root._tree.spares._spare
    assert spare is not None
    assert spare.name == "supervision-spare"
    root.handle("a").tell(boom)
    assert root.handle("a").ask(lambda _a: threading.current_thread() is spare, retry=True)
    assert spare.name == "a#2"


def test_who_is_answered_by_the_replacement_sees_that_it_was_restarted(forest):
    root = forest.boot(forest.toy("a"), intensity=100)
    for number in range(1, 21):
        root.handle("a").tell(boom)
        assert root.handle("a").ask(lambda a: a.incarnation, retry=True) == number + 1
        view = root.find("a")
        assert (view["state"], view["restarts"], view["incarnation"]) == ("running", number, number + 1)
        assert (view["last_exit"]["kind"], len(root.crashes("a"))) == ("crash", min(number, 20))
        root.flush()
        told = [kind for kind, id in forest.events.all() if id == "a"]
        assert told == ["child_terminated", "child_restarted"] * number


def test_a_restart_that_hangs_in_its_start_is_given_up_and_tried_again(forest):
    gate = forest.gate()

    class Sleeper(Toy):
        def recover(self):
            if self.incarnation == 2:
                gate.wait()

    root = forest.boot(Child("a", Sleeper, args=(forest.journal,), start_timeout=0.1), intensity=5)
    root.handle("a").tell(boom)
    assert root.handle("a").ask(lambda a: a.incarnation, retry=True) == 3
    assert [report.context for report in root.crashes("a")] == ["child_terminated", "start_error"]
    assert [life.incarnation for life in root._tree.zombies()] == [2]
    gate.set()  # it comes up too late: the name is not its own
    assert eventually(lambda: not root.zombies())
    assert root.names.incarnation("a") == 3
    assert root.find("a")["restarts"] == 1


def test_listeners_hear_of_an_end_while_the_replacement_takes_its_time(forest):
    # It leaves as usual: a crash would dead-letter its message, and that would wake the listeners by itself.
    gate = forest.gate()

    class Slow(Toy):
        def on_start(self):
            if self.incarnation == 2:
                gate.wait()
            super().on_start()

    root = forest.boot(Child("a", Slow, args=(forest.journal,)))
    root.flush()
    assert eventually(lambda: root._tree.sink._work.locked())
    root.handle("a").tell(lambda actor: actor.leave())
    forest.events.until_has(("child_terminated", "a"))
    assert states(root)["a"] == "starting"
    gate.set()
    forest.events.until_has(("child_restarted", "a"))


def life(tree, calls):
    life = ActorLife(Child("a", Toy), tree, 1, lambda _news: None)
    life.on_up = lambda: calls.append("up")
    return life


def test_a_start_is_either_taken_or_refused_never_both():
    tree = Tree.alone()
    late, calls = life(tree, calls := []), calls
    assert late.refuse()
    late.come_up()
    assert (calls, late.up, late.ready.is_set) == ([], False, True)
    early = life(tree, calls)
    early.come_up()
    assert (calls, early.up, early.refuse()) == (["up"], True, False)
    for _ in range(200):
        calls.clear()
        racing, refused = life(tree, calls), []
        threads = [
            threading.Thread(target=racing.come_up),
            threading.Thread(target=lambda r=racing, out=refused: out.append(r.refuse())),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refused == [not racing.up]
        assert calls == (["up"] if racing.up else [])


def test_an_abandoned_start_never_comes_up():
    calls = []
    one = life(Tree.alone(), calls)
    one.abandoned = True
    one.come_up()
    assert (calls, one.up) == ([], False)


def test_a_retried_ask_keeps_its_place_behind_what_its_sender_told_before(forest):
    root = forest.boot(forest.toy("a", inbox=KEEP), intensity=5)
    root.handle("a").tell("one")
    root.handle("a").tell(boom)
    root.handle("a").tell("two")
    seen = root.handle("a").ask(lambda a: (a.incarnation, list(a.seen)), retry=True)
    assert seen == (3, ["two"])  # the second incarnation got the poison once more, and then what waited


def test_an_ask_that_ran_out_of_time_is_not_put_to_the_next_incarnation(forest):
    root = forest.boot(forest.toy("a"))
    root.supervisor().terminate_child("a")
    with pytest.raises(pykka.Timeout):
        root.handle("a").ask(lambda a: a.seen.append("too late"), timeout=0.02, retry=True)
    root.supervisor().restart_child("a")
    assert root.handle("a").ask(lambda a: list(a.seen)) == []


def test_an_ask_that_is_interrupted_is_not_put_to_the_next_incarnation(forest, monkeypatch):
    root = forest.boot(forest.toy("a"))
    root.supervisor().terminate_child("a")
    slot = root.names.slot("a")

    def interrupted(_latch, _timeout=None):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Latch, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            root.handle("a").ask("x", retry=True)
    assert not slot.parked


def test_an_asker_of_a_crashing_actor_waits_for_an_answer_through_several_lives(forest):
    root = forest.boot(forest.toy("a"), intensity=10)
    forest.starts["a"] = [Boom(), Boom(), None]
    crash_it = root.handle("a")
    crash_it.tell(boom)
    assert crash_it.ask(lambda a: a.incarnation, retry=True) == 4


def test_a_terminated_child_keeps_those_who_wait_for_its_next_life(forest):
    root = forest.boot(forest.toy("a"), intensity=3)
    crash(root, "a")
    settled(root, ["a"])
    answers = []
    root.supervisor().terminate_child("a")
    askers = [
        threading.Thread(target=lambda: answers.append(root.handle("a").ask("hello", retry=True)))
        for _ in range(5)
    ]
    for asker in askers:
        asker.start()
    assert eventually(lambda: len(root.names.slot("a").parked) == 5)
    root.supervisor().restart_child("a")
    for asker in askers:
        asker.join(5.0)
    assert answers == ["hello"] * 5


def test_an_incarnation_that_is_given_up_before_it_begins_never_begins(forest):
    built = []
    tree = Tree.alone()
    one = ActorLife(Child("a", lambda: built.append("a")), tree, 1, lambda _news: None)
    assert one.abandon(Ending.HUNG, "not started in time")
    one.start()
    one.thread.join(5.0)
    assert (built, one.finished, one.is_zombie(), one.up) == ([], True, False, False)


def test_a_thread_that_has_not_begun_its_incarnation_is_not_interrupted(forest):
    gate, outcome = forest.gate(), []

    def wait():
        try:
            while not gate.wait(0.001):
                pass
            outcome.append("waited")
        except BaseException as error:
            outcome.append(repr(error))

    one = life(Tree.alone(), [])
    one.thread = threading.Thread(target=wait)
    one.thread.start()
    assert one.abandon(Ending.HUNG, "not started in time")
    gate.set()
    one.thread.join(5.0)
    assert outcome == ["waited"]


@pytest.fixture
def no_threads(monkeypatch):
    """A machine that gives no more threads, while the fixture's value is set."""
    start, none_left = threading.Thread.start, threading.Event()

    def refused(thread):
        if none_left.is_set():
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    yield none_left
    none_left.clear()


def test_without_threads_the_spare_carries_one_restart_and_then_the_tree_gives_up(forest, no_threads):
    root = forest.boot(*forest.toys("ab"), intensity=3)
    no_threads.set()
    root.handle("a").tell(boom)
    assert root.handle("a").ask("x", retry=True) == "x"
    root.handle("a").tell(boom)
    assert root.wait(5.0)
    assert "more than 3 restarts" in root.gave_up
    assert root.crashes("a")[-1].reason == "RuntimeError: can't start new thread"
    assert forest.journal.all()[-1] == ("down", "b")


def test_helpers_that_got_no_thread_get_one_later(forest, no_threads):
    root = forest.boot(forest.toy("a"), intensity=5)
    no_threads.set()
    root.handle("nobody").tell("lost")
    with pytest.raises(RuntimeError):
        root.timers.after(0.0, root.handle("a"), "never")
    assert root.timers.size() == 0
    root.names.slot("a").box.tell(lambda _actor: None)
    no_threads.clear()
    root.timers.after(0.0, root.handle("a"), "later")
    assert eventually(lambda: root.handle("a").ask(lambda actor: list(actor.seen)) == ["later"])
    assert root.flush(5.0)
    assert forest.dead.all() == [("nobody", "lost", "unknown")]


def test_a_hung_actor_is_given_up_although_its_fence_gets_no_thread(forest, no_threads):
    gate, fenced = forest.gate(), []

    class Fenced(Toy):
        def fence(self):
            fenced.append(self.incarnation)

    root = forest.boot(Child("a", Fenced, args=(forest.journal,), hang_after=0.05), intensity=5)
    no_threads.set()  # the spare is there for the replacement
    root.handle("a").tell(lambda _actor: gate.wait())
    assert root.handle("a").ask(lambda actor: actor.incarnation, retry=True) == 2
    assert fenced == []
    gate.set()


def test_hangs_are_watched_as_soon_as_there_is_a_thread_for_it(no_threads):
    monitor, news, calls = Monitor(), [], []
    one, two = life(Tree.alone(), calls), life(Tree.alone(), calls)
    for each in (one, two):
        each.child = Child("a", Toy, hang_after=0.01)
        each.news = news.append
        each.busy_since = 1.0  # for a very long time
    no_threads.set()
    monitor.watch(one)
    assert monitor._thread is None
    no_threads.clear()
    monitor.watch(two)
    assert eventually(lambda: len(news) == 2)
    assert {alarm.life for alarm in news} == {one, two}
    monitor.close()
