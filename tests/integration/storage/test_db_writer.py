"""The DBWriter in a tree when the file is held by another, and when its thread hangs."""

import pytest
from writer_tree import ask, writer_tree

from foldward.contracts.facts import AdmitRequest, LeaseRequest, SetMeta
from foldward.contracts.messages import Notify, Write
from storage.reads import Reader
from supervision import Inbox

T0 = 1_770_000_000_000_000


@pytest.fixture
def alarms():
    return Inbox()


@pytest.fixture
def tree(tmp_path, alarms):
    with writer_tree(tmp_path / "foldward.db", alarms, hang_after=0.3) as root:
        yield root


@pytest.mark.slow
def test_a_busy_file_is_waited_for_and_the_operator_told(tree, tmp_path, alarms):
    import apsw

    assert ask(tree, SetMeta(key="first", value="1")).ok
    other = apsw.Connection(str(tmp_path / "foldward.db"))
    other.execute("BEGIN IMMEDIATE")
    inbox = Inbox()
    tree.names.lookup("db_writer").tell(Write(fact=SetMeta(key="late", value="1"), reply_to=inbox, tag="t"))
    alarm = alarms.get(5)
    assert isinstance(alarm, Notify)
    assert (alarm.key, alarm.severity) == ("storage.trouble", "critical")
    refused = ask(
        tree,
        AdmitRequest(
            request_id="r", name="a", kind="oos", digest="d", payload=b"{}", requested_us=T0, due_us=T0
        ),
    )
    assert (refused.ok, refused.code) == (False, "storage.busy")
    assert len(inbox) == 0
    other.execute("ROLLBACK")
    other.close()
    assert inbox.get(10).ok
    assert alarms.get(5).severity == "info"
    with Reader(tmp_path / "foldward.db") as reader:
        assert (reader.meta("late"), reader.counters()["db_error"] >= 1) == ("1", True)


@pytest.mark.slow
def test_a_hung_writer_is_replaced_and_stores_nothing(tree, tmp_path, monkeypatch):
    from storage.writes import WRITES

    def endless(session, fact):
        session.execute(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
        )

    monkeypatch.setitem(WRITES, LeaseRequest, endless)
    hang = LeaseRequest(request_id="r", worker="w", sent_us=T0, deadline_us=T0)
    writer = tree.names.lookup("db_writer")
    writer.tell(Write(fact=SetMeta(key="with the hang", value="1")))
    writer.tell(Write(fact=hang))
    deadline = 0
    while tree.names.incarnation("db_writer") in (None, 1) and deadline < 200:
        deadline += 1
        tree.names.wait_change("db_writer", 1, 0.05)
    monkeypatch.undo()
    answer = ask(tree, SetMeta(key="after", value="1"))
    assert answer.ok
    with Reader(tmp_path / "foldward.db") as reader:
        assert reader.meta("after") == "1"
