"""The DBWriter: who is answered what and when, and what waits while the disk refuses."""

import msgspec
import pytest
from freezegun import freeze_time
from writer_tree import ask, writer_tree

from actors._letters import AT_ONCE
from actors._write_desk import WriteDesk
from actors.db_writer import FOLD_EVERY, DBWriter, LettersDue, retention
from foldward.contracts.errors import StorageError
from foldward.contracts.facts import AdmitRequest, CountUp, HoldDeadLetter, Prune, SetMeta
from foldward.contracts.messages import Tick, Write, Written
from foldward.settings import RetentionTable, StorageTable
from storage.reads import Reader
from supervision import Child, Inbox, StartFailed, boot, supervisor

T0 = 1_770_000_000_000_000


class Said(msgspec.Struct):
    ok: bool
    value: object = None
    code: str | None = None
    error: str | None = None


class Store:
    """A store whose disk can be told to refuse."""

    def __init__(self):
        self.code = None
        self.batches = []

    def apply(self, facts):
        if self.code:
            return [Said(False, None, self.code, "no space left")] * len(facts)
        self.batches.append([fact.key for fact in facts if isinstance(fact, SetMeta)])
        return [Said(True, f"wrote {getattr(fact, 'key', '?')}") for fact in facts]


def write(key, sender="-", incarnation=0):
    return Write(
        fact=SetMeta(key=key, value="1"), reply_to=key, tag=key, sender=sender, incarnation=incarnation
    )


def admit():
    fact = AdmitRequest(
        request_id="r", name="a", kind="oos", digest="d", payload=b"{}", requested_us=T0, due_us=T0
    )
    return Write(fact=fact, reply_to="asker", tag="admit")


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def desk(store):
    return WriteDesk(store, 2, {"oos_queue": 3}.get)


def told(replies):
    return [(reply.to, reply.message.ok, reply.message.code) for reply in replies]


def test_each_write_is_answered_at_its_address_with_its_tag(desk):
    (reply,) = desk.take([write("a")])
    assert reply == ("a", Written(tag="a", fact=SetMeta(key="a", value="1"), ok=True, value="wrote a"))


def test_a_transaction_holds_no_more_than_the_batch(desk, store):
    desk.take([write(key) for key in "abcde"])
    assert store.batches == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize(
    ("sender", "incarnation", "passes"),
    [
        ("oos_queue", 2, False),
        ("oos_queue", 3, True),
        ("oos_queue", 4, True),
        ("gone", 1, True),
        ("-", 0, True),
    ],
)
def test_a_replaced_incarnation_cannot_write(sender, incarnation, passes, desk, store):
    (reply,) = desk.take([write("a", sender, incarnation)])
    assert reply.message.ok is passes
    assert reply.message.code == (None if passes else "storage.fenced")
    assert store.batches == ([["a"]] if passes else [])


@pytest.mark.parametrize("code", ["storage.disk_full", "storage.io", "storage.busy"])
def test_while_the_disk_refuses_nobody_hears_anything_false(code, desk, store):
    store.code = code
    assert desk.take([write("a"), write("b"), write("c")]) == []
    assert (desk.kept, desk.trouble) == (3, (code, "no space left"))
    assert desk.retry() == []
    store.code = None
    assert told(desk.retry()) == [("a", True, None), ("b", True, None), ("c", True, None)]
    assert store.batches == [["a", "b"], ["c"]]
    assert (desk.kept, desk.trouble) == (0, None)


def test_new_work_is_refused_at_once_while_the_disk_is_full(desk, store):
    store.code = "storage.disk_full"
    assert told(desk.take([write("a"), admit()])) == [("asker", False, "storage.disk_full")]
    assert told(desk.take([admit()])) == [("asker", False, "storage.disk_full")]
    assert desk.kept == 1


def test_nothing_overtakes_what_waits(desk, store):
    store.code = "storage.disk_full"
    desk.take([write("a")])
    store.code = None
    assert desk.take([write("b")]) == []
    assert [to for to, _, _ in told(desk.retry())] == ["a", "b"]


def test_a_disk_that_fills_up_between_two_batches_keeps_the_rest(desk, store):
    apply, calls = store.apply, []

    def second_fails(facts):
        calls.append(len(facts))
        store.code = "storage.disk_full" if len(calls) == 2 else None
        return apply(facts)

    store.apply = second_fails
    assert [to for to, _, _ in told(desk.take([write(key) for key in "abcde"]))] == ["a", "b"]
    assert [to for to, _, _ in told(desk.retry())] == ["c", "d", "e"]
    assert calls == [2, 2, 2, 1]


def test_damage_is_answered_for_it_does_not_pass(desk, store):
    store.code = "storage.corrupt"
    assert told(desk.take([write("a")])) == [("a", False, "storage.corrupt")]
    assert desk.kept == 0


def test_at_the_end_whoever_waits_hears_that_nothing_was_stored(desk, store):
    store.code = "storage.disk_full"
    desk.take([write("a")])
    assert told(desk.give_up()) == [("a", False, "storage.disk_full")]
    assert desk.kept == 0


def test_retention_counts_back_from_now():
    settings = StorageTable(retention=RetentionTable(error_days=1, events_days=2))
    rounds = retention(settings, T0)
    assert [fact.what for fact in rounds] == [
        "error_rows",
        "cancelled_rows",
        "trade_lists",
        "dead_letters",
        "events",
    ]
    assert rounds[0] == Prune(what="error_rows", before_us=T0 - 86_400_000_000, limit=1000)
    assert rounds[4].before_us == T0 - 2 * 86_400_000_000


# --- the actor in a tree


@pytest.fixture
def alarms():
    return Inbox()


@pytest.fixture
def tree(tmp_path, alarms):
    with writer_tree(tmp_path / "foldward.db", alarms) as root:
        yield root


def test_the_actor_creates_the_file_and_answers_after_the_commit(tree, tmp_path):
    answer = ask(tree, SetMeta(key="paused", value="1"))
    assert (answer.tag, answer.ok, answer.value) == ("t", True, True)
    with Reader(tmp_path / "foldward.db") as reader:
        assert reader.meta("paused") == "1"


def test_what_was_told_before_a_stop_is_written(tree, tmp_path):
    writer = tree.names.lookup("db_writer")
    for _ in range(300):
        writer.tell(Write(fact=CountUp(counts={"throttled": 1})))
    tree.stop(5)
    with Reader(tmp_path / "foldward.db") as reader:
        assert reader.counters()["throttled"] == 300


def test_a_bad_address_costs_nobody_else_an_answer(tree):
    writer = tree.names.lookup("db_writer")
    writer.tell(Write(fact=CountUp(counts={"throttled": 1}), reply_to="no address"))
    assert ask(tree, SetMeta(key="after", value="1")).ok
    assert tree.names.incarnation("db_writer") == 1


def test_a_crashed_writer_lets_its_successor_in(tree, tmp_path, monkeypatch):
    take, calls = WriteDesk.take, []

    def once(desk, writes):
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError("a bug of ours")
        return take(desk, writes)

    monkeypatch.setattr(WriteDesk, "take", once)
    inbox = Inbox()
    writer = tree.names.lookup("db_writer")
    writer.tell(Write(fact=SetMeta(key="after", value="1"), reply_to=inbox, tag="t"))
    assert inbox.get(5).ok
    assert tree.names.incarnation("db_writer") >= 2
    with Reader(tmp_path / "foldward.db") as reader:
        assert reader.meta("after") == "1"


def test_a_second_writer_on_the_same_file_does_not_start(tree, tmp_path):
    settings = StorageTable(synchronous="NORMAL")
    kwargs = {"database": tmp_path / "foldward.db", "settings": settings}
    with pytest.raises(StartFailed, match="already has a writer"):
        boot(supervisor("other", Child("db_writer", DBWriter, kwargs=kwargs)))


# --- idle time, driven by hand


def write_to(address):
    return Write(fact=SetMeta(key="k", value="1"), reply_to=address)


@pytest.fixture
def freezer():
    with freeze_time("2026-02-02T00:00:00Z") as frozen:
        yield frozen


@pytest.fixture
def actor(tmp_path):
    actor = DBWriter(database=tmp_path / "foldward.db", settings=StorageTable(synchronous="NORMAL"))
    actor.recover()
    yield actor
    actor.on_stop()


def test_idle_time_begins_a_tick_after_the_last_write(actor, freezer):
    actor.drain([write_to(None), Tick()])
    assert actor.wal_bytes == 0
    actor.drain([Tick()])
    assert actor.wal_bytes > 0


def test_retention_is_one_small_batch_an_idle_tick(actor, freezer):
    actor.on_start()
    actor.drain([Tick()])
    assert actor._rounds == []
    freezer.tick(61)
    left = []
    for _ in range(6):
        actor.drain([Tick()])
        left.append([fact.what for fact in actor._rounds])
    assert left[0] == ["cancelled_rows", "trade_lists", "dead_letters", "events"]
    assert left[4] == left[5] == []


def test_trouble_and_its_end_are_told_once_each(actor, monkeypatch):
    told = []
    monkeypatch.setattr(actor, "notify", lambda key, title, body, severity: told.append((severity, body)))
    apply = actor._writer.apply
    actor._desk._store = Store()
    actor._desk._store.code = "storage.disk_full"
    actor.drain([write_to(None)])
    actor.drain([Tick()])
    actor.drain([Tick()])
    actor._desk._store.code = None
    actor.drain([Tick()])
    assert told == [
        ("critical", "storage.disk_full: no space left; 1 writes wait and are tried again"),
        ("info", "3 commits had failed"),
    ]
    assert apply([CountUp(counts={"db_error": 0})])[0].ok
    with Reader(actor._database) as reader:
        assert reader.counters()["db_error"] == 3


def test_damage_is_told_once_and_every_write_answered(actor, monkeypatch):
    told, inbox = [], Inbox()
    monkeypatch.setattr(actor, "notify", lambda key, title, body, severity: told.append((key, severity)))
    actor._desk._store = Store()
    actor._desk._store.code = "storage.corrupt"
    actor.drain([write_to(inbox)])
    actor.drain([write_to(inbox)])
    assert told == [("storage.corrupt", "critical")]
    assert [answer.code for answer in inbox.take()] == ["storage.corrupt"] * 2


def test_a_checkpoint_that_fails_is_told(actor, monkeypatch):
    told = []
    monkeypatch.setattr(actor, "notify", lambda key, title, body, severity: told.append(severity))

    def failing():
        raise StorageError("storage.io", "disk I/O error")

    monkeypatch.setattr(actor._writer, "checkpoint", failing)
    actor.drain([Tick()])
    assert told == ["critical"]


# --- dead letters wait for good work


def letter(number, address=None):
    fact = HoldDeadLetter(
        reason="schema", code="wire.missing_field", error="", payload=b"%d" % number, at_us=T0 + number
    )
    return Write(fact=fact, reply_to=address, tag=number)


@pytest.fixture
def applied(actor, monkeypatch):
    """What each transaction held; no timer is armed."""
    apply, seen = actor._writer.apply, []

    def watched(facts):
        seen.append([getattr(fact, "key", None) or int(fact.payload) for fact in facts])
        return apply(facts)

    monkeypatch.setattr(actor._writer, "apply", watched)
    monkeypatch.setattr(actor, "after", lambda seconds, message: seen.append(type(message)))
    return seen


def flood(actor, applied):
    """Use up what may go at once; one step of them folds the log."""
    for number in range(AT_ONCE + 1):
        actor.drain([letter(1000 + number)])
    actor.drain([LettersDue()])
    applied.clear()


def test_good_work_has_a_commit_of_its_own_before_the_letters(actor, applied, freezer):
    actor.drain([letter(1), write_to(None), letter(2)])
    assert applied == [["k"], LettersDue]
    freezer.tick(0.0031)  # nobody is in the middle of something
    actor.drain([LettersDue()])
    assert applied == [["k"], LettersDue, [1, 2]]


def test_many_letters_go_together_and_good_work_between_them_waits_for_none(actor, applied, freezer):
    flood(actor, applied)
    inbox = Inbox()
    for number in range(5):
        actor.drain([letter(number, inbox)])
    actor.drain([write_to(None)])
    assert applied == [LettersDue, ["k"]]
    assert inbox.take() == []
    freezer.tick(0.021)
    actor.drain([LettersDue()])
    assert applied == [LettersDue, ["k"], [0, 1, 2, 3, 4]]
    assert [(answer.tag, answer.ok) for answer in inbox.take()] == [(number, True) for number in range(5)]


def test_the_log_is_folded_beside_the_letters_not_at_the_commit_of_an_answer(
    actor, applied, freezer, monkeypatch
):
    fold = actor._writer.fold
    monkeypatch.setattr(actor._writer, "fold", lambda: (applied.append("fold"), fold()))
    for number in range(FOLD_EVERY + 1):
        actor.drain([letter(number)])
    assert applied == [*([number] for number in range(FOLD_EVERY)), "fold", LettersDue]
    actor.drain([LettersDue(), write_to(None)])
    assert applied[-2:] == [["k"], LettersDue]
    freezer.tick(0.0031)
    actor.drain([LettersDue()])
    assert applied[-1] == [FOLD_EVERY]


def test_letters_that_wait_at_a_stop_are_written(actor, applied, freezer):
    flood(actor, applied)
    inbox = Inbox()
    actor.drain([letter(1, inbox)])
    actor.on_stop()
    assert [answer.ok for answer in inbox.take()] == [True]
    with Reader(actor._database) as reader:
        assert reader.dead_counts()["held"] == AT_ONCE + 2


def test_letters_that_wait_at_a_crash_are_refused_but_those_being_handled_come_again(
    actor, applied, freezer, monkeypatch
):
    flood(actor, applied)
    inbox = Inbox()
    actor.drain([letter(1, inbox)])

    def crash(writes):
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr(actor._desk, "take", crash)
    with pytest.raises(ZeroDivisionError):
        actor.drain([letter(2, inbox), write_to(inbox)])
    actor.on_failure()
    assert [(answer.tag, answer.ok, answer.code) for answer in inbox.take()] == [(1, False, "storage.fenced")]


def test_while_the_disk_refuses_letters_are_kept_like_all_else(actor, freezer, monkeypatch):
    monkeypatch.setattr(actor, "notify", lambda *_words: None)
    actor._desk._store = Store()
    actor._desk._store.code = "storage.disk_full"
    inbox = Inbox()
    actor.drain([letter(1, inbox)])
    actor.drain([letter(2, inbox)])
    assert (actor._desk.kept, inbox.take()) == (2, [])
    actor._desk._store.code = None
    actor.drain([Tick()])
    assert [answer.ok for answer in inbox.take()] == [True, True]
