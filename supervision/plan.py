"""The supervisor's decisions as pure functions over plain data; the supervisor only carries them out.

Each is the OTP supervisor's (lib/stdlib/src/supervisor.erl): `restart_of` is do_restart/3, `group` and
`steps` are restart/3 with terminate_children/2 and start_children/2, `retry_group` is its {try_again, Id},
`within_budget` is add_restart/1, `shuts_down` is do_auto_shutdown/2.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from supervision.spec import AutoShutdown, Restart, Strategy


class Ending(enum.Enum):
    """How an incarnation ended."""

    NORMAL = "normal"  # it left by itself
    SHUTDOWN = "shutdown"  # it was told to stop, or left with "shutdown"
    CRASH = "crash"  # an exception, SystemExit included; a process with a code other than 0
    HUNG = "hung"  # abandoned: too long on one message, or past its shutdown limit
    KILLED = "killed"  # abandoned on purpose (shutdown="kill")


class Outcome(enum.Enum):
    """What follows from an ending that nobody asked for."""

    RESTART = "restart"
    KEEP_SPEC = "keep_spec"
    DELETE_SPEC = "delete_spec"


class Row(NamedTuple):
    """What the plan needs to know of a child."""

    id: str
    restart: Restart
    running: bool
    significant: bool = False


class Steps(NamedTuple):
    """A group restart: stop these in this order, forget these specs, start these in this order."""

    stop: tuple[str, ...]
    drop: tuple[str, ...]
    start: tuple[str, ...]


ABNORMAL = frozenset({Ending.CRASH, Ending.HUNG, Ending.KILLED})


def restart_of(restart: Restart, ending: Ending, dynamic: bool = False) -> Outcome:
    """The table of exits: permanent always, transient when abnormal, temporary never.

    A dynamic supervisor keeps no spec of a child that is not restarted.
    """
    if restart is Restart.TEMPORARY:
        return Outcome.DELETE_SPEC
    if restart is Restart.PERMANENT or ending in ABNORMAL:
        return Outcome.RESTART
    return Outcome.DELETE_SPEC if dynamic else Outcome.KEEP_SPEC


def group(strategy: Strategy, ids: Sequence[str], failed: str) -> tuple[str, ...]:
    """Who is restarted when `failed` is, in start order."""
    if strategy is Strategy.ONE_FOR_ONE:
        return (failed,)
    if strategy is Strategy.ONE_FOR_ALL:
        return tuple(ids)
    return tuple(ids[list(ids).index(failed) :])


def steps(strategy: Strategy, rows: Sequence[Row], failed: str) -> Steps:
    """The whole restart of the group of `failed`.

    Stops in reverse what still runs; temporaries lose their specs; every other spec of the group starts,
    also one that had finished, was terminated or had declined.
    """
    if strategy is Strategy.ONE_FOR_ONE:
        return Steps((), (), (failed,))
    members = set(group(strategy, [row.id for row in rows], failed))
    inside = [row for row in rows if row.id in members]
    temporary = tuple(r.id for r in inside if r.restart is Restart.TEMPORARY and r.id != failed)
    return Steps(
        stop=stop_order([row for row in inside if row.id != failed]),
        drop=temporary,
        start=tuple(r.id for r in inside if r.id not in temporary),
    )


def stop_order(rows: Sequence[Row]) -> tuple[str, ...]:
    """Running children, last started first."""
    return tuple(row.id for row in reversed(rows) if row.running)


def retry_group(strategy: Strategy, starting: Sequence[str], failed: str) -> tuple[str, ...]:
    """Who is tried again after `failed` did not start while `starting` were started in that order.

    one_for_all: all of them (those up again are stopped first); else only the failing tail.
    """
    if strategy is Strategy.ONE_FOR_ALL:
        return tuple(starting)
    return tuple(starting[list(starting).index(failed) :])


def within_budget(
    window: Sequence[float], now: float, intensity: int, period: float
) -> tuple[list[float], bool]:
    """Add a restart at `now` (seconds); False when that is more than `intensity` in `period`.

    The edge counts: a restart exactly `period` ago is still in the window.
    """
    kept = [t for t in window if t >= now - period]
    kept.append(now)
    return kept, len(kept) <= intensity


def used(window: Sequence[float], now: float, period: float) -> int:
    """How many restarts the window holds at `now`."""
    return sum(1 for t in window if t >= now - period)


def attempts_before(attempts: int, uptime: float, reset_after: float) -> int:
    """Backoff steps taken so far; a run of `reset_after` seconds or more starts afresh."""
    return 0 if uptime >= reset_after else attempts


def shuts_down(auto: AutoShutdown, ended: Row, others: Sequence[Row]) -> bool:
    """Whether the supervisor ends after `ended` ended by itself and is not restarted.

    `others`: the rest of its children; running includes one between two lives.
    """
    if auto is AutoShutdown.NEVER or not ended.significant:
        return False
    if auto is AutoShutdown.ANY_SIGNIFICANT:
        return True
    return not any(row.significant and row.running for row in others)


def is_current(current: int | None, incarnation: int) -> bool:
    """Whether news of `incarnation` is about the one that holds the name; older news is stale."""
    return current == incarnation
