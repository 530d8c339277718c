"""What an operator can ask a running core for, over its inspection socket: plain JSON in, plain JSON out.

Each verb tells one message to one actor and waits for its answer in the server's own thread, so a slow actor
delays its asker and nobody else. Arguments are checked here, at the border.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from foldward.contracts import clock, facts, ids, messages
from foldward.contracts.errors import (
    FAMILIES,
    InternalError,
    RequestError,
    StorageError,
    SupervisionError,
    suggestion,
)
from foldward.contracts.jobs import PHASES
from supervision import Inbox, Root

Verb = Callable[[dict[str, Any]], Any]
ANSWER_S = 60.0
REPLAY_S = 3600.0


class Verbs:
    """The product's verbs of one core. core: run_id, seed, config_snapshot.

    reload: reads the settings anew and says what came of it, as `foldward.app.reload` does.
    """

    def __init__(
        self, root: Root, core: dict[str, Any], reload: Callable[[], dict[str, Any]] | None = None
    ) -> None:
        self._reload = reload or _no_reload
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
            "pause": lambda _: self._acknowledged("dispatcher", messages.Pause),
            "resume": lambda _: self._acknowledged("dispatcher", messages.Resume),
            "drain": self.drain,
            "rank_cycle": self.rank_cycle,
            "reload": self.reload,
            "dead_replay": self.dead_replay,
            "dead_drop": self.dead_drop,
            "import_strategies": lambda given: self._fact(given, facts.ImportStrategies),
            "retire_strategies": lambda given: self._fact(given, facts.RetireStrategies),
        }

    def core_status(self, _: dict[str, Any]) -> dict[str, Any]:
        """Plain attributes only: it answers while every actor hangs."""
        tree, counters, seen = self._root.snapshot(), self._root.counters(), views(self._root)
        dispatcher = seen.get("dispatcher", {})
        return {
            "run_id": self._core["run_id"],
            "uptime_s": round(clock.now() - self._started, 3),
            "config_snapshot": self._core["config_snapshot"],
            "workers": worker_rows(tree, dispatcher.get("workers", [])),
            "breakers": dispatcher.get("breakers", []),
            "in_flight": dispatcher.get("in_flight", 0),
            "buffered": dispatcher.get("buffered", 0),
            "draining": dispatcher.get("draining", False),
            "supervision": {"restarts": counters["restarts"], "zombies": counters["zombies"]},
        }

    def submit(self, given: dict[str, Any]) -> dict[str, Any]:
        """Admit requests; the answer comes after the commit."""
        kind = given.get("kind", "oos")
        if kind not in PHASES:
            raise RequestError("request.bad_plan", f"unknown kind {kind!r}: {suggestion(str(kind), PHASES)}")
        names = _texts(given, "names")
        message = messages.Submit(
            names=names,
            kind=kind,
            now=bool(given.get("now", False)),
            origin=str(given.get("origin", "operator")),
            run_id=self._core["run_id"],
            trace_id=ids.new_id(),
            seed=self._core["seed"],
            plan=given.get("plan"),
        )
        # Walk-forward and CPCV runs have a row of their own, which the scheduler keeps.
        to = "wfv_scheduler" if kind in ("wfv", "cpcv") else "oos_queue"
        answer = self._ask(to, message, messages.Submitted)
        return {"items": [_without_none(item) for item in answer.items], "trace_id": message.trace_id}

    def cancel(self, given: dict[str, Any]) -> dict[str, Any]:
        """End open requests."""
        message = messages.Cancel(request_ids=_texts(given, "request_ids"), why="operator")
        return {"request_ids": list(self._ask("oos_queue", message, messages.Cancelled).request_ids)}

    def retry(self, given: dict[str, Any]) -> dict[str, Any]:
        """Make requests due at once."""
        message = messages.RetryNow(request_ids=_texts(given, "request_ids"))
        return {"outcomes": dict(self._ask("oos_queue", message, messages.Retried).outcomes)}

    def drain(self, _: dict[str, Any]) -> dict[str, Any]:
        """Admit and send nothing more: the dispatcher tells the queue's door."""
        return self._acknowledged("dispatcher", messages.Drain)

    def rank_cycle(self, _: dict[str, Any]) -> dict[str, Any]:
        """Have RankEvaluator look at once at what changed."""
        evaluator = self._root.handle("rank_evaluator")
        if not (evaluator.tell(messages.Refresh(reason="operator")) and evaluator.tell(messages.Tick())):
            raise SupervisionError(
                "supervision.no_answer", "rank_evaluator takes no messages", hint="foldward tree"
            )
        return {"ok": True}

    def reload(self, _: dict[str, Any]) -> dict[str, Any]:
        """Check the settings again and take over what can change while core runs."""
        return self._reload()

    def dead_replay(self, given: dict[str, Any]) -> dict[str, Any]:
        """Replay held letters; each has its own outcome."""
        rate = float(given.get("rate", 50.0))
        if rate <= 0:
            raise RequestError("request.bad_param", f"rate must be above 0, not {rate}", field="rate")
        message = messages.ReplayDead(
            ids=tuple(int(item) for item in given.get("ids") or ()),
            all=bool(given.get("all", False)),
            reason=given.get("reason"),
            strategy=given.get("strategy"),
            older_than_s=given.get("older_than_s"),
            dry_run=bool(given.get("dry_run", False)),
            rate=rate,
            limit=given.get("limit"),
            note=str(given.get("note", "")),
        )
        return _done(self._ask("dead_letter", message, messages.ReplayDone, REPLAY_S))

    def dead_drop(self, given: dict[str, Any]) -> dict[str, Any]:
        """Close letters without replay."""
        message = messages.DropDead(
            ids=tuple(int(item) for item in given.get("ids") or ()), note=str(given.get("note", ""))
        )
        return _done(self._ask("dead_letter", message, messages.ReplayDone))

    def _fact(self, given: dict[str, Any], kind: type[facts.Fact]) -> Any:
        try:
            fact = msgspec.convert(given["fact"], kind)
        except (KeyError, msgspec.ValidationError) as error:
            raise RequestError("request.bad_strategy", f"{kind.__name__}: {error}") from error
        written = self._ask("db_writer", messages.Write(fact=fact, sender="console"), messages.Written)
        if not written.ok:
            family = FAMILIES.get((written.code or "").partition(".")[0], StorageError)
            raise family(written.code or "storage.write", written.error or "the write was refused")
        if kind is facts.ImportStrategies:
            self._root.handle("rank_evaluator").tell(messages.Refresh(reason="import"))
        return written.value

    def _acknowledged(self, actor: str, kind: type[messages.Message]) -> dict[str, Any]:
        answer = self._ask(actor, kind(), messages.Ack)
        if not answer.ok:
            raise InternalError("internal.bug", f"{actor}: {answer.value}")
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


def _texts(given: dict[str, Any], key: str) -> tuple[str, ...]:
    values = given.get(key)
    if (
        not isinstance(values, list)
        or not values
        or not all(isinstance(item, str) and item for item in values)
    ):
        raise RequestError("request.bad_param", f"{key} must be a non-empty list of texts", field=key)
    return tuple(values)


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


def worker_rows(tree: dict[str, Any], peers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Supervised processes first, then peers that connected from elsewhere."""
    by_pid = {peer.get("pid"): peer for peer in peers}
    found = []
    for node in _processes(tree):
        peer = by_pid.pop(node.get("pid"), None)
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
        for peer in by_pid.values()
    ]
    return found + others


def _processes(node: dict[str, Any]) -> list[dict[str, Any]]:
    here = [node] if node.get("kind") == "process" else []
    return here + [inner for child in node.get("children", ()) for inner in _processes(child)]
