"""What an operator can ask a running core for, over its inspection socket: plain JSON in, plain JSON out.

Each verb tells one message to one actor and waits for its answer in the server's own thread, so a slow actor
delays its asker and nobody else. Arguments are checked here, at the border.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from loguru import logger

from actors._snapshots import memory
from foldward.backtest import validate_strategy
from foldward.console._arguments import (
    BackupArguments,
    DropArguments,
    IdArguments,
    ImportArguments,
    Nothing,
    ReplayArguments,
    RetireArguments,
    SubmitArguments,
    read,
)
from foldward.console.plans import Refuses, read_plan
from foldward.contracts import clock, facts, ids, messages
from foldward.contracts.errors import (
    FAMILIES,
    InternalError,
    RequestError,
    StorageError,
    SupervisionError,
    suggestion,
)
from foldward.contracts.jobs import PHASES, Strategy
from supervision import Inbox, Root

Verb = Callable[[dict[str, Any]], Any]
ANSWER_S = 60.0
REPLAY_S = 3600.0
ASKED = 1  # what a person waits for goes out before what the rank cycle (0) asks for
SPLITS = ("wfv", "cpcv")
PLANNED = (*SPLITS, "evidence")


class Verbs:
    """The product's verbs of one core. core: run_id, seed, config_snapshot.

    reload: reads the settings anew and says what came of it, as `foldward.app.reload` does. refuses: which
    names cannot carry a split plan, and why (PlanDoor.refusals).
    """

    def __init__(
        self,
        root: Root,
        core: dict[str, Any],
        reload: Callable[[], dict[str, Any]] | None = None,
        refuses: Refuses | None = None,
    ) -> None:
        self._reload = reload or _no_reload
        self._refuses = refuses or (lambda *_: {})
        self._root = root
        self._core = core
        self._started = clock.now()

    def table(self) -> dict[str, Verb]:
        """Verb by name, for the server."""
        return {
            "core_status": self.core_status,
            "submit": self.submit,
            "cancel": self.cancel,
            "retry": self.retry,
            "pause": lambda given: self._acknowledged(given, messages.Pause),
            "resume": lambda given: self._acknowledged(given, messages.Resume),
            "drain": self.drain,
            "rank_cycle": self.rank_cycle,
            "reload": self.reload,
            "dead_replay": self.dead_replay,
            "dead_cancel": self.dead_cancel,
            "dead_drop": self.dead_drop,
            "backed_up": self.backed_up,
            "import_strategies": self.import_strategies,
            "retire_strategies": lambda given: self._fact(read(given, RetireArguments).fact),
        }

    def core_status(self, given: dict[str, Any]) -> dict[str, Any]:
        """Plain attributes only: it answers while every actor hangs."""
        read(given, Nothing)
        tree, counters, seen = self._root.snapshot(), self._root.counters(), views(self._root)
        dispatcher = seen.get("dispatcher", {})
        return {
            "run_id": self._core["run_id"],
            "uptime_s": round(clock.now() - self._started, 3),
            "config_snapshot": self._config_snapshot(),
            "workers": worker_rows(tree, dispatcher.get("workers", [])),
            "children": child_rows(tree),
            "rss_bytes": memory()[0],
            "breakers": dispatcher.get("breakers", []),
            "in_flight": dispatcher.get("in_flight", 0),
            "buffered": dispatcher.get("buffered", 0),
            "draining": dispatcher.get("draining", False),
            "supervision": {"restarts": counters["restarts"], "zombies": counters["zombies"]},
        }

    def _config_snapshot(self) -> Any:
        """The settings in force: those of the last good reload, where there can be one."""
        shown = getattr(self._reload, "shown", None)
        return self._core["config_snapshot"] if shown is None else shown()

    def submit(self, given: dict[str, Any]) -> dict[str, Any]:
        """Admit requests; the answer comes after the commit. A plan that cannot be carried out is refused."""
        said = read(given, SubmitArguments)
        if said.kind not in PHASES:
            raise RequestError(
                "request.bad_plan", f"unknown kind {said.kind!r}: {suggestion(said.kind[:80], PHASES)}"
            )
        plan, refused = said.plan, dict[str, messages.SubmitOutcome]()
        if said.kind in SPLITS:
            refused = self._refuses(said.kind, said.names, read_plan(said.kind, plan))
        elif plan is not None and said.kind not in PLANNED:
            raise RequestError("request.bad_plan", f"{said.kind} requests take no plan", field="plan")
        message = messages.Submit(
            names=tuple(name for name in said.names if name not in refused),
            kind=said.kind,
            now=said.now,
            origin=said.origin,
            run_id=self._core["run_id"],
            # Of many at once each is followed by itself: without a trace of the order, its id is its trace.
            trace_id=ids.new_id() if len(said.names) == 1 else None,
            seed=self._core["seed"],
            priority=ASKED,
            plan=plan,
        )
        # Walk-forward and CPCV runs have a row of their own, which the scheduler keeps.
        to = "wfv_scheduler" if said.kind in SPLITS else "oos_queue"
        known = dict(refused)
        if message.names:
            answer = self._ask(to, message, messages.Submitted)
            known |= {item.name: item for item in answer.items}
        items = [_without_none(known[name]) for name in said.names]
        for item in items:
            _trace(item, message)
        return {"items": items, "trace_id": message.trace_id}

    def cancel(self, given: dict[str, Any]) -> dict[str, Any]:
        """End open requests."""
        message = messages.Cancel(request_ids=read(given, IdArguments).request_ids, why="operator")
        return {"request_ids": list(self._ask("oos_queue", message, messages.Cancelled).request_ids)}

    def retry(self, given: dict[str, Any]) -> dict[str, Any]:
        """Make requests due at once."""
        message = messages.RetryNow(request_ids=read(given, IdArguments).request_ids)
        return {"outcomes": dict(self._ask("oos_queue", message, messages.Retried).outcomes)}

    def drain(self, given: dict[str, Any]) -> dict[str, Any]:
        """Admit and send nothing more: the dispatcher tells the queue's door."""
        return self._acknowledged(given, messages.Drain)

    def rank_cycle(self, given: dict[str, Any]) -> dict[str, Any]:
        """Have RankEvaluator look at once at what changed."""
        read(given, Nothing)
        evaluator = self._root.handle("rank_evaluator")
        if not (evaluator.tell(messages.Refresh(reason="operator")) and evaluator.tell(messages.Tick())):
            raise SupervisionError(
                "supervision.no_answer", "rank_evaluator takes no messages", hint="foldward tree"
            )
        return {"ok": True}

    def reload(self, given: dict[str, Any]) -> dict[str, Any]:
        """Check the settings again and take over what can change while core runs."""
        read(given, Nothing)
        return self._reload()

    def dead_replay(self, given: dict[str, Any]) -> dict[str, Any]:
        """Replay held letters; each has its own outcome."""
        said = read(given, ReplayArguments)
        fields = {**msgspec.structs.asdict(said), "ids": said.ids or ()}
        return _done(self._ask("dead_letter", messages.ReplayDead(**fields), messages.ReplayDone, REPLAY_S))

    def dead_cancel(self, given: dict[str, Any]) -> dict[str, Any]:
        """End the replays that run; each still answers with what it did."""
        read(given, Nothing)
        answer = self._ask("dead_letter", messages.CancelReplay(), messages.Ack)
        return {"cancelled": answer.value["cancelled"]}

    def backed_up(self, given: dict[str, Any]) -> dict[str, Any]:
        """Record a backup that an operator made: only core writes the telemetry file."""
        said = read(given, BackupArguments)
        message = messages.Emit(
            event_type="db.backup",
            data={"path": said.path},
            at_us=clock.utc_us(),
            service="console",
            run_id=self._core["run_id"],
        )
        return {"ok": self._root.handle("telemetry").tell(message)}

    def dead_drop(self, given: dict[str, Any]) -> dict[str, Any]:
        """Close letters without replay."""
        said = read(given, DropArguments)
        return _done(
            self._ask("dead_letter", messages.DropDead(ids=said.ids, note=said.note), messages.ReplayDone)
        )

    def import_strategies(self, given: dict[str, Any]) -> Any:
        """Store definitions that the engine would take; the first that it would not refuses them all."""
        fact = read(given, ImportArguments).fact
        checked = tuple(_checked(strategy) for strategy in fact.strategies)
        return self._fact(msgspec.structs.replace(fact, strategies=checked))

    def _fact(self, fact: facts.Fact) -> Any:
        written = self._ask("db_writer", messages.Write(fact=fact, sender="console"), messages.Written)
        if not written.ok:
            family = FAMILIES.get((written.code or "").partition(".")[0], StorageError)
            raise family(written.code or "storage.write", written.error or "the write was refused")
        if isinstance(fact, facts.ImportStrategies):
            self._root.handle("rank_evaluator").tell(messages.Refresh(reason="import"))
        return written.value

    def _acknowledged(self, given: dict[str, Any], kind: type[messages.Message]) -> dict[str, Any]:
        read(given, Nothing)
        answer = self._ask("dispatcher", kind(), messages.Ack)
        if not answer.ok:
            raise InternalError("internal.bug", f"dispatcher: {answer.value}")
        return {"ok": True, "value": answer.value}

    def _ask(self, actor: str, message: Any, expected: type, timeout: float = ANSWER_S) -> Any:
        inbox = Inbox()
        tag = ids.new_id()
        told = self._root.handle(actor).tell(msgspec.structs.replace(message, reply_to=inbox, tag=tag))
        if not told:
            raise SupervisionError(
                "supervision.no_answer", f"{actor} takes no messages", hint="foldward tree"
            )
        try:
            answer = inbox.get(timeout)
        except TimeoutError as error:
            raise SupervisionError(
                "supervision.no_answer", f"{actor} did not answer within {timeout:g} s"
            ) from error
        if not isinstance(answer, expected):
            raise InternalError("internal.bug", f"{actor} answered with {type(answer).__name__}")
        return answer


def _no_reload() -> dict[str, Any]:
    raise SupervisionError(
        "supervision.refused", "this core was started without a way to its settings", hint="start it anew"
    )


def _checked(strategy: Strategy) -> Strategy:
    try:
        return validate_strategy(strategy)
    except RequestError as error:
        words = f"{strategy.name}: {error.message}"
        raise RequestError(error.code, words, hint=error.hint, **error.context) from error


def _without_none(item: Any) -> dict[str, Any]:
    return {key: value for key, value in msgspec.to_builtins(item).items() if value is not None}


def _done(answer: messages.ReplayDone) -> dict[str, Any]:
    return {
        "replayed": answer.replayed,
        "failed": answer.failed,
        "skipped": answer.skipped,
        "items": list(answer.items),
    }


def views(root: Root) -> dict[str, dict[str, Any]]:
    """What actors publish of themselves in a plain attribute `view`: nobody is asked."""
    found = {}
    for life in root.lives():
        view = getattr(getattr(life, "actor", None), "view", None)
        if isinstance(view, dict):
            found[life.id] = view
    return found


def _trace(item: dict[str, Any], order: messages.Submit) -> None:
    """Name the trace of what is new, and say in the log what became of the name under its trace."""
    request_id = item.get("request_id")
    if item["status"] == "queued":
        own = None if order.kind in SPLITS else request_id  # the parts of a split are requests of their own
        item["trace_id"] = order.trace_id or own
    why = f": {item['code']}: {item.get('message', '')}" if item.get("code") else ""
    log = logger.bind(trace_id=item.get("trace_id") or order.trace_id or "-")
    log.debug("{} {} of {} is {}{}", order.kind, request_id or "-", item["name"], item["status"], why)


def child_rows(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything below the supervisors: [{id, kind, state, restarts, mailbox}]."""
    found = []
    for node in tree.get("children", ()):
        if node.get("kind") != "supervisor":
            found.append({name: node.get(name) for name in ("id", "kind", "state", "restarts", "mailbox")})
        found += child_rows(node)
    return found


def worker_rows(tree: dict[str, Any], peers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Supervised processes first, then peers that connected from elsewhere."""
    # Not by pid alone: a worker on another host may have the same one.
    known = {(peer["id"], peer.get("pid")): peer for peer in peers}
    found = []
    for node in _processes(tree):
        peer = known.pop((node["id"], node.get("pid")), None)
        starting = peer is None and node["state"] == "running"
        found.append(
            {
                "id": node["id"],
                "state": "starting" if starting else node["state"],
                "pid": node.get("pid"),
                "busy": peer["busy"] if peer else 0,
            }
        )
    others = [
        {"id": peer["id"], "state": "running", "pid": peer.get("pid"), "busy": peer["busy"]}
        for peer in known.values()
    ]
    return found + others


def _processes(node: dict[str, Any]) -> list[dict[str, Any]]:
    here = [node] if node.get("kind") == "process" else []
    return here + [inner for child in node.get("children", ()) for inner in _processes(child)]
