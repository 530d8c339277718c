"""Which requests wait, which are out in which task, and what the end of a task makes of them. Pure.

A task that is lost with its node, or whose process dies, says nothing about its requests: they go out again.
Only a request that kills its process three times while it is alone in its task is given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

MOST = 50  # requests in one task
BATCH_S = 0.5  # and no more than this much work: an answer waits for the rest of its task
DEATHS = 3  # processes that die on one request before it is given up; the same limit as core's for workers
LOSSES = 100  # tasks lost with their nodes before the cluster, not the request, is to blame

Cause = Literal["node", "process", "memory"]


@dataclass
class Item:
    """One request: its bytes, the series it reads, and what happened to the tasks that it was in."""

    request_id: str
    raw: bytes
    series: tuple[str, ...] = ()
    deaths: int = 0
    losses: int = 0
    alone: bool = False


@dataclass
class Task:
    """Requests that go out together."""

    number: int
    items: list[Item]
    series: tuple[str, ...] = field(default=())


class GivenUp(NamedTuple):
    """A request that is answered without a result."""

    item: Item
    code: str
    message: str


class Book:
    """See the module. `slots`: tasks that may be out at once (one running and one ahead a CPU)."""

    def __init__(self, slots: int, *, most: int = MOST, batch_s: float = BATCH_S) -> None:
        self.slots = max(1, slots)
        self._most = most
        self._batch_s = batch_s
        self._waiting: deque[Item] = deque()
        self._out: dict[int, Task] = {}
        self._numbers = 0
        self._mean_s: float | None = None

    @property
    def waiting(self) -> int:
        """Requests that are in no task."""
        return len(self._waiting)

    @property
    def out(self) -> int:
        """Requests that are in a task."""
        return sum(len(task.items) for task in self._out.values())

    @property
    def tasks(self) -> int:
        """Tasks that are out."""
        return len(self._out)

    def take(self, items: Iterable[Item]) -> None:
        """Requests that have arrived."""
        self._waiting.extend(items)

    def next(self) -> Task | None:
        """The next task to send; None when nothing waits or every slot is taken.

        What waits is spread over the free slots, so that few requests keep all CPUs busy and many cost one
        task for dozens. A request under suspicion goes alone.
        """
        free = self.slots - len(self._out)
        if free <= 0 or not self._waiting:
            return None
        size = min(-(-len(self._waiting) // free), self._limit())
        items = [self._waiting.popleft()]
        while not items[0].alone and len(items) < size and not self._waiting[0].alone:
            items.append(self._waiting.popleft())
            if not self._waiting:
                break
        self._numbers += 1
        series = tuple(sorted({name for item in items for name in item.series}))
        task = self._out[self._numbers] = Task(self._numbers, items, series)
        return task

    def done(self, number: int, seconds: float) -> list[Item]:
        """The task has answered; `seconds` is how long it computed."""
        task = self._out.pop(number)
        each = seconds / max(1, len(task.items))
        self._mean_s = each if self._mean_s is None else 0.8 * self._mean_s + 0.2 * each
        return task.items

    def lost(self, number: int, cause: Cause, why: str) -> list[GivenUp]:
        """The task will not answer: its requests wait again, first in the row; those given up come back."""
        task = self._out.pop(number)
        alone = len(task.items) == 1
        given_up: list[GivenUp] = []
        again: list[Item] = []
        for item in task.items:
            if cause == "node":
                item.losses += 1
            else:
                item.deaths += alone
                item.alone = True
            if item.deaths >= DEATHS:
                code = "engine.memory" if cause == "memory" else "supervision.crash_loop"
                message = f"{item.deaths} processes of the cluster died on it; the last: {why}"
                given_up.append(GivenUp(item, code, message))
            elif item.losses >= LOSSES:
                message = f"lost with {item.losses} nodes; the last: {why}"
                given_up.append(GivenUp(item, "supervision.worker_lost", message))
            else:
                again.append(item)
        self._waiting.extendleft(reversed(again))
        return given_up

    def _limit(self) -> int:
        if not self._mean_s:
            return self._most
        return max(1, min(self._most, int(self._batch_s / self._mean_s)))
