"""Is it healthy, what is wrong, what to do: one judgement from what is known. Pure.

The first thing on the first page. Each problem names what is wrong, why it matters and the way out: a page to
look at, a command to type, or one of the buttons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foldward.contracts.durations import age

MOST_STUCK = 100  # the list ends there
WORN = 0.5  # of a restart budget
JOIN_S = 30.0  # a worker starts in a few seconds, on a busy machine in twenty
UNWELL = ("backoff", "hung", "failed")
_WORSE = {"bad": 0, "warn": 1}


@dataclass(frozen=True)
class Problem:
    """level: bad (something does not work) | warn (somebody should look)."""

    level: str
    what: str
    why: str
    href: str = ""
    link: str = ""
    command: str = ""
    child: str = ""


@dataclass(frozen=True)
class Health:
    """level: good | warn | bad | down. problems: the worst first."""

    level: str
    title: str
    line: str
    problems: tuple[Problem, ...] = ()


def judge(status: Mapping[str, Any], tree: Mapping[str, Any] | None, stuck: int) -> Health:
    """status: the document of `foldward status`; tree: that of `foldward tree`; stuck: how many are."""
    core = status["core"]
    problems = tuple(sorted(_problems(status, tree, stuck), key=lambda item: _WORSE[item.level]))
    if not core["running"]:
        line = "Nothing is computed. What follows is read from the database."
        return Health("down", "Core is not running", line, problems)
    line = _line(status)
    if not problems:
        return Health("good", "Healthy", line)
    level = problems[0].level
    if len(problems) == 1:
        return Health(level, problems[0].what, line, problems)
    return Health(level, f"{len(problems)} things need you", line, problems)


def _line(status: Mapping[str, Any]) -> str:
    core = status["core"]
    if core.get("error"):
        return f"Its process (pid {core['pid']}) is there and silent. What follows is read from the database."
    up = f", up {age(core['uptime_s'])}" if core.get("uptime_s") is not None else ""
    workers = status["workers"]
    ready = sum(worker["state"] == "running" for worker in workers)
    return f"Core runs: pid {core['pid']}{up}. {ready} of {len(workers)} workers ready."


def _problems(status: Mapping[str, Any], tree: Mapping[str, Any] | None, stuck: int) -> Iterator[Problem]:
    core = status["core"]
    if not core["running"]:
        yield Problem(
            "bad",
            "Core is not running",
            "Requests wait until it is started.",
            command=f"foldward core --home {status['home']}",
        )
    elif core.get("error"):
        error = core["error"]
        yield Problem("bad", "Core does not answer", f"{error['message']}. {error.get('hint') or ''}".strip())
    yield from _of_queue(status, stuck)
    yield from _of_machinery(status, tree)
    yield from _of_counters(status["counters"])


def _of_queue(status: Mapping[str, Any], stuck: int) -> Iterator[Problem]:
    core, queue, dead = status["core"], status["queue"], status["dead_letters"]
    if core.get("draining"):
        why = "Nothing is admitted or sent; what is in work may finish."
        yield Problem("warn", "Draining", why)
    elif core["paused"]:
        waiting = queue["pending"] + queue["retry"]
        yield Problem("warn", "Paused", f"Nothing is sent; {waiting:,} wait.")
    if stuck:
        yield Problem(
            "bad",
            f"{_count(stuck, 'request')}{' or more' if stuck >= MOST_STUCK else ''} stuck",
            "Overdue at a worker, or due for long and not sent.",
            href="/queue?status=stuck",
            link="See which and why",
        )
    if dead["held"]:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dead["by_reason"].items())
        yield Problem(
            "warn",
            f"{_count(dead['held'], 'dead letter')} held",
            f"Payloads that could not be processed: {reasons}.",
            href="/dead",
            link="Look, then replay or drop",
        )
    if queue["error"]:
        yield Problem(
            "warn",
            f"{_count(queue['error'], 'request')} given up",
            "They failed for the last time; their reasons are in the list.",
            href="/queue?status=error",
            link="See why, try again",
        )


def _of_machinery(status: Mapping[str, Any], tree: Mapping[str, Any] | None) -> Iterator[Problem]:
    for node in unwell(tree):
        error = node.get("last_error") or {}
        why = f"{error['code']}: {error['message']}" if error else "See its place in the tree."
        level = "bad" if node["state"] in ("hung", "failed") else "warn"
        word = "waits to be restarted" if node["state"] == "backoff" else f"is {node['state']}"
        yield Problem(level, f"{node['id']} {word}", why, href="/tree", link="Tree", child=node["id"])
    for name in silent(status["workers"], tree):
        why = "Its process runs, but it is not on the link and gets no work."
        yield Problem("warn", f"{name} has not joined", why, href="/tree", link="Tree", child=name)
    for node in worn(tree):
        budget = node["budget"]
        why = (
            f"{budget['used']} of {budget['max']} restarts within {budget['period_s']:g} s; then it gives up."
        )
        yield Problem("warn", f"{node['id']} restarts its children often", why, href="/tree", link="Tree")
    for breaker in status["breakers"]:
        if breaker.get("state") not in (None, "closed"):
            name = breaker.get("name", breaker.get("breaker", "link"))
            why = "Its link failed several times, or was silent."
            yield Problem("warn", f"Breaker {name} is {breaker['state']}", why)
    if status["supervision"]["zombies"]:
        count = _count(status["supervision"]["zombies"], "hung thread")
        yield Problem("warn", f"{count} left behind", "Replaced, but still alive.", href="/tree", link="Tree")


def _of_counters(counters: Mapping[str, int]) -> Iterator[Problem]:
    if counters.get("db_error"):
        why = "The database refused them: look at the disk."
        yield Problem(
            "warn", f"{_count(counters['db_error'], 'write')} refused", why, command="foldward db fsck"
        )
    if counters.get("telemetry_fail"):
        count = _count(counters["telemetry_fail"], "event")
        yield Problem("warn", f"{count} not written", "They did not reach telemetry.jsonl: look at the disk.")


def unwell(tree: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The nodes that are not as they should be."""
    if tree is None:
        return []
    children: Sequence[Mapping[str, Any]] = tree.get("children", ())
    here = [tree] if tree.get("state") in UNWELL else []
    return here + [node for child in children for node in unwell(child)]


def silent(workers: Sequence[Mapping[str, Any]], tree: Mapping[str, Any] | None) -> list[str]:
    """The worker processes that have run for a while and are not on the link."""
    ages = {node["id"]: node.get("uptime_s") or 0.0 for node in _nodes(tree)}
    return [
        worker["id"]
        for worker in workers
        if worker["state"] == "starting" and ages.get(worker["id"], 0.0) >= JOIN_S
    ]


def _nodes(tree: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    if tree is not None:
        yield tree
        for child in tree.get("children", ()):
            yield from _nodes(child)


def worn(tree: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The supervisors that have used half of their restarts or more."""
    if tree is None:
        return []
    children: Sequence[Mapping[str, Any]] = tree.get("children", ())
    budget = tree.get("budget") or {"used": 0, "max": 0}
    often = bool(children) and budget["used"] > 0 and budget["used"] >= WORN * budget["max"]
    return ([tree] if often else []) + [node for child in children for node in worn(child)]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
