"""The queue's tree in a process of its own, spoken to in lines of JSON; for tests that hurt its disk.

    python queue_process.py DATABASE [STORAGE SETTINGS AS JSON]

in:  {"submit": [names]}, {"work": true} (connects a peer that answers whatever it gets), {"look": true},
     {"stop": true}
out: {"outcomes": [[name, status, request_id, code]]}, {"applied": request_id}, {"alarm": [key, severity]},
     {"look": {"wal_bytes", "kept"}}, {"ready": true}
"""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from pathlib import Path
from typing import Any

from actors.db_writer import DBWriter
from foldward.contracts.messages import Notify, Settled
from foldward.settings import Settings
from foldward.testing.fake_link import FakeLink
from foldward.testing.queue_tree import Bystander, Obedient, add_strategies, queue_tree, submit
from supervision import Child, boot

_out = threading.Lock()
NAMES = [f"s{number}" for number in range(3000)]


def say(**what: Any) -> None:
    """One line; the parent may be gone."""
    with _out:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


def heard(message: Any) -> None:
    """What bystanders hear. Applied requests are told once, by the reporter's place among them."""
    if isinstance(message, Settled) and message.state == "applied":
        say(applied=message.request_id)
    elif isinstance(message, Notify):
        say(alarm=[message.key, message.severity])


def with_ears(tree: Child) -> Child:
    """The tree with a notifier that is heard."""
    if tree.id == "notifier":
        return Child("notifier", Bystander, kwargs={"heard": heard})
    if tree.nest is None:
        return tree
    children = tuple(map(with_ears, tree.nest.children))
    return dataclasses.replace(tree, nest=dataclasses.replace(tree.nest, children=children))


def main(database: Path, storage: dict[str, Any]) -> None:
    """See the module."""
    links: list[FakeLink] = []

    def make(sink: Any) -> FakeLink:
        links.append(FakeLink(sink))
        return links[-1]

    writers: list[DBWriter] = []
    start = DBWriter.recover

    def recover(self: DBWriter) -> None:
        writers.append(self)
        start(self)

    DBWriter.recover = recover  # type: ignore[method-assign]
    # Nobody answers late here, so nobody is waited for after a start.
    settings = Settings(storage=storage, queue={"grace_s": 0.1})
    root = boot(with_ears(queue_tree(database, make, settings=settings, heard=heard)))
    add_strategies(root, NAMES)
    say(ready=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "submit" in order:
            items = submit(root, order["submit"], now=True)
            say(outcomes=[[item.name, item.status, item.request_id, item.code] for item in items])
        elif "work" in order:
            Obedient(links[-1], capacity=100)
        elif "look" in order:
            desk = writers[-1]._desk
            say(look={"wal_bytes": writers[-1].wal_bytes, "kept": desk.kept, "failures": desk.failures})
        else:
            break
    root.stop(5.0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]) if len(sys.argv) > 2 else {})
