"""The tree and its processes."""

from __future__ import annotations

from foldward.contracts.errors._base import FoldwardError, declare


class SupervisionError(FoldwardError):
    """The tree could not do what was asked."""

    family = "supervision"
    exit_code = 1


declare("supervision.not_found", "No child of that id.", "foldward tree", exit_code=4)
declare(
    "supervision.core_running",
    "Another core owns this home.",
    "stop it, or choose another --home",
    exit_code=2,
)
declare("supervision.core_down", "No core is running in this home.", "foldward core --home DIR", exit_code=3)
declare("supervision.web_down", "No dashboard runs in this home.", "foldward web --home DIR", exit_code=3)
declare(
    "supervision.no_answer",
    "The core did not answer in time.",
    "foldward tree shows who is busy with what",
    retryable=True,
    fault="machine",
    exit_code=5,
)
declare("supervision.refused", "The tree refused what was asked.", "foldward tree")
declare(
    "supervision.hung",
    "A child was busy with one message for too long, or did not stop in time.",
    "its crash report shows where it hung",
    fault="us",
)
declare(
    "supervision.budget_spent",
    "A supervisor had to restart its children too often.",
    "its crash report names the last of them",
    fault="us",
)
declare(
    "supervision.process_killed",
    "A process of the tree was ended by a signal that nobody in the tree sent.",
    "an unasked SIGKILL is often the kernel's, short of memory: sudo journalctl -k; foldward crashes CHILD",
    fault="machine",
)
declare(
    "supervision.process_exited",
    "A process of the tree ended by itself with a code other than 0.",
    "foldward crashes CHILD shows its last words on stderr",
    fault="machine",
)
declare("supervision.start_failed", "A child did not start.", "the cause follows in the message", fault="us")
declare(
    "supervision.worker_lost",
    "A worker died or its link dropped.",
    "nothing to do: the work goes out again",
    retryable=True,
    fault="machine",
)
declare(
    "supervision.crash_loop",
    "The request's worker died three times on it.",
    "foldward dead show ID",
    fault="caller",
)
