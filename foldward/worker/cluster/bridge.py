"""The bridge: core's worker on one side, a Ray cluster's driver on the other.

One thread talks to core and to Ray. A request stays in the book until its answer is sent, so whatever happens
to a task, a process or a node of the cluster, it goes out again; when the bridge itself dies, core's leases
come back as those of any worker.
"""

from __future__ import annotations

import os
import queue
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import ray
from loguru import logger
from ray import exceptions as broken

from foldward.contracts import clock
from foldward.contracts.errors import ConfigError, WireError
from foldward.contracts.jobs import Backtest
from foldward.wire import dumps, encoding_of, loads
from foldward.worker._limits import Parent
from foldward.worker.cluster.book import Book, Cause, GivenUp, Item, Task
from foldward.worker.cluster.node import Computed, Refused, Setup, compute, ready, series_of
from foldward.worker.life import STOP_S, LastWords, Life
from foldward.worker.runner import failed

if TYPE_CHECKING:
    from foldward.data.cache import Cache
    from foldward.wire.links import WorkerPort

AHEAD = 2  # tasks a CPU: one runs, one waits beside it
SHARED = 64  # series in the cluster's shared memory at once
CPUS_S = 5.0  # how often the cluster is asked how many CPUs it has


def join(address: str, worker: str) -> bool:
    """Connect to a cluster: `host:port` or `auto`; `local` or `local:N` starts one of N CPUs on this machine.

    Returns whether it was started here. Raises ConfigError config.usage when there is none.
    """
    kind, _, count = address.partition(":")
    options: dict[str, Any] = {"log_to_driver": False, "namespace": f"foldward-{worker}"}
    try:
        if kind == "local":
            cpus = int(count) if count else os.cpu_count() or 1
            ray.init("local", num_cpus=cpus, include_dashboard=False, **options)
        else:
            ray.init(address, **options)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        first = str(error).strip().partition("\n")[0]
        raise ConfigError(
            "config.usage",
            f"--cluster {address}: {first}",
            hint="start one with `ray start --head`, or use --cluster local",
        ) from error
    return kind == "local"


def cpus() -> int:
    """CPUs of the nodes that are alive."""
    return int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]


class Bridge(Life):
    """See the module. `run` returns the exit code: 0 stopped, 1 a node would give other numbers."""

    what = "bridge"

    def __init__(
        self,
        wire: WorkerPort,
        cache: Cache,
        setup: Setup,
        *,
        id: str,
        version: str = "",
        parent: Parent | None = None,
        local: bool = True,
    ) -> None:
        super().__init__(wire, id=id, version=version, parent=parent, local=local)
        self._cache = cache
        self.book = Book(AHEAD * max(1, cpus()))
        logger.info("the cluster of bridge {} has {} CPUs", id, self.book.slots // AHEAD)
        self._setup = setup
        self._setup_ref = ray.put(setup)
        # Another attempt is the book's decision: it knows what a dead process says about a request.
        self._compute = ray.remote(num_cpus=1, max_retries=0)(compute)
        self._shared: OrderedDict[str, Any] = OrderedDict()
        self._refs: dict[int, Any] = {}
        self._ended: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        wire.watch(self._bell)
        self._counted_at = clock.now()
        self.lost = 0

    def turn(self) -> None:
        """Take what has come, answer for what has ended, send out what fits."""
        self._take(self.poll(250))
        self._settle()
        self._submit()
        self._look_around()

    def finish(self) -> None:
        """The running tasks may finish for a moment; the rest goes back with the goodbye."""
        while self.book.tasks and self.stopping_for() < STOP_S:
            self.wire.poll(50)
            self._settle()
        for ref in self._refs.values():
            ray.cancel(ref, force=True)

    def held(self) -> int:
        """What waits, and what is in tasks."""
        return self.book.waiting + self.book.out

    def figures(self) -> dict[str, float]:
        """Tasks that are out, tasks that were lost, CPUs of the cluster."""
        return {
            "sent": float(self.done),
            "tasks": float(self.book.tasks),
            "tasks_lost": float(self.lost),
            "cpus": float(self.book.slots // AHEAD),
        }

    def check(self, last_words: LastWords) -> None:
        """A dead parent, or a stop that takes too long."""
        if self.parent is not None and self.parent.gone():
            self.stop("core is gone")
        if self.local and self.stopping_for() > 2 * STOP_S:
            self.leave_now(last_words)

    # --- from core -----------------------------------------------------------------------------------------

    def _take(self, arrived: list[tuple[str, bytes]]) -> None:
        self.book.take(Item(request_id, raw, _series_named(raw)) for request_id, raw in arrived)

    # --- to the cluster ------------------------------------------------------------------------------------

    def _submit(self) -> None:
        while (task := self.book.next()) is not None:
            try:
                series = [self._share(fingerprint) for fingerprint in task.series]
                items = [(item.request_id, item.raw) for item in task.items]
                ref = self._compute.remote(self._setup_ref, items, *series)
            except broken.RayError as error:
                self._lose(task.number, "node", str(error))
                return  # the next turn tries again
            self._refs[task.number] = ref
            self._follow(task, ref)

    def _share(self, fingerprint: str) -> Any:
        known = self._shared.get(fingerprint)
        if known is None:
            while len(self._shared) >= SHARED:
                self._shared.popitem(last=False)  # tasks that are out hold references of their own
            series = series_of(fingerprint, self._cache)
            known = ray.put(series)
            if series.columns is None:
                return known  # it may be there the next time
            self._shared[fingerprint] = known
        else:
            self._shared.move_to_end(fingerprint)
        return known

    def _follow(self, task: Task, ref: Any) -> None:
        def ended(future: Any) -> None:
            self._ended.put((task.number, future))
            os.eventfd_write(self._bell, 1)

        ref.future().add_done_callback(ended)

    # --- from the cluster ----------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Answer for the tasks that have ended."""
        answers: list[bytes] = []
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            return
        while not self._ended.empty():
            number, future = self._ended.get()
            self._refs.pop(number, None)
            error = future.exception()
            if error is not None:
                answers += self._lose(number, _cause(error), _words(error))
                continue
            said: Computed | Refused = future.result()
            if isinstance(said, Refused):
                # Its numbers would be another engine's; which tasks it gets, the cluster decides.
                logger.error("the cluster has a node that cannot work for this core: {}", said.why)
                answers += self._lose(number, "node", said.why)
                self.stop("a node of the cluster differs", 1)
                continue
            answers += said.answers
            self.book.done(number, said.seconds)
        if answers:
            self.wire.results(answers)
            self.done += len(answers)

    def _lose(self, number: int, cause: Cause, why: str) -> list[bytes]:
        self.lost += 1
        logger.warning("a task of the cluster is lost ({}): {}", cause, why)
        return [answer for gone in self.book.lost(number, cause, why) if (answer := _refusal(gone, self.id))]

    # --- time ----------------------------------------------------------------------------------------------

    def _look_around(self) -> None:
        now = clock.now()
        if now - self._counted_at >= CPUS_S:
            self._counted_at = now
            self.book.slots = AHEAD * max(1, cpus())
        if self.orphaned():
            self.stop("core is gone")


def require_same_nodes(setup: Setup) -> None:
    """Prepare a process on every node and compare it with this one. Raises WireError wire.unsupported."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(num_cpus=0, max_retries=2)(ready)
    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    asked = [
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(setup)
        for node in alive
    ]
    try:
        wrong = [why for why in ray.get(asked) if why]
    except broken.RayTaskError as error:
        wrong = [_words(error)]
    except broken.RayError as error:  # a node that died meanwhile has nothing to say
        logger.warning("a node of the cluster did not answer: {}", error)
        return
    if wrong:
        raise WireError(
            "wire.unsupported",
            message=f"the cluster would give other numbers: {'; '.join(wrong)}",
            hint="install the same foldward and the same kinds on every node",
        )


def _series_named(raw: bytes) -> tuple[str, ...]:
    """Fingerprints that a request reads; none for one that cannot be read: the node says what is wrong."""
    try:
        job = loads(raw)
    except WireError:
        return ()
    if not isinstance(job, Backtest):
        return ()
    named = (job.data_id, *(job.aux_data_ids or {}).values())
    return tuple(dict.fromkeys(name for name in named if name is not None))


def _refusal(gone: GivenUp, worker: str) -> bytes | None:
    try:
        job = loads(gone.item.raw)
    except WireError:
        return None  # it cannot have run: its lease runs out
    if not isinstance(job, Backtest):
        return None
    answered = failed(job, gone.code, gone.message)
    logger.error("{} of {}: {}", job.phase, job.strategy.name, gone.message)
    return dumps(answered, encoding_of(gone.item.raw)) if worker else None


def _cause(error: BaseException) -> Cause:
    if isinstance(error, broken.OutOfMemoryError):
        return "memory"
    if isinstance(error, broken.WorkerCrashedError | broken.RayTaskError):
        return "process"
    return "node"


def _words(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if isinstance(error, broken.RayTaskError) and lines else lines[0] if lines else ""
    return f"{type(error).__name__}: {last}"[:500]
