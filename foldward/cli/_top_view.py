"""What `foldward top` shows, as pure functions of what was seen: what is wrong comes first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text

from foldward.cli._output import cell
from foldward.contracts.durations import age

COLOURS = {
    "running": "green",
    "backoff": "yellow",
    "starting": "yellow",
    "stopping": "yellow",
    "hung": "red",
    "failed": "red",
}
BUSY_S = 10.0  # on one message for longer than this is worth a look
MAILBOX = 1_000
OLD_S = 900.0
# Come all the time and tell nothing that the panes above do not show.
ROUTINE = (
    "heartbeat.",
    "metrics.snapshot",
    "status.snapshot",
    "oos.requested",
    "oos.deferred",
    "supervisor.started",
)


FIRST = ("child", "strategy", "file", "reason", "code", "error", "from", "to")  # what a narrow pane must show


@dataclass(frozen=True)
class Seen:
    """One look: the document of `foldward status`, the tree (None without a core), and what is stuck.

    error: why the database or the core could not be asked; empty when they could.
    """

    status: dict[str, Any]
    tree: dict[str, Any] | None = None
    stuck: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong, and the command that tells more."""

    what: str
    command: str
    grave: bool = True


def troubles(seen: Seen) -> list[Trouble]:
    """What is wrong now, the worst first."""
    status, found = seen.status, list[Trouble]()
    core = status["core"]
    if seen.error:
        found.append(Trouble(seen.error, "foldward doctor"))
    if not core["running"]:
        found.append(Trouble("core is not running: the figures are those of the database", "foldward core"))
    elif core.get("error"):
        words = core["error"].get("message", "")
        found.append(Trouble(f"core does not answer: {words}", "python -m supervision stacks"))
    for node in nodes(seen.tree):
        found += _of_node(node)
    if core["running"] and not core.get("error"):
        if not any(worker["state"] == "running" for worker in status["workers"]):
            found.append(Trouble("no worker runs: requests wait", "foldward tree"))
        for breaker in status["breakers"]:
            if breaker.get("state") != "closed":
                name = breaker.get("name", breaker.get("breaker"))
                found.append(Trouble(f"the breaker of {name} is {breaker['state']}", "foldward status"))
        if core["paused"]:
            found.append(Trouble("sending is paused: r resumes", "foldward resume", grave=False))
        if core["draining"]:
            found.append(Trouble("core drains: it admits nothing more", "foldward status", grave=False))
    if seen.stuck:
        oldest = seen.stuck[0]
        many = f"{len(seen.stuck)}{'+' if len(seen.stuck) >= 100 else ''}"
        what = f"{many} stuck, the longest {age(oldest['age_s'])}: {oldest['why']}"
        found.append(Trouble(what, f"foldward why {oldest['request_id']}"))
    held, reasons = status["dead_letters"]["held"], status["dead_letters"].get("by_reason") or {}
    if held:
        words = ", ".join(f"{count} {name}" for name, count in reasons.items())
        what = f"{cell(held)} dead letter{'' if held == 1 else 's'} held: {words}"
        found.append(Trouble(what, "foldward dead list", grave=False))
    if status["counters"].get("nondeterministic"):
        count = cell(status["counters"]["nondeterministic"])
        found.append(Trouble(f"{count} requests had two different answers", "foldward failures", grave=False))
    return sorted(found, key=lambda trouble: not trouble.grave)


def _of_node(node: Mapping[str, Any]) -> Iterator[Trouble]:
    name, last = node["id"], node.get("last_error") or {}
    if node["state"] not in ("running", "stopped", "starting", "stopping"):
        why = f": {last['message']}" if last.get("message") else ""
        yield Trouble(f"{name} is {node['state']}{why}", "python -m supervision crashes")
    budget = node.get("budget") or {}
    if node.get("kind") == "supervisor" and budget.get("used", 0) >= max(1, budget.get("max") or 1):
        yield Trouble(f"{name} has spent its budget of restarts", "python -m supervision crashes")
    if (node.get("busy_s") or 0) > BUSY_S:
        what = f"{name} is busy with one {node.get('current') or 'message'} for {age(node['busy_s'])}"
        yield Trouble(what, "python -m supervision stacks", grave=False)
    if (node.get("mailbox") or 0) > MAILBOX:
        yield Trouble(f"{name} has {cell(node['mailbox'])} messages waiting", "foldward tree", grave=False)


def nodes(tree: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """Every node of the tree, parents first."""
    if tree:
        yield tree
        for child in tree.get("children") or ():
            yield from nodes(child)


def trouble_text(found: Sequence[Trouble], width: int, lines: int = 4) -> Text:
    """A line each, the command at the right end where there is room; the last line counts the rest."""
    text = Text(no_wrap=True, overflow="ellipsis")
    if not found:
        return text.append("nothing is wrong", style="bold green")
    shown = found if len(found) <= lines else found[: lines - 1]
    for number, trouble in enumerate(shown):
        if number:
            text.append("\n")
        command = f"  {trouble.command}"
        room = width - 2
        if len(trouble.what) + len(command) > room:
            command = ""
        what = trouble.what if len(trouble.what) <= room - len(command) else trouble.what[: room - 1] + "…"
        text.append("! " if trouble.grave else "· ", style="bold red" if trouble.grave else "yellow")
        text.append(what, style="bold red" if trouble.grave else "yellow")
        text.append(" " * (room - len(what) - len(command)) + command, style="dim")
    if len(found) > len(shown):
        text.append(f"\n  and {len(found) - len(shown)} more: foldward status, foldward tree", style="yellow")
    return text


def figure_text(seen: Seen) -> Text:
    """Core, queue, times: three short lines that fit 76 columns."""
    status = seen.status
    core, queue, times, counters = status["core"], status["queue"], status["latency"], status["counters"]
    text = Text(no_wrap=True, overflow="ellipsis")
    if core.get("error"):
        text.append("core ", style="bold").append("silent", style="bold red").append(f"  pid {core['pid']}\n")
    elif core["running"]:
        workers = status["workers"]
        up = sum(worker["state"] == "running" for worker in workers)
        busy = sum(bool(worker.get("busy")) for worker in workers)
        text.append("core ", style="bold")
        text.append("paused" if core["paused"] else "runs", style="yellow" if core["paused"] else "green")
        text.append(
            f"  pid {core['pid']}  up {age(core['uptime_s'])}  workers {up}/{len(workers)}, {busy} busy"
        )
        text.append(f"  restarts {status['supervision']['restarts']}\n")
    else:
        text.append("core ", style="bold")
        text.append("down", style="bold red")
        text.append("\n")
    waiting = queue["pending"] + queue["retry"]
    text.append("queue ", style="bold")
    text.append(f"{cell(waiting)} waiting  {cell(queue['sent'])} out  {cell(queue['error'])} given up")
    oldest = queue.get("oldest_age_s")
    if oldest is not None:
        text.append(f"  oldest {age(oldest)}", style="red" if oldest > OLD_S else "")
    text.append(f"  {_many(counters['success'])} applied  {_many(counters['failure'])} failed\n")
    text.append("times ", style="bold")
    if times["count"]:
        text.append("  ".join(f"{name} {_seconds(times[f'{name}_s'])}" for name in ("p50", "p95", "p99")))
        parts = ((word, times.get(key) or {}) for word, key in (("wait", "queue"), ("run", "run")))
        text.append("  ")
        text.append(" ".join(f" {word} p95 {_seconds(part.get('p95_s'))}" for word, part in parts))
    else:
        text.append("no result yet", style="dim")
    return text


def label(node: Mapping[str, Any]) -> Text:
    """A child's line: a mark for its state, its name, and what stands out."""
    state = node["state"]
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append("● " if state == "running" else "○ ", style=COLOURS.get(state, "dim"))
    text.append(node["id"], style="bold" if node.get("kind") == "supervisor" else "")
    if state != "running":
        text.append(f" {state}", style=COLOURS.get(state, "dim"))
    if node.get("restarts"):
        text.append(f" ↻{node['restarts']}", style="yellow")
    if node.get("mailbox"):
        text.append(f" ✉{cell(node['mailbox'])}", style="yellow" if node["mailbox"] > MAILBOX else "dim")
    if (node.get("busy_s") or 0) > BUSY_S:
        text.append(f" busy {age(node['busy_s'])}", style="yellow")
    if node.get("last_error"):
        text.append(f" {node['last_error']['code']}", style="red")
    return text


def routine(line: bytes) -> bool:
    """Whether an event line is one that comes all the time."""
    start = line.find(b'"event_type":"') + 14
    name = line[start : line.find(b'"', start)].decode("utf-8", "replace")
    return name.startswith(ROUTINE)


def event_line(line: bytes) -> Text:
    """One telemetry line as a person reads it; a line that is no JSON is shown as it is."""
    text = Text(no_wrap=True, overflow="ellipsis")
    try:
        plain = json.loads(line)
        style = {"warning": "yellow", "error": "red", "critical": "bold red"}.get(plain["severity"], "cyan")
        data = plain["data"]
        order = [*(key for key in FIRST if key in data), *(key for key in data if key not in FIRST)]
        facts = " ".join(f"{key}={_short(data[key])}" for key in order if data[key] is not None)
        text.append(f"{plain['timestamp'][11:19]} ", style="dim")
        text.append(plain["event_type"], style=style)
        text.append(f" {facts}")
    except (ValueError, KeyError, TypeError, AttributeError):
        return Text(line.decode("utf-8", "replace"), no_wrap=True, overflow="ellipsis")
    return text


def _short(value: Any) -> str:
    if isinstance(value, list | dict):
        return f"[{len(value)}]"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = " ".join(str(value).split())
    # Ids and digests: their ends tell them apart.
    return f"…{text[-8:]}" if len(text) > 30 and " " not in text else text


def _many(count: int) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e5, "k")):
        if count >= limit:
            return f"{count / (limit if unit != 'k' else 1e3):.3g} {unit}"
    return cell(count)


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
