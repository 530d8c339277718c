"""The Console comes back after a crash, although the server of the one before has threads of its own."""

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import until

from actors.notifier import Notifier
from foldward.console.server import Console
from foldward.settings import NotifyTable
from supervision import KEEP, Child, Root, boot, inspect, supervisor

pytestmark = pytest.mark.slow


class Brittle(Console):
    """Crashes on request."""

    def on_receive(self, message: Any) -> Any:
        if message == "crash":
            raise RuntimeError("on purpose")
        return super().on_receive(message)


@pytest.fixture
def socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        yield Path(folder) / "inspect.sock"


def test_a_crashed_console_answers_again_on_the_same_path(socket: Path) -> None:
    roots: list[Root] = []
    core = {"run_id": "r", "seed": 0, "config_snapshot": {"version": 1, "hash": "sha256:0"}}
    kwargs = {"socket": socket, "root": lambda: roots[0] if roots else None, "core": core}
    console = Child("console", Brittle, kwargs=kwargs, inbox=KEEP)
    roots.append(boot(supervisor("watch", console, intensity=3, period=60.0)))
    try:
        until(lambda: answers(socket, 1))
        roots[0].handle("console").tell("crash")  # twice: a poison message goes once to the next incarnation
        until(lambda: answers(socket, 3))
    finally:
        roots[0].stop(5.0)
    assert not socket.exists()


def answers(socket: Path, at_least: int) -> bool:
    try:
        tree = inspect.Client(str(socket)).call("tree", timeout=2.0)
    except (OSError, TimeoutError):
        return False
    return bool(tree["children"][0]["incarnation"] >= at_least)


def test_a_crashed_notifier_leaves_no_sending_thread_behind() -> None:
    def couriers() -> int:
        return sum("courier" in thread.name for thread in threading.enumerate())

    class Frail(Notifier):
        def on_receive(self, message: Any) -> Any:
            if message == "crash":
                raise RuntimeError("on purpose")
            return super().on_receive(message)

    kwargs = {"settings": NotifyTable(), "send": lambda notice: None}
    root = boot(supervisor("memory", Child("notifier", Frail, kwargs=kwargs), intensity=3, period=60.0))
    try:
        before = couriers()
        assert before >= 1
        root.handle("notifier").tell("crash")
        until(lambda: root.names.incarnation("notifier") == 2 and couriers() == before)
    finally:
        root.stop(5.0)
