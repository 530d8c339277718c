"""A DBWriter in a tree of its own, with an inbox in the notifier's place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.db_writer import DBWriter
from foldward.contracts.facts import Fact
from foldward.contracts.messages import Write, Written
from foldward.settings import StorageTable
from supervision import KEEP, Actor, Child, Inbox, Root, boot, supervisor


class Listener(Actor):
    """Stands in for the notifier and tells an inbox."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__()
        self.inbox = inbox

    def on_receive(self, message: Any) -> None:
        self.inbox.tell(message)


@contextmanager
def writer_tree(database: Path, alarms: Inbox, **child: Any) -> Iterator[Root]:
    """child: further words of the writer's spec, e.g. hang_after."""
    settings = StorageTable(synchronous="NORMAL", busy_timeout_ms=20)
    words = {"database": database, "settings": settings}
    root = boot(
        supervisor(
            "root",
            Child("notifier", Listener, args=(alarms,)),
            Child("db_writer", DBWriter, kwargs=words, inbox=KEEP, **child),
            intensity=5,
        )
    )
    yield root
    root.stop(5)


def ask(root: Root, fact: Fact, **fields: Any) -> Written:
    """Have a fact written; the writer's answer."""
    inbox = Inbox()
    root.names.lookup("db_writer").tell(Write(fact=fact, reply_to=inbox, tag="t", **fields))
    answer: Written = inbox.get(5)
    return answer
