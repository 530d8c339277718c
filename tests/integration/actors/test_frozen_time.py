"""The real tree, with real threads, under a frozen clock: hours in milliseconds."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from foldward.contracts.jobs import Result
from foldward.testing.fake_link import FakeLink
from foldward.testing.queue_tree import Obedient, add_strategies, queue_tree, submit
from foldward.wire import dumps
from storage.reads import Reader
from supervision import boot

pytestmark = pytest.mark.slow


def until(condition: Callable[[], Any]) -> None:
    """Wait for it in real time."""
    pause = threading.Event()
    for _ in range(4000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it did not happen in 20 s of real time")


def test_deadlines_backoff_and_a_peers_wish_pass_in_a_moment(tmp_path: Path) -> None:
    links: list[FakeLink] = []

    def make(sink: Any) -> FakeLink:
        links.append(FakeLink(sink))
        return links[-1]

    begun = time.monotonic()
    with freeze_time("2026-01-01T00:00:00Z") as frozen, Reader(tmp_path / "foldward.db") as reader:
        root = boot(queue_tree(tmp_path / "foldward.db", make))
        try:
            add_strategies(root, ["s0"])
            peer = links[0].connect("w1")
            (item,) = submit(root, ["s0"])
            peer.take()

            def row() -> Any:
                return reader.request(item.request_id)

            frozen.tick(119.9)
            pause = threading.Event()
            pause.wait(0.15)  # the real timers have looked several times
            assert (row().status, row().failures) == ("sent", 0)
            frozen.tick(0.2)
            until(lambda: row().failures == 1)
            frozen.tick(2.1)
            peer.take()
            peer.answer(
                dumps(Result(request_id=item.request_id, error="data is being built", retry_after=7200.0))
            )
            until(lambda: row().failures == 2)
            frozen.tick(7199.0)
            pause.wait(0.15)
            assert row().status == "retry"
            frozen.tick(1.2)
            until(lambda: row().status == "sent")
            assert row().sends == 3
            peer.leave()
            Obedient(links[0], "w2")

            def answered_after_the_grace() -> bool:
                frozen.tick(0.3)  # again and again: the grace begins when the loss is heard of
                return reader.result(item.request_id) is not None

            until(answered_after_the_grace)
        finally:
            root.stop(5.0)
    assert time.monotonic() - begun < 15.0
