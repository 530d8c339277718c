"""The suite tests something: each of these one-line faults makes it fail.

Hand-written mutants of what is easy to get wrong in a supervisor; the tests named with each must catch it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
HERE = "tests/conformance/supervision"
UNIT = "tests/unit/supervision"


class Mutant(NamedTuple):
    fault: str
    module: str
    old: str
    new: str
    tests: str
    only: str = ""


PLAN = "supervision.plan"
CHILDREN = "supervision._children"
RESTARTS = "supervision._restarts"
ADMINISTRATION = "supervision._administration"
MUTANTS = [
    Mutant(
        "the edge of the window is outside",
        PLAN,
        "kept = [t for t in window if t >= now - period]",
        "kept = [t for t in window if t > now - period]",
        f"{HERE}/test_intensity.py",
        "edge or just_after",
    ),
    Mutant(
        "one crash fewer is forgiven",
        PLAN,
        "len(kept) <= intensity",
        "len(kept) < intensity",
        f"{HERE}/test_intensity.py",
        "as_many",
    ),
    Mutant(
        "failed attempts are not counted",
        RESTARTS,
        "self._count(failed.spec.id)",
        "pass",
        f"{HERE}/test_intensity.py",
        "failed_attempt",
    ),
    Mutant(
        "a group restart counts each of its members",
        RESTARTS,
        "row.record.restarts += 1\n            delay",
        "row.record.restarts += 1\n            self._count(id)\n            delay",
        f"{HERE}/test_intensity.py",
        "counts_once",
    ),
    Mutant(
        "children are stopped in start order",
        CHILDREN,
        "for row in reversed(list(self.rows.values())) if row.life",
        "for row in list(self.rows.values()) if row.life",
        f"{HERE}/test_start_stop.py",
        "reverse",
    ),
    Mutant(
        "a group is stopped in start order",
        PLAN,
        "for row in reversed(rows) if row.running",
        "for row in rows if row.running",
        f"{HERE}/test_exits.py",
        "one_for_all or rest_for_one",
    ),
    Mutant(
        "news of a replaced incarnation is believed",
        RESTARTS,
        "if row is None or row.life is not life:\n            return  # news",
        "if row is None or row.life is None:\n            return  # news",
        f"{HERE}/test_administration.py",
        "cycle_child or group",
    ),
    Mutant(
        "a late goodbye takes the name from the successor",
        "supervision.names",
        "if not is_current(slot.incarnation, incarnation):",
        "if slot.incarnation is None:",
        f"{HERE}/test_hangs.py",
        "late_unbind",
    ),
    Mutant(
        "a stale incarnation can take the name",
        "supervision._slot",
        "if incarnation < self.issued:",
        "if False:",
        f"{UNIT}/test_names.py",
        "stale_incarnation",
    ),
    Mutant(
        "a transient child is restarted after a normal end",
        PLAN,
        "restart is Restart.PERMANENT or ending in ABNORMAL",
        "restart is not Restart.TEMPORARY",
        f"{HERE}/test_exits.py",
        "transient_child",
    ),
    Mutant(
        "rest_for_one also retries who is up again",
        PLAN,
        "    if strategy is Strategy.ONE_FOR_ALL:\n        return tuple(starting)\n",
        "    return tuple(starting)\n",
        f"{UNIT}/test_plan.py",
        "retried",
    ),
    Mutant(
        "one_for_all leaves who is up again running while it retries",
        RESTARTS,
        "for row in reversed(up):",
        "for row in ():",
        f"{HERE}/test_exits.py",
        "brings_all_down",
    ),
    Mutant(
        "temporaries survive a group restart",
        PLAN,
        "if r.restart is Restart.TEMPORARY and r.id != failed)",
        "if False)",
        f"{HERE}/test_exits.py",
        "drops_temporaries",
    ),
    Mutant(
        "a putter that lost the race against closing does not look again",
        "supervision._mailbox",
        "        if self.closed:\n            self.sweep()\n        return True",
        "        return True",
        f"{UNIT}/test_mailbox.py",
        "lost_the_race",
    ),
    Mutant(
        "poison is retried for ever",
        "supervision._slot",
        "elif self.hold and not isinstance(message, Retried):",
        "elif self.hold:",
        f"{UNIT}/test_names.py",
        "poison",
    ),
    Mutant(
        "what waited is handed over backwards",
        "supervision._slot",
        "box.force(self.parked.popleft())",
        "box.force(self.parked.pop())",
        f"{UNIT}/test_names.py",
        "waits_while",
    ),
    Mutant(
        "askers of a crashed actor are not told",
        "supervision._slot",
        "    refuse(reply_to, name, why)\n    return True",
        "    return True",
        f"{HERE}/test_messages.py",
        "pending_asks",
    ),
    Mutant(
        "backoff is never reset",
        PLAN,
        "0 if uptime >= reset_after else attempts",
        "attempts",
        f"{HERE}/test_intensity.py",
        "backoff_delays",
    ),
    Mutant(
        "terminating a child does not cancel its restart",
        ADMINISTRATION,
        "        row = self._row(id)\n        row.cancel()\n        self.pending = {cause: p for cause, p in"
        " self.pending.items() if p.ids}\n        if row.life is not None:\n            self._stop_row(row)\n"
        '        row.down("stopped")\n        if row.spec.restart',
        "        row = self._row(id)\n        if row.life is not None:\n            self._stop_row(row)\n"
        '        row.down("stopped")\n        if row.spec.restart',
        f"{HERE}/test_administration.py",
        "cancels",
    ),
    Mutant(
        "a hung actor's fence is not called",
        "supervision._life",
        "            self._fence(self.actor)\n",
        "            pass\n",
        f"{HERE}/test_hangs.py",
        "fence_is_called",
    ),
    Mutant(
        "a start that comes too late takes the name",
        "supervision._life",
        "if not self.refused and not self.abandoned:",
        "if True:",
        f"{HERE}/test_handover.py",
        "taken_or_refused or abandoned_start or hangs_in_its_start",
    ),
    Mutant(
        "a thread is interrupted before it has begun its incarnation",
        "supervision._life",
        "if self.begun and not self.finished and ident is not None:",
        "if not self.finished and ident is not None:",
        f"{HERE}/test_handover.py",
        "not_begun",
    ),
    Mutant(
        "the id of a deleted child is free for everybody",
        "supervision._claims",
        "if holder != owner:",
        "if False:",
        f"{HERE}/test_administration.py",
        "deleted_child",
    ),
    Mutant(
        "an ask that nobody waits for is put to the next incarnation",
        "supervision._slot",
        "                self.parked.remove(ask)",
        "                pass",
        f"{HERE}/test_handover.py",
        "ran_out_of_time or interrupted",
    ),
    Mutant(
        "listeners are not woken while a replacement takes its time",
        CHILDREN,
        "                self.tree.sink.kick()\n                life.ready",
        "                life.ready",
        f"{HERE}/test_handover.py",
        "takes_its_time",
    ),
    Mutant(
        "one zombie more is tolerated",
        "supervision._tree",
        "count > self.max_zombies",
        "count > self.max_zombies + 1",
        f"{HERE}/test_hangs.py",
        "three_zombies",
    ),
]


def suite(mutant):
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "mutate"]
    env = {
        **os.environ,
        "MUTANT": json.dumps({"module": mutant.module, "old": mutant.old, "new": mutant.new}),
        "TOYS_PATIENCE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "_support")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # importing them costs more than the tests
    }
    return subprocess.run(
        [*words, mutant.tests, *(["-k", mutant.only] if mutant.only else [])],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=[m.fault for m in MUTANTS])
def test_the_suite_catches(mutant):
    done = suite(mutant)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "stale mutant" not in done.stdout + done.stderr


@pytest.mark.slow
def test_without_a_fault_the_same_run_passes():
    harmless = Mutant(
        "none", PLAN, "return current == incarnation", "return incarnation == current", f"{UNIT}/test_plan.py"
    )
    assert suite(harmless).returncode == 0
